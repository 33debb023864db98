/** What router and monitor are told of instances that come and go. */
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

test('news of an end that come late leave the successor on the same port watched', () => {
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

test('an end on one host leaves the same port of another watched', () => {
  tell('here', 'ready', '10.0.0.1');
  tell('there', 'ready', '10.0.0.2');
  tell('here', 'stopped', '10.0.0.1');
  expect(watched()).toEqual(['10.0.0.2:3008']);
});
