/** Minutes of noise: the fleet scales from what the callers feel, fails no request, and does not flap. */
import { setTimeout as pause } from 'node:timers/promises';
import { buildFleet, startFleet, type RunningFleet } from '../support/fleet.js';
import { seededRandom } from '../support/seeded-random.js';
import { analyze, call, historyOf } from './callers.js';
import { UNLIMITED } from './catalogue.js';

/** Seconds of noise. */
const NOISE_S = Number(process.env['NOISE_S'] ?? 600);

jest.setTimeout(300_000 + NOISE_S * 1000);

/** Most callers at a time, and the longest span of a number of them in milliseconds. */
const CALLERS = 40;
const LONGEST_SPAN = 20_000;

let fleet: RunningFleet;
let web: string;

beforeAll(async () => {
  buildFleet();
  fleet = await startFleet({ ...UNLIMITED, SCALING_MAX: '3', SCALING_INTERVAL_MS: '2000' });
  web = await fleet.urlOf('web');
});

afterAll(() => fleet.stop());

test('minutes of noise fail no request, and the instances do not flap', async () => {
  const random = seededRandom(1);
  const seen: Record<string, number> = {};
  const began = Date.now();
  for (const end = performance.now() + NOISE_S * 1000; performance.now() < end;) {
    const stop = call(Math.floor(CALLERS * random() ** 2), () => analyze(web));
    await pause(LONGEST_SPAN * random());
    for (const [status, count] of Object.entries(await stop())) seen[status] = (seen[status] ?? 0) + count;
  }
  // The newest record is the first.
  const history = (await historyOf(fleet, 'segmentation')).filter(({ at }) => at >= began).reverse();
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
