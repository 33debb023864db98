// Measures servers side by side: each in a process of its own, all of them loaded in turn in every round, so that what
// disturbs the machine disturbs all alike. Figures are medians over the rounds; ratios are taken round by round. Beside
// the requests a second stands the server's processor time for each, which other load on the machine disturbs less.
import autocannon from 'autocannon';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { usedMemory } from './memory.js';
import { judge, machine, publish, ratio, spread, whole } from './report.js';

export { machine, spread };

export function shuffled(list) {
  return list
    .map((item) => [Math.random(), item])
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** Starts a server module; it sends its port to the parent when it listens (see `listen`). */
export async function start({ module, args = [] }) {
  const child = fork(module, args, { stdio: 'inherit', execArgv: ['--expose-gc'] });
  const [port] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${module} ${args.join(' ')} ended with ${code}`))),
  ]);
  return { child, port };
}

/**
 * For a server module: listens on a free port of loopback and tells the parent, whose questions it answers (see `ask`).
 *
 * @param answers by question: what else can be asked, a function each
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

/** What a server that `listen` started says to a question. */
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

/** What a server holds: `{ used, rss, handles }`, in bytes after a collection. */
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
 * @param title heading of the table
 * @param servers by name: the module to start, and its arguments
 * @param ceiling name of the server the others are compared with
 * @param ours name of the server whose ratio to each other one is printed too
 * @param targets what is to be reached (see `judge`), by requests a second
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
    const settings = `${rounds} interleaved rounds of ${seconds} s, ${connections} connections; ${machine()}`;
    publishServers(title, settings, samples, { ceiling, ours, targets });
  } finally {
    for (const { child } of running.values()) child.kill();
  }
}

function publishServers(title, settings, samples, { ceiling, ours, targets }) {
  const names = Object.keys(samples);
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
      'p99 ms',
      'failed',
      'refused',
    ],
    rows: names.map((name) => {
      const of = (key) => spread(samples[name].map((sample) => sample[key])).median;
      const sum = (key) => samples[name].reduce((total, sample) => total + sample[key], 0);
      const rate = spread(rates[name]);
      const speed = `${whole(rate.median)} (${whole(rate.least)} – ${whole(rate.most)})`;
      const cost = [rateRatio(name, ceiling), of('cost').toFixed(1), costRatio(name, ceiling)];
      return { name, rate, cells: [name, speed, ...cost, of('p99'), sum('failed'), sum('refused')] };
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
