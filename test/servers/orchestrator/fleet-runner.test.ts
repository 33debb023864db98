import { FleetRunner, type InstanceRecord } from '../../../servers/orchestrator/fleet-runner.js';
import { childProcesses, type ScalingDriver } from '../../../src/index.js';

const INSTANCE = `
  const server = require('node:http').createServer((req, res) => res.end());
  server.listen(0, '127.0.0.1', () => process.send({ type: 'ready', port: server.address().port }));
  process.on('SIGTERM', () => process.exit(0));
`;
const BROKEN = `process.send({ type: 'failed', message: 'no disk' }, () => process.exit(78))`;

let driver: ScalingDriver;
let fleet: FleetRunner;
let script: (id: string) => string;

beforeEach(() => {
  script = () => INSTANCE;
  driver = childProcesses({ command: ({ id }) => ({ args: ['-e', script(id)] }) });
  fleet = new FleetRunner({ driver, services: ['web', 'training'], portOf: () => 0 });
});

afterEach(async () => {
  await fleet.stopAll();
  await driver.close();
});

const states = (): string[] => fleet.instances.map(({ id, state }) => `${id} ${state}`);

test('every service is started, and each change is told', async () => {
  const told: string[] = [];
  fleet.onChange((instances) => told.push(instances.map(({ state }) => state).join(' ')));
  await fleet.startAll();
  expect(states()).toEqual(['web-1 ready', 'training-1 ready']);
  expect(told[0]).toBe('starting stopped');
  expect(told.at(-1)).toBe('ready ready');
  for (const { port, pid } of fleet.instances) expect([port > 0, pid !== null]).toEqual([true, true]);
});

test('an instance is added under the next free name, and the newest is removed', async () => {
  await fleet.startAll();
  const added: InstanceRecord = await fleet.addInstance('training');
  expect(added).toMatchObject({ id: 'training-2', state: 'ready' });
  await fleet.removeInstance('training');
  expect(states()).toEqual(['web-1 ready', 'training-1 ready']);
});

test('the last instance is not removed', async () => {
  await fleet.startAll();
  await expect(fleet.removeInstance('web')).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('an added instance that does not start leaves nothing', async () => {
  await fleet.startAll();
  script = (id) => (id === 'web-2' ? BROKEN : INSTANCE);
  await expect(fleet.addInstance('web')).rejects.toMatchObject({ code: 'START_FAILED', message: 'web-2: no disk' });
  expect(states()).toEqual(['web-1 ready', 'training-1 ready']);
});

test('what does not start says why', async () => {
  script = (id) => (id === 'training-1' ? BROKEN : INSTANCE);
  await fleet.startAll();
  expect(fleet.instances[1]).toMatchObject({ state: 'failed', reason: 'training-1: no disk', port: 0, pid: null });
});

test('a service can be stopped, started and restarted', async () => {
  await fleet.startAll();
  const [, { pid: first }] = fleet.instances as [InstanceRecord, InstanceRecord];
  await fleet.restart('training');
  expect(fleet.instances[1]).toMatchObject({ state: 'ready' });
  expect(fleet.instances[1]!.pid).not.toBe(first);
  await fleet.stop('training');
  expect(states()).toEqual(['web-1 ready', 'training-1 stopped']);
  await fleet.start('training');
  expect(states()).toEqual(['web-1 ready', 'training-1 ready']);
});

test('an instance that drains is still where it was, so that what it has begun can be finished', async () => {
  await fleet.startAll();
  const [, { port, pid }] = fleet.instances as [InstanceRecord, InstanceRecord];
  const draining: InstanceRecord[] = [];
  fleet.onChange((instances) => draining.push(...instances.filter(({ state }) => state === 'draining')));
  await fleet.stop('training');
  expect(draining).toEqual([expect.objectContaining({ id: 'training-1', port, pid })]);
});

test('a service that is not run here is not found', async () => {
  await expect(fleet.start('meta')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('further instances stand ten ports above each other', () => {
  const planned = new FleetRunner({ driver, services: ['web'], portOf: () => 3000 });
  expect(planned.instances[0]!.port).toBe(3000);
});
