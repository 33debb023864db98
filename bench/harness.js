// Measures servers side by side: each in a process of its own, all of them loaded in turn in every round, so that what
// disturbs the machine disturbs all alike. Figures are medians over the rounds; ratios are taken round by round. Beside
// the requests a second stands the server's processor time for each, which other load on the machine disturbs less.
import autocannon from 'autocannon';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';

/** Median, least and most of some numbers. */
export function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, least: sorted[0], most: sorted[sorted.length - 1] };
}

function shuffled(list) {
  return list
    .map((item) => [Math.random(), item])
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** Starts a server module; it sends its port to the parent when it listens (see `listen`). */
async function start({ module, args = [] }) {
  const child = fork(module, args, { stdio: 'inherit' });
  const [port] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${module} ${args.join(' ')} ended with ${code}`))),
  ]);
  return { child, port };
}

/** For a server module: listens on a free port of loopback and tells the parent. */
export function listen(listener) {
  const server = listener.listen(0, '127.0.0.1', () => process.send(server.address().port));
  process.on('message', () => process.send(process.cpuUsage()));
  process.once('disconnect', () => process.exit());
  return server;
}

/** Microseconds of processor time that a server has used. */
async function processorTime(child) {
  child.send('cpu');
  const [{ user, system }] = await once(child, 'message');
  return user + system;
}

async function load({ child, port }, { path, connections, seconds, requests }) {
  const before = await processorTime(child);
  const result = await autocannon({
    url: `http://127.0.0.1:${port}${path}`,
    connections,
    duration: seconds,
    ...(requests && { requests }),
  });
  const used = (await processorTime(child)) - before;
  return {
    rate: result.requests.average,
    cost: used / result.requests.total,
    p99: result.latency.p99,
    failed: result.errors + result.timeouts,
    refused: result.non2xx,
  };
}

/**
 * Loads servers in turn and prints a table.
 *
 * @param title heading of the table
 * @param servers by name: the module to start, and its arguments
 * @param ceiling name of the server the others are compared with
 * @param ours name of the server whose ratio to each other one is printed too
 */
export async function compareServers({
  title,
  servers,
  ceiling,
  ours,
  rounds = 7,
  seconds = 2,
  connections = 50,
  path = '/',
  requests,
}) {
  const running = new Map();
  try {
    for (const [name, server] of Object.entries(servers)) running.set(name, await start(server));
    const names = [...running.keys()];
    const samples = Object.fromEntries(names.map((name) => [name, []]));
    for (const name of names) await load(running.get(name), { path, connections, seconds: 1, requests });
    for (let round = 0; round < rounds; round++) {
      for (const name of shuffled(names)) {
        samples[name].push(await load(running.get(name), { path, connections, seconds, requests }));
      }
    }
    print(title, names, samples, { ceiling, ours, rounds, seconds, connections });
  } finally {
    for (const { child } of running.values()) child.kill();
  }
}

function print(title, names, samples, { ceiling, ours, rounds, seconds, connections }) {
  const cpu = cpus()[0]?.model ?? 'unknown processor';
  console.log(`\n## ${title}\n`);
  console.log(
    `${rounds} interleaved rounds of ${seconds} s, ${connections} connections; Node ${process.version}, ${cpus().length} × ${cpu}\n`,
  );
  console.log(
    '| server | requests/s (least – most) | of the ceiling | processor µs each | of the ceiling | p99 ms | failed | refused |',
  );
  console.log('|---|---|---|---|---|---|---|---|');
  const rateRatio = (name, to) => ratio(spread(samples[name].map(({ rate }, i) => rate / samples[to][i].rate)));
  const costRatio = (name, to) => ratio(spread(samples[name].map(({ cost }, i) => samples[to][i].cost / cost)));
  for (const name of names) {
    const of = (key) => spread(samples[name].map((sample) => sample[key]));
    const sum = (key) => samples[name].reduce((total, sample) => total + sample[key], 0);
    const { median, least, most } = of('rate');
    const columns = [
      name,
      `${whole(median)} (${whole(least)} – ${whole(most)})`,
      rateRatio(name, ceiling),
      of('cost').median.toFixed(1),
      costRatio(name, ceiling),
      of('p99').median,
      sum('failed'),
      sum('refused'),
    ];
    console.log(`| ${columns.join(' | ')} |`);
  }
  for (const name of names.filter((one) => one !== ours && one !== ceiling)) {
    console.log(
      `\n${ours} / ${name}: ${rateRatio(ours, name)} by requests, ${costRatio(ours, name)} by processor time`,
    );
  }
}

/**
 * Runs functions in turn, each for about `milliseconds` a round, and prints how often a second they ran. With `quietest`
 * the rate is that of the fastest tenth of the batches: those in which nothing else had the processor.
 *
 * @param functions by name: does `n` operations and returns nothing, or a promise
 */
export async function microbenchmark({
  title,
  functions,
  rounds = 7,
  milliseconds = 500,
  batch = 10_000,
  ours,
  quietest = false,
}) {
  const names = Object.keys(functions);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (const name of names) await functions[name](batch);
  for (let round = 0; round < rounds; round++) {
    for (const name of shuffled(names)) {
      const durations = await durationsOf(functions[name], batch, milliseconds);
      samples[name].push((batch / (quietest ? fastestTenth(durations) : mean(durations))) * 1000);
    }
  }
  console.log(`\n## ${title}\n`);
  console.log(`| | operations/s${quietest ? ', undisturbed' : ''} (least – most) |`);
  console.log('|---|---|');
  for (const name of names) {
    const rate = spread(samples[name]);
    console.log(`| ${name} | ${whole(rate.median)} (${whole(rate.least)} – ${whole(rate.most)}) |`);
  }
  for (const name of names.filter((one) => one !== ours)) {
    console.log(`\n${ours} / ${name}: ${ratio(spread(samples[ours].map((rate, i) => rate / samples[name][i])))}`);
  }
}

async function durationsOf(run, batch, milliseconds) {
  const durations = [];
  const end = performance.now() + milliseconds;
  for (let began = performance.now(); began < end;) {
    await run(batch);
    const now = performance.now();
    durations.push(now - began);
    began = now;
  }
  return durations;
}

const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

function fastestTenth(durations) {
  const sorted = [...durations].sort((a, b) => a - b);
  return mean(sorted.slice(0, Math.max(1, Math.ceil(sorted.length / 10))));
}

const whole = (number) => Math.round(number).toLocaleString('en');
const ratio = ({ median, least, most }) => `${median.toFixed(2)} (${least.toFixed(2)} – ${most.toFixed(2)})`;
