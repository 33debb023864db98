// Measures the processor time that the recorded history costs a service. Under load, the service runs twice in one
// process, with and without the history: two processes with the same program differ by some percent, which is more than
// the history costs. Both are loaded in turn, a few requests at a time, and each turn is compared with the one beside
// it: a disturbance of the machine lasts longer and affects both. Writing the history every ten seconds is not in the
// median of these ratios. It is what an idle service takes more with the history.
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, processorTime, shuffled, start } from '../harness.js';
import { judgeMost, machine, publish, spread } from '../report.js';

const rounds = Number(process.env.ROUNDS ?? 9);

/** Milliseconds of a round, and of idling: the history is written every ten seconds. */
const ROUND_MS = 8_000;
const STEP_MS = 10_000;
const IDLE_MS = 3 * STEP_MS;

const SLICE = 20;
const CONNECTIONS = 4;
const PATHS = ['/api/v1/training/status', '/api/v1/training/overview'];

const WITH = 'with the history';
const WITHOUT = 'without';
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

/** Sends the requests of a slice, some at a time. */
async function sendSlice(port) {
  let sent = 0;
  const client = async () => {
    while (sent < SLICE) await request(port, PATHS[sent++ % PATHS.length]);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
}

/** The µs of processor time per request of one turn. */
async function costOf(child, port) {
  const before = await processorTime(child);
  await sendSlice(port);
  return ((await processorTime(child)) - before) / SLICE;
}

/** Loads both services in turn for a round. Returns the medians of their costs, and of the ratio. */
async function loadBoth(child, ports) {
  const pairs = [];
  for (const end = performance.now() + ROUND_MS; performance.now() < end;) {
    const pair = {};
    for (const name of shuffled([WITH, WITHOUT])) pair[name] = await costOf(child, ports[name]);
    pairs.push(pair);
  }
  const median = (of) => spread(pairs.map(of)).median;
  return {
    [WITH]: median((pair) => pair[WITH]),
    [WITHOUT]: median((pair) => pair[WITHOUT]),
    ratio: median((pair) => pair[WITH] / pair[WITHOUT]),
  };
}

async function underLoad() {
  const { child, port } = await start({ module, args: ['20', '0'] });
  try {
    const [other] = await ask(child, 'others');
    const ports = { [WITH]: port, [WITHOUT]: other };
    await loadBoth(child, ports); // also opens the database of the history
    const samples = [];
    for (let round = 0; round < rounds; round++) samples.push(await loadBoth(child, ports));
    return samples;
  } finally {
    child.kill();
  }
}

/** The share of a core that each service takes without requests. */
async function idle() {
  const services = [await start({ module, args: ['20'] }), await start({ module, args: ['0'] })];
  try {
    await delay(STEP_MS); // until the database of the history is open
    const before = await Promise.all(services.map(({ child }) => processorTime(child)));
    await delay(IDLE_MS);
    const after = await Promise.all(services.map(({ child }) => processorTime(child)));
    const [withHistory, without] = after.map((time, i) => (time - before[i]) / 1000 / IDLE_MS);
    return { [WITH]: withHistory, [WITHOUT]: without };
  } finally {
    for (const { child } of services) child.kill();
  }
}

const samples = await underLoad();
agent.destroy();
const shares = await idle();
const ratios = samples.map(({ ratio }) => ratio);
publish({
  title: 'The recorded history of a service',
  settings: `the training service, ${CONNECTIONS} connections; ${rounds} rounds of ${ROUND_MS / 1000} s, in each of which both are loaded in turn; ${machine()}`,
  columns: ['', 'processor µs per request', 'of that without', 'idle, % of a core'],
  rows: [WITH, WITHOUT].map((name) => {
    const { median, least, most } = spread(samples.map((sample) => sample[name]));
    const cost = `${median.toFixed(1)} (${least.toFixed(1)} – ${most.toFixed(1)})`;
    const compared = name === WITH ? written(spread(ratios)) : '';
    return { name, cells: [name, cost, compared, (100 * shares[name]).toFixed(2)] };
  }),
  targets: [
    judgeMost({ what: 'processor time with the history / without', most: 1.01 }, ratios),
    judgeMost({ what: 'idle: % of a core for the history', most: 1 }, [100 * (shares[WITH] - shares[WITHOUT])]),
  ],
});

/** Three digits, because the ratio is to be within a hundredth. */
function written({ median, least, most }) {
  return `${median.toFixed(3)} (${least.toFixed(3)} – ${most.toFixed(3)})`;
}
