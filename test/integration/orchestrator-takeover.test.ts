/** The orchestrator is killed: its services go on serving, and the next one takes them over. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstanceRecord } from '../../servers/orchestrator/fleet-runner.js';
import { until } from '../support/eventually.js';
import { buildFleet, exitOf, isAlive, startFleet, type RunningFleet } from '../support/fleet.js';

jest.setTimeout(120_000);

let dataDir: string;
let fleet: RunningFleet;

beforeAll(() => buildFleet());

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'tooloo-takeover-'));
  fleet = await startFleet({ DATA_DIR: dataDir });
});

afterEach(async () => {
  await fleet.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function killOrchestrator(): Promise<void> {
  fleet.child.kill('SIGKILL');
  await exitOf(fleet.child);
}

const whereabouts = (instances: readonly InstanceRecord[]): string[] =>
  instances.map(({ id, pid, port, state }) => `${id} ${pid} ${port} ${state}`).sort();

test('the services serve on, the next orchestrator has them where they are, and looks after them', async () => {
  const web = await fleet.urlOf('web');
  await fetch(`${web}/api/v1/system/scale/training/up`, { method: 'POST' });
  const before = await fleet.instances();
  expect(before).toHaveLength(9);
  await killOrchestrator();
  expect(before.filter(({ pid }) => !isAlive(pid!))).toEqual([]);
  expect((await fetch(`${web}/api/v1/training/status`)).status).toBe(200);

  fleet = await startFleet({ DATA_DIR: dataDir });
  expect(whereabouts(await fleet.instances())).toEqual(whereabouts(before));
  const history = await (await fetch(`${fleet.orchestrator}/api/v1/system/scaling-history?service=training`)).json();
  expect((history as { history: { event: string }[] }).history.map(({ event }) => event)).toContain('ADOPT');

  // The gateway, which outlived both, obeys the new one: it has the same token, and follows its stream.
  expect((await fetch(`${web}/api/v1/system/scale/training/down`, { method: 'POST' })).status).toBe(200);
  const victim = (await fleet.instances()).find(({ service }) => service === 'meta')!;
  process.kill(victim.pid!, 'SIGKILL');
  await until(async () => (await fleet.instances()).some(({ id, pid }) => id === victim.id && pid !== victim.pid));
  await until(async () => (await fetch(`${web}/api/v4/meta-learning/report`)).status === 200);

  const running = (await fleet.instances()).map(({ pid }) => pid!);
  expect(await fleet.stop()).toBe(0);
  expect(running.filter(isAlive)).toEqual([]);
});

test('instances that would be started differently now are ended, and no other process is', async () => {
  const before = await fleet.instances();
  await killOrchestrator();
  const gone = before.find(({ service }) => service === 'coach')!;
  process.kill(gone.pid!, 'SIGKILL');

  fleet = await startFleet({ DATA_DIR: dataDir, RATE_LIMIT_CAPACITY: '77' });
  const after = await fleet.instances();
  expect(after.map(({ state }) => state)).toEqual(after.map(() => 'ready'));
  expect(before.filter(({ pid }) => isAlive(pid!))).toEqual([]);
});
