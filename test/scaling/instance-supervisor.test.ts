import { ResilienceError } from '../../src/shared/errors.js';
import type { InstanceSpec } from '../../src/scaling/driver.js';
import { InstanceSupervisor } from '../../src/scaling/instance-supervisor.js';
import type { RestartPolicy } from '../../src/scaling/restart-budget.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { ScriptedDriver } from '../support/scripted-driver.js';

const SPEC: InstanceSpec = { service: 'demo', id: 'demo-1', port: 4000 };

function setUp(restart?: RestartPolicy) {
  const clock = new FakeClock();
  const driver = new ScriptedDriver();
  const supervisor = new InstanceSupervisor({ driver, spec: SPEC, clock, ...(restart && { restart }) });
  const states: string[] = [];
  supervisor.onChange(({ state }) => states.push(state));
  return { clock, driver, supervisor, states };
}

test('an instance that exits by itself is restarted after a wait', async () => {
  const { clock, driver, supervisor, states } = setUp();
  await supervisor.start();
  driver.started[0]!.end({ code: null, signal: 'SIGKILL' });
  await clock.advance(0);
  expect(supervisor.current).toMatchObject({ state: 'waiting', reason: 'demo-1: was ended by SIGKILL' });
  await clock.advance(100);
  expect(supervisor.current).toMatchObject({ state: 'ready' });
  expect(supervisor.restarts).toBe(1);
  expect(states).toEqual(['starting', 'ready', 'waiting', 'starting', 'ready']);
});

test('the wait grows with each failure, up to the maximum', async () => {
  const { clock, driver, supervisor } = setUp({ initialDelay: 100, maxDelay: 400, maxFailures: 100 });
  driver.failWith = new Error('no');
  await supervisor.start();
  for (const full of [100, 200, 400, 400, 400]) {
    const { current } = supervisor;
    if (current.state !== 'waiting') throw new Error(`expected a wait, got ${current.state}`);
    expect(current.delay).toBeGreaterThanOrEqual(full / 2); // the upper half is jittered
    expect(current.delay).toBeLessThanOrEqual(full);
    await clock.advance(current.delay);
  }
});

test('a crash loop ends in the state failed with its reason, and start() starts the instance again', async () => {
  const { clock, driver, supervisor } = setUp({ maxFailures: 3 });
  driver.failWith = new Error('bang');
  await supervisor.start();
  await clock.advance(10_000);
  expect(supervisor.current).toEqual({ state: 'failed', reason: 'bang; 3 failures in 60 s, not started again' });
  expect(clock.pendingTimers).toBe(0);

  driver.failWith = undefined;
  await supervisor.start();
  expect(supervisor.current.state).toBe('ready');
});

test('failures far apart are not a crash loop', async () => {
  const { clock, driver, supervisor } = setUp({ maxFailures: 2, window: 1000 });
  await supervisor.start();
  for (let i = 0; i < 5; i++) {
    await clock.advance(2000);
    driver.started.at(-1)!.end({ code: 1, signal: null });
    await clock.advance(200);
    expect(supervisor.current.state).toBe('ready');
  }
});

test('a permanent failure is not retried', async () => {
  const { clock, driver, supervisor } = setUp();
  driver.failWith = new ResilienceError('START_FAILED', 'demo-1: port 4000 is taken', {
    extensions: { permanent: true },
  });
  await supervisor.start();
  expect(supervisor.current).toEqual({ state: 'failed', reason: 'demo-1: port 4000 is taken' });
  expect(clock.pendingTimers).toBe(0);
});

test('a stopped instance stays stopped', async () => {
  const { clock, driver, supervisor, states } = setUp();
  await supervisor.start();
  await supervisor.stop();
  await clock.advance(60_000);
  expect(driver.stops).toBe(1);
  expect(states).toEqual(['starting', 'ready', 'stopping', 'stopped']);
});

test('stopping while it waits for a restart ends the wait', async () => {
  const { clock, driver, supervisor } = setUp();
  await supervisor.start();
  driver.started[0]!.end({ code: 1, signal: null });
  await clock.advance(0);
  await supervisor.stop();
  expect(clock.pendingTimers).toBe(0);
  expect(supervisor.current.state).toBe('stopped');
});

test('stopping while it starts stops the new instance', async () => {
  const { driver, supervisor } = setUp();
  const starting = supervisor.start();
  await supervisor.stop();
  await starting;
  expect(driver.stops).toBe(1);
  expect(supervisor.current.state).toBe('stopped');
});

test('starting twice starts once', async () => {
  const { driver, supervisor } = setUp();
  await Promise.all([supervisor.start(), supervisor.start()]);
  await supervisor.start();
  expect(driver.started).toHaveLength(1);
});

test('after startOnce() a failed start is not retried', async () => {
  const { clock, driver, supervisor, states } = setUp();
  driver.failWith = new Error('no');
  await expect(supervisor.startOnce()).rejects.toThrow('no');
  expect(states).toEqual(['starting', 'stopped']);
  expect(clock.pendingTimers).toBe(0);
});

test('after a successful startOnce() the instance is restarted when it exits', async () => {
  const { clock, driver, supervisor } = setUp();
  await supervisor.startOnce();
  driver.started[0]!.end({ code: 1, signal: null });
  await clock.advance(100);
  expect(supervisor).toMatchObject({ current: { state: 'ready' }, restarts: 1 });
});

test('replacing an instance counts as a restart, with its reason', async () => {
  const { clock, supervisor } = setUp();
  await supervisor.start();
  await supervisor.replace('hangs');
  await clock.advance(0);
  expect(supervisor.current).toMatchObject({ state: 'waiting', reason: 'demo-1: hangs' });
  await clock.advance(100);
  expect(supervisor.current.state).toBe('ready');
});

describe('a draining stop', () => {
  function draining() {
    const driver = new ScriptedDriver();
    let letGo!: () => void;
    const drain = (_: unknown, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        letGo = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    const supervisor = new InstanceSupervisor({ driver, spec: SPEC, clock: new FakeClock(), drain });
    return { driver, supervisor, letGo: () => letGo() };
  }

  test('stops the instance once its requests are drained', async () => {
    const { driver, supervisor, letGo } = draining();
    await supervisor.start();
    const stopped = supervisor.stop({ drain: true });
    expect([supervisor.current.state, driver.stops]).toEqual(['stopping', 0]);
    letGo();
    await stopped;
    expect([supervisor.current.state, driver.stops]).toEqual(['stopped', 1]);
  });

  test('is cut short by a stop without draining', async () => {
    const { driver, supervisor } = draining();
    await supervisor.start();
    const stopped = supervisor.stop({ drain: true });
    await supervisor.stop();
    await stopped;
    expect([supervisor.current.state, driver.stops]).toEqual(['stopped', 1]);
  });

  test('is cut short in the same way for an adopted instance', async () => {
    const { driver, supervisor } = draining();
    const instance = await driver.start(SPEC);
    await supervisor.adopt(instance);
    const stopped = supervisor.stop({ drain: true });
    await supervisor.stop();
    await stopped;
    expect(driver.stops).toBe(1);
  });
});
