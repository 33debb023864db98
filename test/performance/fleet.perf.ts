/**
 * What the real fleet does on this machine, printed: `npm run test:phase6-performance`. Numbers are shown, never
 * asserted, since machines differ; that nothing failed under load is.
 */
import { buildFleet, startFleet, type RunningFleet } from '../support/fleet.js';
import { load, type LoadOptions, type LoadResult } from '../support/load.js';

jest.setTimeout(180_000);

const DURATION = 4_000;
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
});
