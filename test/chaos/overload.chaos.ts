/** More load than one instance can serve: the fleet scales from what the callers feel, and ends no instance. */
import { setTimeout as pause } from 'node:timers/promises';
import type { ScalingRecord } from '../../src/index.js';
import { eventually } from '../support/eventually.js';
import { buildFleet, isAlive, startFleet, type RunningFleet } from '../support/fleet.js';
import { seededRandom } from '../support/seeded-random.js';
import { UNLIMITED } from './catalogue.js';

/** Seconds of noise. */
const NOISE_S = Number(process.env['NOISE_S'] ?? 600);

jest.setTimeout(300_000 + NOISE_S * 1000);

const MOST = 3;
const CALLERS = 80;
/** Most callers at a time of the noise, and the longest span of a number of them in milliseconds. */
const NOISE = { callers: 40, span: 20_000 };
/** Milliseconds of load after the last instance is ready. */
const LASTING = 20_000;
const WORDS = 'index table plan scan row join lock hike hut lake trail summit boots map tent'.split(' ');

/** A conversation whose analysis keeps a processor busy for many milliseconds. */
const BODY = JSON.stringify({
  messages: Array.from({ length: 800 }, (_, i) => ({
    content: Array.from({ length: 12 }, (_, k) => WORDS[(i * 7 + k * 3) % WORDS.length]).join(' '),
  })),
  keep: false,
});

let fleet: RunningFleet;
let web: string;

beforeAll(async () => {
  buildFleet();
  fleet = await startFleet({ ...UNLIMITED, SCALING_MAX: String(MOST), SCALING_INTERVAL_MS: '2000' });
  web = await fleet.urlOf('web');
});

afterAll(() => fleet.stop());

const instancesOf = async (service: string) => (await fleet.instances()).filter((one) => one.service === service);

async function historyOf(service: string): Promise<readonly ScalingRecord[]> {
  const answer = await fetch(`${fleet.orchestrator}/api/v1/system/scaling-history?service=${service}`);
  return ((await answer.json()) as { history: ScalingRecord[] }).history;
}

/** Calls until the returned function is called, which settles with the number of each status. */
function call(count: number, ask: () => Promise<Response>): () => Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  let isOver = false;
  const callers = Array.from({ length: count }, async () => {
    while (!isOver) {
      const status = await ask().then(
        async (answer) => (await answer.arrayBuffer(), String(answer.status)),
        (error: { cause?: { code?: string } }) => error.cause?.code ?? 'broken',
      );
      seen[status] = (seen[status] ?? 0) + 1;
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(callers);
    return seen;
  };
}

const analyze = () =>
  fetch(`${web}/api/v1/segmentation/analyze`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: BODY,
  });

// First, while the service has one instance.
test('minutes of noise fail no request, and the instances do not flap', async () => {
  const random = seededRandom(1);
  const seen: Record<string, number> = {};
  const began = Date.now();
  for (const end = performance.now() + NOISE_S * 1000; performance.now() < end;) {
    const stop = call(Math.floor(NOISE.callers * random() ** 2), analyze);
    await pause(NOISE.span * random());
    for (const [status, count] of Object.entries(await stop())) seen[status] = (seen[status] ?? 0) + count;
  }
  // The newest record is the first.
  const history = (await historyOf('segmentation')).filter(({ at }) => at >= began).reverse();
  process.stdout.write(
    `noise: ${JSON.stringify(seen)}, ${history.map(({ event, reason }) => `${event}: ${reason}`).join('; ')}\n`,
  );
  expect(Object.keys(seen)).toEqual(['200']);
  expect(history.map(({ event }) => event)).not.toContain('CRASH');
  for (const { event, reason } of history) {
    if (event === 'SCALE_UP') expect(reason).toMatch(/callers|in flight|waiting/);
  }
  const ways = history.map(({ event }) => event).filter((event) => event === 'SCALE_UP' || event === 'SCALE_DOWN');
  const returns = ways.filter((way, i) => way === 'SCALE_UP' && ways[i - 1] === 'SCALE_DOWN');
  // The down window is five minutes: an instance that ends and returns more often is flapping.
  expect(returns.length).toBeLessThanOrEqual(Math.ceil(NOISE_S / 300));
});

test('a service that its callers wait for gets all its instances, and none of them is ended', async () => {
  const pids = new Set((await instancesOf('segmentation')).map(({ pid }) => pid!));
  const end = call(CALLERS, analyze);
  // One more after the other: a step may take as long as `eventually` waits.
  for (let size = 2; size <= MOST; size++) {
    await eventually(
      () => instancesOf('segmentation'),
      (now) => now.filter(({ state }) => state === 'ready').length >= size,
    );
  }
  for (const { pid } of await instancesOf('segmentation')) pids.add(pid!);
  await pause(LASTING);
  const dead = [...pids].filter((pid) => !isAlive(pid));
  const seen = await end();
  const history = await historyOf('segmentation');
  process.stdout.write(
    `overload: ${JSON.stringify(seen)}, ${history.map(({ event, reason }) => `${event}: ${reason}`).join('; ')}\n`,
  );
  expect(dead).toEqual([]);
  expect(history.map(({ event }) => event)).not.toContain('CRASH');
  expect(history.filter(({ event }) => event === 'SCALE_UP').map(({ reason }) => reason)).toEqual(
    expect.arrayContaining([expect.stringMatching(/callers|in flight|waiting/)]),
  );
  // A request that the machine cannot serve in time is refused with 503 or 504. Nothing breaks.
  expect(Object.keys(seen).filter((status) => !['200', '503', '504'].includes(status))).toEqual([]);
  expect(seen['200']).toBeGreaterThan(0);
});

test('a spike on a light route fails no request and changes no process', async () => {
  const before = (await fleet.instances()).map(({ pid }) => pid!);
  const end = call(200, () => fetch(`${web}/api/v1/training/overview`));
  await pause(10_000);
  const seen = await end();
  expect(Object.keys(seen)).toEqual(['200']);
  expect(before.filter((pid) => !isAlive(pid))).toEqual([]);
});
