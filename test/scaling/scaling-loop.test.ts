/** The loop on a fake clock: a real engine and a real manager, over instances that are objects. */
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
  predictive: false,
  staleAfter: 25_000,
};

let clock: FakeClock;
let driver: ScriptedDriver;
let manager: HorizontalScalingManager;
let engine: AutoScalingDecisionEngine;
let loop: ScalingLoop;
/** What an instance answers; never, when there is nothing. */
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

/** So many looks, ten seconds apart. */
async function looks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await clock.advance(10_000);
}

test('what the engine decides is done, with its reason', async () => {
  answer = () => ({ cpu: 95 });
  await looks(1);
  expect(ready()).toBe(2);
  expect(manager.getScalingHistory()[0]).toMatchObject({ event: 'SCALE_UP', reason: engine.explain('demo')!.reason });
  answer = () => ({ cpu: 20 });
  await looks(5);
  expect(ready()).toBe(1);
});

test('an instance that does not answer is missing, not idle: nothing is taken away', async () => {
  answer = () => ({ cpu: 95 });
  await looks(1);
  answer = ({ id }) => (id === 'demo-1' ? { cpu: 5 } : undefined);
  await looks(12);
  expect(ready()).toBe(2);
  expect(engine.explain('demo')).toMatchObject({ action: 'HOLD', instances: { ready: 1, missing: 1 } });
  expect(errors).toContain('demo: no answer in time');
});

test('an instance that answers badly is missing as well', async () => {
  answer = () => new Error('connection refused');
  await looks(5);
  expect(engine.explain('demo')).toMatchObject({ action: 'HOLD', instances: { ready: 0 } });
  expect(errors[0]).toBe('demo: connection refused');
});

test('an instance that starts counts as on its way, and is not asked', async () => {
  answer = ({ state }) => (state === 'ready' ? { cpu: 95 } : new Error('was asked while it started'));
  driver.hold = true;
  await looks(1);
  expect(manager.isBusy('demo')).toBe(true);
  await looks(3);
  expect(errors).toEqual([]);
  expect(driver.starting).toBe(1); // not one more for each look
  driver.release();
  await clock.advance(0);
  expect(ready()).toBe(2);
});

test('an order that fails is told of, and the loop goes on', async () => {
  answer = () => ({ cpu: 95 });
  driver.failWith = new Error('no more memory');
  await looks(1);
  expect(errors).toEqual(['demo: no more memory']);
  driver.failWith = undefined;
  await looks(8); // the engine waits a minute for what it has ordered
  expect(ready()).toBeGreaterThan(1);
});

test('closed, it looks no more', async () => {
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
