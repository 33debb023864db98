// Measures the processor time that the recorded history costs a service, in three ways:
// - With and without it under load. The service runs twice in one process, and each in turn gets a few requests. The
//   median of the ratios of neighbouring turns is that of a round. Every second round starts them in the other order,
//   because the first of two equal services differs from the second by some percent. Two services without the history
//   are compared in the same way, to show how exact this is.
// - Its share of the samples of a profile, which other work of the machine does not change.
// - Without requests, what the service takes more with it: mainly writing, every ten seconds.
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, processorTime, shuffled, start } from '../harness.js';
import { judgeMost, machine, publish, spread } from '../report.js';

const rounds = Number(process.env.ROUNDS ?? 12);

/** Milliseconds. The history is written every ten seconds. */
const WARM_UP = 5_000;
const ROUND = 5_000;
const STEP = 10_000;

const SLICE = 20;
const CONNECTIONS = 4;
const PATHS = ['/api/v1/training/status', '/api/v1/training/overview'];

const WITH = 'with the history';
const WITHOUT = 'without';
const AGAIN = 'without, again';
const MEGABYTES = { [WITH]: '20', [WITHOUT]: '0', [AGAIN]: '0' };
const module = new URL('service.js', import.meta.url).pathname;
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

function request(port, path) {
  return new Promise((resolve, reject) => {
    get({ port, path, agent, host: '127.0.0.1' }, (res) => {
      if (res.statusCode !== 200) reject(new Error(`${path} answered ${res.statusCode}`));
      res.resume().once('end', resolve);
    }).once('error', reject);
  });
}

/** Sends the requests of a turn, some at a time. */
async function sendSlice(port) {
  let sent = 0;
  const client = async () => {
    while (sent < SLICE) await request(port, PATHS[sent++ % PATHS.length]);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
}

async function repeat(milliseconds, work) {
  for (const end = performance.now() + milliseconds; performance.now() < end;) await work();
}

/** Runs `work` with services in one process: with its child process, and the port of each by name. */
async function withServices(names, work) {
  const { child, port } = await start({ module, args: names.map((name) => MEGABYTES[name]) });
  try {
    const ports = [port, ...(await ask(child, 'others'))];
    return await work(child, Object.fromEntries(names.map((name, i) => [name, ports[i]])));
  } finally {
    child.kill();
  }
}

/** The µs of processor time per request of one turn. */
async function costOf(child, port) {
  const before = await processorTime(child);
  await sendSlice(port);
  return ((await processorTime(child)) - before) / SLICE;
}

/** One round: the medians of the costs, and of the ratio of a service to the one without the history. */
function compare(name, isFirst) {
  const names = isFirst ? [name, WITHOUT] : [WITHOUT, name];
  return withServices(names, async (child, ports) => {
    const turns = async () => {
      const pair = {};
      for (const one of shuffled(names)) pair[one] = await costOf(child, ports[one]);
      return pair;
    };
    await repeat(WARM_UP, turns);
    const pairs = [];
    await repeat(ROUND, async () => pairs.push(await turns()));
    const median = (of) => spread(pairs.map(of)).median;
    return { cost: median((pair) => pair[name]), ratio: median((pair) => pair[name] / pair[WITHOUT]) };
  });
}

/** Percent of the busy time of a service that its history takes, during two steps. */
function sampledShare() {
  return withServices([WITH], async (child, { [WITH]: port }) => {
    await repeat(WARM_UP, () => sendSlice(port));
    await ask(child, 'startProfile');
    await repeat(2 * STEP, () => sendSlice(port));
    return 100 * (await ask(child, 'shareOfHistory'));
  });
}

/** Percent of a core that a service takes without requests. */
function idle(name) {
  return withServices([name], async (child) => {
    await delay(STEP); // until the database of the history is open
    const before = await processorTime(child);
    await delay(2 * STEP);
    return ((await processorTime(child)) - before) / 10 / (2 * STEP);
  });
}

const NAMES = [WITH, AGAIN];
const samples = { [WITH]: [], [AGAIN]: [] };
for (let round = 0; round < rounds; round++)
  for (const name of shuffled(NAMES)) samples[name].push(await compare(name, round % 2 === 0));
const share = await sampledShare();
agent.destroy();
const [idleWith, idleWithout] = await Promise.all([idle(WITH), idle(WITHOUT)]);
const idleOf = { [WITH]: idleWith, [AGAIN]: idleWithout };

publish({
  title: 'The recorded history of a service',
  settings: `the training service, ${CONNECTIONS} connections; ${rounds} rounds of ${ROUND / 1000} s, in each of which two services are loaded in turn; ${machine()}`,
  columns: ['', 'processor µs per request', 'of that without', 'idle, % of a core'],
  rows: NAMES.map((name) => ({
    name,
    cells: [name, costText(samples[name]), ratioText(samples[name]), idleOf[name].toFixed(2)],
  })),
  targets: [
    judgeMost({ what: 'share of the history in the processor time under load, %, by samples', most: 1 }, [share]),
    judgeMost({ what: 'idle: % of a core for the history', most: 1 }, [idleWith - idleWithout]),
  ],
});

function costText(found) {
  const { median, least, most } = spread(found.map(({ cost }) => cost));
  return `${median.toFixed(0)} (${least.toFixed(0)} – ${most.toFixed(0)})`;
}

/** The geometric means over both orders, with three digits, because the ratio is to be within a hundredth. */
function ratioText(found) {
  const both = found.flatMap(({ ratio }, i) => (i % 2 === 0 ? [] : [Math.sqrt(found[i - 1].ratio * ratio)]));
  const { median, least, most } = spread(both);
  return `${median.toFixed(3)} (${least.toFixed(3)} – ${most.toFixed(3)})`;
}
