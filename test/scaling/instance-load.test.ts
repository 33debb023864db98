import { InstanceLoad } from '../../src/scaling/instance-load.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

let clock: FakeClock;
let load: InstanceLoad;

beforeEach(() => {
  clock = new FakeClock();
  load = new InstanceLoad({ clock, inFlight: () => 3, queueDepth: () => 4, memoryLimit: 2 ** 60 });
});
afterEach(() => {
  load.close();
  load.close();
  expect(clock.pendingTimers).toBe(0);
});

/** Keeps the processor busy for `milliseconds` of CPU time. */
function burn(milliseconds: number): void {
  const begun = process.cpuUsage();
  for (let spent = 0; spent < milliseconds;) {
    const { user, system } = process.cpuUsage(begun);
    spent = (user + system) / 1000;
  }
}

test('CPU usage is a percentage of one core over the window, regardless of how often it is read', () => {
  expect(load.read().cpu).toBeNull();
  burn(100);
  clock.tick(500);
  const { cpu } = load.read();
  expect(cpu).toBeGreaterThanOrEqual(20); // 100 ms of 500, and what else this process did
  expect(load.read().cpu).toBe(cpu);
});

test('CPU time used before the window does not count', () => {
  burn(100);
  clock.tick(5500);
  burn(1);
  const before = process.cpuUsage();
  clock.tick(500);
  const { user, system } = process.cpuUsage(before);
  expect(load.read().cpu).toBeLessThan(100 * ((user + system) / 1000 + 100) * (1 / 5000));
});

test('memory is a percentage of the limit that is closest', () => {
  const roomy = load.read().memory;
  expect(roomy).toBeGreaterThan(0);
  expect(roomy).toBeLessThan(100);
  const tight = new InstanceLoad({ clock, memoryLimit: process.memoryUsage.rss() });
  expect(tight.read().memory).toBeGreaterThan(50);
  tight.close();
});

test('requests are counted over the last 30 s; without any the latency and error rate are null, not zero', () => {
  expect(load.read()).toMatchObject({ inFlight: 3, queueDepth: 4, requests: 0, p99: null, errorRate: null });
  for (let i = 1; i <= 200; i++) load.record(i, i % 10 !== 0);
  expect(load.read()).toMatchObject({ requests: 200, p99: 198, errorRate: 10 });
  clock.tick(20_000);
  load.record(5, true);
  clock.tick(10_000);
  expect(load.read()).toMatchObject({ requests: 1, p99: 5, errorRate: 0 });
});

test('if there are more requests than it keeps, the latest ones count', () => {
  for (let i = 0; i < 10_000; i++) load.record(i < 5000 ? 1 : 2, i >= 5000);
  expect(load.read()).toMatchObject({ requests: 4096, p99: 2, errorRate: 0 });
});

test('figures that the application does not provide are undefined', () => {
  const silent = new InstanceLoad({ clock });
  expect(silent.read()).toMatchObject({ inFlight: undefined, queueDepth: undefined });
  silent.close();
});
