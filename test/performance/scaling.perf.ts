/**
 * Prints how throughput grows with the number of instances on this machine: `npm run test:phase6-performance`. The real
 * orchestrator runs two services behind the real web-server, each with 1, 2 and 3 instances. The segmentation-server
 * computes, so the cores limit it, which the gateway and the load generator share. The other service waits for a slow
 * upstream, and each instance limits its requests in flight, so the instances limit it until the processor does.
 * Throughput is not asserted, because machines differ. The test asserts that no request was lost.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createOrchestrator, type Orchestrator } from '../../servers/orchestrator/create-orchestrator.js';
import type { ServiceName } from '../../servers/support/fleet.js';
import { bundleProgram } from '../support/bundled-child.js';
import { buildFleet, FREE_PORTS } from '../support/fleet.js';
import { load, type LoadOptions } from '../support/load.js';
import { slowProvider, type SlowProvider } from '../support/slow-provider.js';

jest.setTimeout(180_000);

const DURATION = 6_000;
const INSTANCES = [1, 2, 3];
/** Milliseconds the upstream takes, and requests an instance has in flight to it. */
const DELAY = 200;
const IN_FLIGHT = 10;
/** More than all instances together have in flight, so that none is ever without work. */
const CLIENTS = 2 * IN_FLIGHT * INSTANCES.at(-1)!;

const MESSAGES = Array.from({ length: 60 }, (_, i) => ({
  role: i % 2 === 0 ? 'user' : 'assistant',
  content:
    i < 30
      ? `The orbit of planet number ${i} around its star follows the laws of gravity that Kepler and Newton described.`
      : `Bread dough number ${i} needs flour, water, yeast and salt, and time to rise before the oven bakes it.`,
}));

let folder: string;
let upstream: SlowProvider;
let orchestrator: Orchestrator;

beforeAll(async () => {
  buildFleet();
  folder = mkdtempSync(join(tmpdir(), 'tooloo-throughput-'));
  upstream = await slowProvider(DELAY);
  const waiting = bundleProgram(resolve(__dirname, 'io-bound-service.ts'), folder);
  const unlimited = '1000000000';
  orchestrator = await createOrchestrator({
    env: {
      ...process.env,
      ...FREE_PORTS,
      CONTROL: 'loopback',
      LOG_LEVEL: 'error',
      DATA_DIR: join(folder, 'data'),
      NODE_PATH: resolve('node_modules'),
      SCALING_INTERVAL_MS: '0',
      SCALING_MAX: String(INSTANCES.at(-1)),
      RATE_LIMIT_CAPACITY: unlimited,
      RATE_LIMIT_REFILL_PER_SECOND: unlimited,
      RATE_LIMIT_SERVICE_CAPACITY: unlimited,
      RATE_LIMIT_SERVICE_REFILL_PER_SECOND: unlimited,
      UPSTREAM: upstream.url,
      IN_FLIGHT: String(IN_FLIGHT),
    },
    // It stands in the budget-server's place, which the gateway forwards to.
    programOf: (service: ServiceName) =>
      service === 'budget' ? waiting : resolve('dist/servers', `${service}-server.js`),
  });
  await orchestrator.start();
});

afterAll(async () => {
  await orchestrator.close();
  await upstream.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Measures with each number of instances, and prints each against the first. */
async function compare(service: ServiceName, path: string, options: Omit<LoadOptions, 'duration'>): Promise<void> {
  const { port } = orchestrator.fleet.instancesOf('web')[0]!;
  const url = `http://127.0.0.1:${port}${path}`;
  let alone = NaN;
  for (const count of INSTANCES) {
    if (count > 1) await orchestrator.fleet.manager.scaleUp(service);
    const warm = await load(url, { ...options, duration: DURATION / 4 });
    const { perSecond, p50, p99, failed } = await load(url, { ...options, duration: DURATION });
    expect({ warm: warm.failed, failed }).toEqual({ warm: 0, failed: 0 });
    if (count === 1) alone = perSecond;
    const figures = `${perSecond.toFixed(1).padStart(7)} req/s   ${(perSecond / alone).toFixed(2)} ×`;
    const latency = `p50 ${p50.toFixed(0).padStart(5)} ms   p99 ${p99.toFixed(0).padStart(5)} ms`;
    process.stdout.write(`${`  ${count} instance${count > 1 ? 's' : ''}`.padEnd(16)} ${figures}   ${latency}\n`);
  }
}

test('a service that waits for something slow', async () => {
  process.stdout.write(`waits ${DELAY} ms, ${IN_FLIGHT} at a time per instance; ${CLIENTS} clients\n`);
  await compare('budget', '/api/v1/providers/burst', { method: 'POST', body: {}, concurrency: CLIENTS });
});

test('a service that computes', async () => {
  process.stdout.write(`segmentation of ${MESSAGES.length} messages; ${availableParallelism()} cores for everything\n`);
  const analyze = { method: 'POST', body: { messages: MESSAGES }, concurrency: 16 } as const;
  await compare('segmentation', '/api/v1/segmentation/analyze', analyze);
});
