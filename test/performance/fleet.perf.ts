/**
 * What the real fleet does on this machine, printed: `npm run test:phase6-performance`. Numbers are shown, never
 * asserted, since machines differ; that nothing failed under load is.
 */
import { readFileSync } from 'node:fs';
import { buildFleet, startFleet, type RunningFleet } from '../support/fleet.js';
import { testWhereBuilt } from '../support/services.js';
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

/** Megabytes of a process, by the system's count. Pss divides what processes share among them. */
function memoryOf(pid: number): string {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const megabytes = (name: string): string =>
    (Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)![1]) / 1024).toFixed(0).padStart(4);
  return `Rss ${megabytes('Rss')} MB   Pss ${megabytes('Pss')} MB`;
}

// Before the load below, while the services are idle.
const withoutSmaps = process.platform === 'linux' ? undefined : 'only Linux has smaps_rollup';
testWhereBuilt(withoutSmaps, 'the memory of each idle service', async () => {
  for (const { id, pid } of await fleet.instances()) process.stdout.write(`${id.padEnd(46)} ${memoryOf(pid!)}\n`);
});

test('through the gateway', async () => {
  await measure('gateway, cached answer', '/api/v1/capabilities/discovered', { concurrency: 32 });
  await measure('gateway → training, not cacheable', '/api/v1/training/status', { concurrency: 32 });
});
