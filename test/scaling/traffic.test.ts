/** The router and the monitor follow the instances that are added and removed. */
import { HealthMonitor } from '../../src/health/health-monitor.js';
import type { InstanceDetails } from '../../src/scaling/instance-group.js';
import { Traffic } from '../../src/scaling/traffic.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const SERVICE = 'reports';
const PORT = 3008;

const clock = new FakeClock();
let monitor: HealthMonitor;
let traffic: Traffic;
beforeEach(() => {
  monitor = new HealthMonitor({ clock, check: () => new Promise(() => {}) });
  traffic = new Traffic({ router: undefined, monitor, settleTime: 0, drainTimeout: 0, clock });
});
afterEach(() => monitor.destroy());

function tell(id: string, state: InstanceDetails['state'], host = '127.0.0.1'): void {
  traffic.update({ service: SERVICE, id, host, port: PORT, state } as InstanceDetails);
}
const watched = (): string[] => monitor.getHealth(SERVICE).instances.map(({ id }) => id);

test('after a late report of a stop the successor on the same port is still watched', () => {
  tell('old', 'ready');
  tell('new', 'ready');
  tell('old', 'stopped');
  expect(watched()).toEqual(['127.0.0.1:3008']);
  tell('new', 'ready');
  tell('old', 'stopped');
  expect(watched()).toEqual(['127.0.0.1:3008']);
  tell('new', 'draining');
  expect(watched()).toEqual([]);
});

test('after a stop on one host the same port of another host is still watched', () => {
  tell('here', 'ready', '10.0.0.1');
  tell('there', 'ready', '10.0.0.2');
  tell('here', 'stopped', '10.0.0.1');
  expect(watched()).toEqual(['10.0.0.2:3008']);
});
