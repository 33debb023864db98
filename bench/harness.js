// Measures servers side by side, each in its own process. Every round loads all of them in turn, so that a disturbance
// of the machine affects all of them. Figures are medians over the rounds; ratios are computed per round. It also
// reports the server's processor time per request, which other load on the machine disturbs less than the rate.
import autocannon from 'autocannon';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { usedMemory } from './memory.js';
import { on } from './processors.js';
import { judge, machine, publish, ratio, spread, whole } from './report.js';

export { machine, spread };

export function shuffled(list) {
  return list
    .map((item) => [Math.random(), item])
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/**
 * Starts a server module; it sends its port to the parent when it listens (see `listen`).
 *
 * @param node the executable of Node to start it with
 * @param place the processors to start it on (see `processors.js`); by default, those of this process
 */
export async function start({ module, args = [], node = process.execPath, place }) {
  const own = { command: node, args: ['--expose-gc'] };
  const { command, args: execArgv } = place === undefined ? own : on(place, own.command, own.args);
  const child = fork(module, args, { stdio: 'inherit', execArgv, execPath: command });
  const [port] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${module} ${args.join(' ')} ended with ${code}`))),
  ]);
  return { child, port };
}

/**
 * For a server module: listens on a free loopback port, sends the port to the parent, and answers `ask`.
 *
 * @param answers further questions: a function by the name of each
 */
export function listen(listener, answers = {}) {
  const known = { cpu: () => process.cpuUsage(), memory: memoryNow, ...answers };
  const server = listener.listen(0, '127.0.0.1', () => process.send(server.address().port));
  process.on('message', async (question) => process.send(await known[question]()));
  process.once('disconnect', () => process.exit());
  return server;
}

/** Bytes in use and resident after a collection, and how much keeps the process open. */
async function memoryNow() {
  const used = await usedMemory();
  return { used, rss: process.memoryUsage.rss(), handles: process.getActiveResourcesInfo().length };
}

/** Asks a server that `listen` started a question, and returns its answer. */
export async function ask(child, question) {
  child.send(question);
  const [answer] = await once(child, 'message');
  return answer;
}

/** Microseconds of processor time that a server has used. */
export async function processorTime(child) {
  const { user, system } = await ask(child, 'cpu');
  return user + system;
}

/** Memory of a server after a garbage collection: `{ used, rss, handles }`, in bytes. */
export const memoryOf = (child) => ask(child, 'memory');

/**
 * Loads a server that `start` started, for so many seconds or with so many requests: requests a second, µs of its processor time for
 * each, p99 in ms, and what went wrong.
 */
export async function load({ child, port }, { path, connections, seconds, amount, requests }) {
  const before = await processorTime(child);
  const result = await autocannon({
    url: `http://127.0.0.1:${port}${path}`,
    connections,
    ...(amount === undefined ? { duration: seconds } : { amount }),
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
 * @param title Heading of the table.
 * @param servers By name: the module to start, and its arguments.
 * @param ceiling Name of the server that the others are compared with.
 * @param ours Name of the server whose ratio to each other server is printed too.
 * @param targets Requests per second to reach (see `judge`).
 * @param warmUp Seconds of load before the first round.
 * @param version Version of Node, if the servers run on a different one from this process.
 * @param loadServer The function that loads a server: `load`, or `loadByWrk` of wrk.js.
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
  targets = [],
  warmUp = 1,
  version = process.version,
  loadServer = load,
}) {
  const running = new Map();
  try {
    for (const [name, server] of Object.entries(servers)) running.set(name, await start(server));
    const names = [...running.keys()];
    const samples = Object.fromEntries(names.map((name) => [name, []]));
    for (const name of names) await loadServer(running.get(name), { path, connections, seconds: warmUp, requests });
    for (let round = 0; round < rounds; round++) {
      for (const name of shuffled(names)) {
        samples[name].push(await loadServer(running.get(name), { path, connections, seconds, requests }));
      }
    }
    const settings = `${rounds} interleaved rounds of ${seconds} s, ${connections} connections; ${machine(version)}; load average ${loadavg()[0].toFixed(1)}`;
    publishServers(title, settings, samples, { ceiling, ours, targets });
  } finally {
    for (const { child } of running.values()) child.kill();
  }
}

/**
 * Publishes what servers did, by name, one sample for each round.
 *
 * @param samples `{ rate, cost, p99?, failed, refused }`
 */
export function publishServers(title, settings, samples, { ceiling, ours, targets }) {
  const names = Object.keys(samples);
  const hasTimes = samples[names[0]][0].p99 !== undefined;
  const rates = Object.fromEntries(names.map((name) => [name, samples[name].map(({ rate }) => rate)]));
  const rateRatio = (name, to) => ratio(spread(rates[name].map((rate, i) => rate / rates[to][i])));
  const costRatio = (name, to) => ratio(spread(samples[name].map(({ cost }, i) => samples[to][i].cost / cost)));
  publish({
    title,
    settings,
    columns: [
      'server',
      'requests/s',
      'of the ceiling',
      'processor µs each',
      'of the ceiling',
      ...(hasTimes ? ['p99 ms'] : []),
      'failed',
      'refused',
    ],
    rows: names.map((name) => {
      const of = (key) => spread(samples[name].map((sample) => sample[key])).median;
      const sum = (key) => samples[name].reduce((total, sample) => total + sample[key], 0);
      const rate = spread(rates[name]);
      const speed = `${whole(rate.median)} (${whole(rate.least)} – ${whole(rate.most)})`;
      const cost = [rateRatio(name, ceiling), of('cost').toFixed(1), costRatio(name, ceiling)];
      const times = hasTimes ? [of('p99').toFixed(1)] : [];
      return { name, rate, cells: [name, speed, ...cost, ...times, sum('failed'), sum('refused')] };
    }),
    notes: names
      .filter((one) => one !== ours && one !== ceiling)
      .map(
        (name) => `${ours} / ${name}: ${rateRatio(ours, name)} by requests, ${costRatio(ours, name)} by processor time`,
      ),
    targets: targets.map((target) => judge(target, rates)),
  });
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
  targets = [],
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
  publish({
    title,
    settings: `${rounds} interleaved rounds of ${milliseconds} ms; ${machine()}`,
    columns: ['', `operations/s${quietest ? ', undisturbed' : ''}`],
    rows: names.map((name) => {
      const rate = spread(samples[name]);
      return { name, rate, cells: [name, `${whole(rate.median)} (${whole(rate.least)} – ${whole(rate.most)})`] };
    }),
    notes: names
      .filter((one) => one !== ours)
      .map((name) => `${ours} / ${name}: ${ratio(spread(samples[ours].map((rate, i) => rate / samples[name][i])))}`),
    targets: targets.map((target) => judge(target, samples)),
  });
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
