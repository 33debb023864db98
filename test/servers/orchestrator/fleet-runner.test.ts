/** The fleet on top of the scaling manager, with real processes. */
import { FleetRunner, type InstanceRecord } from '../../../servers/orchestrator/fleet-runner.js';
import { childProcesses, HorizontalScalingManager } from '../../../src/index.js';

const INSTANCE = `
  const server = require('node:http').createServer((req, res) => res.end());
  server.listen(0, '127.0.0.1', () => process.send({ type: 'ready', port: server.address().port }));
  process.on('SIGTERM', () => process.exit(0));
`;
const BROKEN = `process.send({ type: 'failed', message: 'no disk' }, () => process.exit(78))`;

let fleet: FleetRunner;
let script: (id: string) => string;

beforeEach(() => {
  script = () => INSTANCE;
  const driver = childProcesses({ command: ({ id }) => ({ args: ['-e', script(id)] }) });
  fleet = new FleetRunner(new HorizontalScalingManager({ driver, services: { web: {}, training: {} } }));
});

afterEach(() => fleet.stopAll());

const states = (): string[] => fleet.instances.map(({ id, state }) => `${id} ${state}`);

test('every service is started, and each change is announced', async () => {
  const told: string[] = [];
  fleet.onChange((instances) => told.push(instances.map(({ state }) => state).join(' ')));
  await fleet.startAll();
  expect(states()).toEqual(['web-1 ready', 'training-1 ready']);
  expect(told[0]).toBe('starting stopped');
  expect(told.at(-1)).toBe('ready ready');
  for (const { port, pid, readyAfterMs } of fleet.instances)
    expect([port > 0, pid !== null, Number.isInteger(readyAfterMs)]).toEqual([true, true, true]);
});

test('a service that does not start reports why, and the others run', async () => {
  script = (id) => (id === 'training-1' ? BROKEN : INSTANCE);
  await fleet.startAll();
  expect(states()).toEqual(['web-1 ready', 'training-1 failed']);
  expect(fleet.instances[1]).toMatchObject({ reason: 'training-1: no disk', port: 0, pid: null });
});

test('a draining instance keeps its address, so that its requests in progress can be completed', async () => {
  await fleet.startAll();
  const [{ port, pid }] = fleet.instancesOf('training') as [InstanceRecord];
  const draining: InstanceRecord[] = [];
  fleet.onChange((instances) => draining.push(...instances.filter(({ state }) => state === 'draining')));
  await fleet.manager.stopService('training');
  expect(draining).toEqual([expect.objectContaining({ id: 'training-1', port, pid })]);
});

test('the gateway stops before the services behind it', async () => {
  await fleet.startAll();
  const told: string[] = [];
  fleet.onChange(() => told.push(states().join()));
  await fleet.stopAll();
  expect(told).toContain('web-1 stopped,training-1 ready');
  expect(told.at(-1)).toBe('web-1 stopped,training-1 stopped');
});
