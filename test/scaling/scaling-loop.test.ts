/** The loop on a fake clock, with a real engine and a real manager; its instances are objects, not processes. */
import { AutoScalingDecisionEngine } from '../../src/scaling/auto-scaling-decision-engine.js';
import { HorizontalScalingManager } from '../../src/scaling/horizontal-scaling-manager.js';
import type { InstanceDetails } from '../../src/scaling/instance-group.js';
import type { InstanceSample } from '../../src/scaling/metrics.js';
import type { ScalingPolicy } from '../../src/scaling/policy.js';
import { ScalingLoop } from '../../src/scaling/scaling-loop.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { ScriptedDriver } from '../support/scripted-driver.js';

const POLICY: ScalingPolicy = {
  min: 1,
  max: 4,
  stabilization: { up: 0, down: 30_000 },
  cooldown: { up: 0, down: 15_000 },
  predictive: false,
  staleAfter: 25_000,
};

let clock: FakeClock;
let driver: ScriptedDriver;
let manager: HorizontalScalingManager;
let engine: AutoScalingDecisionEngine;
let loop: ScalingLoop;
/** The response of an instance; `undefined` means that it never responds. */
let answer: (instance: InstanceDetails) => InstanceSample | Error | undefined;
let errors: string[];

beforeEach(async () => {
  clock = new FakeClock();
  driver = new ScriptedDriver();
  engine = new AutoScalingDecisionEngine({ clock });
  engine.setScalingPolicy('demo', POLICY);
  manager = new HorizontalScalingManager({ driver, clock, services: { demo: { min: 1, max: 4 } } });
  errors = [];
  answer = () => ({ cpu: 50, memory: 10, errorRate: 0, p99: 20 });
  loop = new ScalingLoop({
    engine,
    manager,
    clock,
    sample: (instance) => {
      const given = answer(instance);
      if (given instanceof Error) return Promise.reject(given);
      return given === undefined ? new Promise(() => {}) : Promise.resolve(given);
    },
    onError: (error, service) => errors.push(`${service}: ${error.message}`),
  });
  await manager.startService('demo');
  loop.start();
});

afterEach(async () => {
  await loop.close();
  await manager.shutdown();
  expect(clock.pendingTimers).toBe(0);
});

const ready = (): number => manager.getInstanceDetails('demo').filter(({ state }) => state === 'ready').length;

/** Runs the loop `count` times, ten seconds apart. */
async function looks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await clock.advance(10_000);
}

test('the loop executes the decisions of the engine, with their reasons', async () => {
  answer = () => ({ cpu: 95 });
  await looks(1);
  expect(ready()).toBe(2);
  expect(manager.getScalingHistory()[0]).toMatchObject({ event: 'SCALE_UP', reason: engine.explain('demo')!.reason });
  answer = () => ({ cpu: 20 });
  await looks(5);
  expect(ready()).toBe(1);
});

test('an instance that does not respond counts as missing, not as idle: nothing scales down', async () => {
  answer = () => ({ cpu: 95 });
  await looks(1);
  answer = ({ id }) => (id === 'demo-1' ? { cpu: 5 } : undefined);
  await looks(12);
  expect(ready()).toBe(2);
  expect(engine.explain('demo')).toMatchObject({ action: 'HOLD', instances: { ready: 1, missing: 1 } });
  expect(errors).toContain('demo: no answer in time');
});

test('an instance with an invalid response counts as missing as well', async () => {
  answer = () => new Error('connection refused');
  await looks(5);
  expect(engine.explain('demo')).toMatchObject({ action: 'HOLD', instances: { ready: 0 } });
  expect(errors[0]).toBe('demo: connection refused');
});

test('a starting instance counts as pending, and receives no requests for its load', async () => {
  answer = ({ state }) => (state === 'ready' ? { cpu: 95 } : new Error('was asked while it started'));
  driver.hold = true;
  await looks(1);
  expect(manager.isBusy('demo')).toBe(true);
  await looks(3);
  expect(errors).toEqual([]);
  expect(driver.starting).toBe(1); // not one more for each run of the loop
  driver.release();
  await clock.advance(0);
  expect(ready()).toBe(2);
});

test('a failed command is reported, and the loop continues', async () => {
  answer = () => ({ cpu: 95 });
  driver.failWith = new Error('no more memory');
  await looks(1);
  expect(errors).toEqual(['demo: no more memory']);
  driver.failWith = undefined;
  await looks(8); // the engine waits a minute for the ordered instances
  expect(ready()).toBeGreaterThan(1);
});

test('a number set by hand stays until it expires or is released', async () => {
  answer = () => ({ cpu: 5 });
  await manager.scaleUp('demo', 2);
  loop.hold('demo');
  await looks(10);
  expect(ready()).toBe(3);
  expect(loop.holdOf('demo')).toEqual({ until: null, reason: 'by hand, pinned until released' });
  expect(loop.release('demo')).toBe(true);
  expect(loop.release('demo')).toBe(false);
  await looks(10);
  expect(ready()).toBe(1);
});

test('an instance that does not respond although its process is busy counts as saturated', async () => {
  let busy = 0;
  driver.usage = () => ({ busy, writes: 0 });
  answer = () => undefined;
  for (let i = 0; i < 3; i++) {
    const tick = loop.tick();
    await clock.advance(1000);
    busy += 2000;
    await clock.advance(1000);
    await tick;
  }
  expect(engine.explain('demo')!.reason).toMatch(/too busy to report/);
});

test('a closed loop makes no more decisions', async () => {
  await loop.close();
  answer = () => ({ cpu: 95 });
  await looks(3);
  expect(ready()).toBe(1);
});

test('only the services named are scaled', async () => {
  const other = new ScalingLoop({ engine, manager, clock, sample: () => Promise.resolve({ cpu: 95 }), services: [] });
  await other.tick();
  expect(ready()).toBe(1);
  expect(other.services).toEqual([]);
});

test.each([
  [{}, /option 'engine' is missing/],
  [{ interval: 0 }, /'interval': expected a number above 0/],
  [{ engine: {} }, /'engine': expected an AutoScalingDecisionEngine/],
])('the options %j are refused', (options, message) => {
  expect(() => new ScalingLoop(options as never)).toThrow(message);
});
