/**
 * What the real fleet does on this machine, printed: `npm run test:phase6-performance`. Numbers are shown, never
 * asserted, since machines differ; that nothing failed under load is.
 */
import { buildFleet, startFleet, type RunningFleet } from '../support/fleet.js';
import { load, type LoadOptions, type LoadResult } from '../support/load.js';

jest.setTimeout(180_000);

const DURATION = 4_000;
const MESSAGES = Array.from({ length: 60 }, (_, i) => ({
  role: i % 2 === 0 ? 'user' : 'assistant',
  content:
    i < 30
      ? `The orbit of planet number ${i} around its star follows the laws of gravity that Kepler and Newton described.`
      : `Bread dough number ${i} needs flour, water, yeast and salt, and time to rise before the oven bakes it.`,
}));

let fleet: RunningFleet;
let web: string;

beforeAll(async () => {
  buildFleet();
  const unlimited = '1000000000';
  fleet = await startFleet({
    LOG_LEVEL: 'error',
    RATE_LIMIT_CAPACITY: unlimited,
    RATE_LIMIT_REFILL_PER_SECOND: unlimited,
    RATE_LIMIT_SERVICE_CAPACITY: unlimited,
    RATE_LIMIT_SERVICE_REFILL_PER_SECOND: unlimited,
  });
  web = await fleet.urlOf('web');
});

afterAll(async () => {
  await fleet.stop();
});

async function measure(what: string, path: string, options: Omit<LoadOptions, 'duration'>): Promise<LoadResult> {
  const warm = await load(web + path, { ...options, duration: DURATION / 4 });
  const result = await load(web + path, { ...options, duration: DURATION });
  const { requests, perSecond, p50, p99 } = result;
  process.stdout.write(
    `${what.padEnd(46)} ${perSecond.toFixed(0).padStart(7)} req/s   p50 ${p50.toFixed(1).padStart(7)} ms   p99 ${p99.toFixed(1).padStart(7)} ms   ${requests} requests\n`,
  );
  expect({ warm: warm.failed, failed: result.failed }).toEqual({ warm: 0, failed: 0 });
  return result;
}

test('through the gateway', async () => {
  await measure('gateway, cached answer', '/api/v1/capabilities/discovered', { concurrency: 32 });
  await measure('gateway → training, not cacheable', '/api/v1/training/status', { concurrency: 32 });
  const analyze: Omit<LoadOptions, 'duration'> = { method: 'POST', body: { messages: MESSAGES }, concurrency: 16 };
  const one = await measure('gateway → segmentation, 1 instance', '/api/v1/segmentation/analyze', analyze);
  const scaled = await fetch(`${web}/api/v1/system/scale/segmentation/up`, { method: 'POST' });
  expect(scaled.status).toBe(200);
  const two = await measure('gateway → segmentation, 2 instances', '/api/v1/segmentation/analyze', analyze);
  process.stdout.write(`segmentation, 2 instances against 1: ${(two.perSecond / one.perSecond).toFixed(2)} ×\n`);
});
