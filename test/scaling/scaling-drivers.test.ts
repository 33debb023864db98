/** Runs the same suite for every driver, with real processes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterWorkers } from '../../src/scaling/cluster-workers.js';
import { HorizontalScalingManager } from '../../src/scaling/horizontal-scaling-manager.js';
import type { ScalingDriver } from '../../src/scaling/driver.js';
import { scalingDriverCases, type InstanceBehaviour } from '../../src/testing/scaling-driver-cases.js';
import { until } from '../support/eventually.js';
import { PROGRAMS, scriptedDriver } from '../support/scaling-instances.js';

/** Applies only to silent instances: the others become ready as fast as the machine allows. */
const patience = (behaviour: InstanceBehaviour): number => (behaviour === 'silent' ? 300 : 20_000);

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tooloo-drivers-'));
  for (const [name, program] of Object.entries(PROGRAMS)) writeFileSync(join(folder, `${name}.cjs`), program);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const drivers: Record<string, (behaviour: InstanceBehaviour) => ScalingDriver> = {
  childProcesses: (behaviour) => scriptedDriver(behaviour, { readyTimeout: patience(behaviour) }),
  clusterWorkers: (behaviour) =>
    clusterWorkers({ program: join(folder, `${behaviour}.cjs`), readyTimeout: patience(behaviour) }),
};

describe.each(Object.entries(drivers))('%s', (_name, driverOf) => {
  test.each(scalingDriverCases.map((one) => [one.name, one] as const))('%s', (_case, { run }) =>
    run(() => ({ driverOf })),
  );
});

test('one service is scaled with workers that share a port and receive connections in turn', async () => {
  const manager = new HorizontalScalingManager({
    driver: clusterWorkers({ program: join(folder, 'serves.cjs') }),
    services: { demo: { max: 3 } },
  });
  await manager.scaleUp('demo', 2);
  const { port } = manager.getInstanceDetails('demo')[0]!;
  const answered = new Set<string>();
  await until(async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { Connection: 'close' } });
    return answered.add(await answer.text()).size === 2;
  });
  await manager.scaleDown('demo');
  const [left] = manager.getInstanceDetails('demo');
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe(String(left!.pid));
  await expect(manager.migrateInstance(port)).rejects.toMatchObject({ code: 'CONFLICT' });
  await manager.shutdown();
});

test.each([
  [{}, /clusterWorkers: option 'program' is missing/],
  [{ program: '' }, /'program': expected a non-empty string/],
  [{ program: 'a.js', port: 1 }, /unknown option 'port'/],
])('the options %j of cluster workers are refused', (options, message) => {
  expect(() => clusterWorkers(options as never)).toThrow(message);
});
