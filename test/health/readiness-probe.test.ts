import { ReadinessProbe, type ProbeFunction } from '../../src/health/index.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

function setUp(options = {}) {
  const clock = new FakeClock();
  const probes = new ReadinessProbe({ clock, ...options });
  return { clock, probes };
}

const pass = (): boolean => true;
const fail = (): boolean => false;
const never = (): Promise<never> => new Promise(() => undefined);

/** A probe that answers when the test calls `answer`. */
function manual() {
  const waiting: Array<(answer: unknown) => void> = [];
  const probe = jest.fn((_signal: AbortSignal) => new Promise((resolve) => waiting.push(resolve)));
  return { probe, answer: (value: unknown) => waiting.shift()!(value) };
}

describe('the meaning of an answer', () => {
  test.each<[string, ProbeFunction, string]>([
    ['nothing', () => undefined, 'pass'],
    ['true', pass, 'pass'],
    ['a promise of nothing', () => Promise.resolve(), 'pass'],
    ['an answer without a status', () => ({ observedValue: 3 }), 'pass'],
    ['a warning', () => ({ status: 'warn' }), 'warn'],
    ['false', fail, 'fail'],
    ['a failing answer', () => ({ status: 'fail', output: 'full' }), 'fail'],
    ['a throw', () => { throw new Error('no route'); }, 'fail'], // prettier-ignore
    ['a rejection', () => Promise.reject(new Error('no route')), 'fail'],
  ])('%s', async (_, probe, status) => {
    const { probes } = setUp();
    probes.registerReadinessProbe('it', probe);
    const report = await probes.check();
    expect(report.checks[0]!.status).toBe(status);
    expect(report.ready).toBe(status !== 'fail');
  });

  test('carries value, unit, output and time, the output cut to a bound', async () => {
    const { probes } = setUp();
    probes.registerResourceProbe('lag', () => ({ observedValue: 12, observedUnit: 'ms', output: 'x'.repeat(10_000) }));
    const [check] = (await probes.check()).checks;
    expect(check).toMatchObject({
      name: 'lag',
      kind: 'resource',
      critical: false,
      observedValue: 12,
      observedUnit: 'ms',
    });
    expect(check!.output).toHaveLength(500);
    expect(check!.time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });
});

describe('the combined verdict', () => {
  test('without probes it is ready', async () => {
    expect(await setUp().probes.check()).toEqual({
      status: 'pass',
      started: true,
      live: true,
      ready: true,
      draining: false,
      checks: [],
    });
  });

  test('before the first answer it is not ready, but alive', () => {
    const { probes } = setUp();
    probes.registerReadinessProbe('db', never);
    probes.registerLivenessProbe('loop', never);
    expect(probes.getProbeStatus()).toMatchObject({ ready: false, live: true, status: 'fail' });
    probes.close();
  });

  test('a failing liveness probe makes it neither live nor ready; a failing readiness probe leaves it live', async () => {
    const dead = setUp().probes;
    dead.registerLivenessProbe('loop', fail);
    expect(await dead.check()).toMatchObject({ live: false, ready: false, status: 'fail' });
    const waiting = setUp().probes;
    waiting.registerReadinessProbe('db', fail);
    expect(await waiting.check()).toMatchObject({ live: true, ready: false, status: 'fail' });
  });

  test('a probe that is not critical only warns; a resource is critical only if an option sets it', async () => {
    const { probes } = setUp();
    probes.registerReadinessProbe('search', fail, { critical: false });
    probes.registerResourceProbe('disk', fail);
    expect(await probes.check()).toMatchObject({ ready: true, status: 'warn' });
    probes.registerResourceProbe('memory', fail, { critical: true });
    expect(await probes.check()).toMatchObject({ ready: false, status: 'fail' });
  });

  test('a draining process is not ready even if all probes pass', async () => {
    const { probes } = setUp();
    probes.registerReadinessProbe('db', pass);
    probes.startDraining();
    expect(await probes.check()).toMatchObject({ ready: false, live: true, draining: true, status: 'fail' });
  });
});

describe('start-up gates the rest', () => {
  test('no other probe runs until it has passed; after that it does not run again', async () => {
    const { probes, clock } = setUp();
    let migrated = false;
    const startup = jest.fn(() => migrated);
    const [readiness, liveness] = [jest.fn(pass), jest.fn(pass)];
    probes.registerStartupProbe('migrations', startup);
    probes.registerReadinessProbe('db', readiness);
    probes.registerLivenessProbe('loop', liveness);
    expect(await probes.check()).toMatchObject({ started: false, live: true, ready: false });
    expect([readiness.mock.calls.length, liveness.mock.calls.length]).toEqual([0, 0]);
    migrated = true;
    clock.tick(1000);
    expect(await probes.check()).toMatchObject({ started: true, live: true, ready: true });
    clock.tick(10_000);
    migrated = false;
    expect(await probes.check()).toMatchObject({ started: true, ready: true });
    expect(startup).toHaveBeenCalledTimes(2);
  });
});

describe('running', () => {
  test('concurrently, each under its own deadline', async () => {
    const { probes, clock } = setUp();
    probes.registerReadinessProbe('slow', never, { timeout: 300 });
    probes.registerReadinessProbe('slower', never, { timeout: 500 });
    const done = jest.fn();
    void probes.check().then(done);
    await clock.advance(499);
    expect(done).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(done.mock.calls[0][0].checks).toMatchObject([
      { name: 'slow', status: 'fail', output: 'no answer within 300 ms', duration: 300 },
      { name: 'slower', status: 'fail', duration: 500 },
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('a probe runs once for any number of callers, and its answer is cached for the interval', async () => {
    const { probes, clock } = setUp();
    const probe = jest.fn(async () => true);
    probes.registerReadinessProbe('db', probe, { interval: 1000 });
    await Promise.all(Array.from({ length: 100 }, () => probes.check()));
    await probes.check();
    expect(probe).toHaveBeenCalledTimes(1);
    clock.tick(1000);
    await probes.check();
    expect(probe).toHaveBeenCalledTimes(2);
  });

  test('a lost answer does not keep a probe failed: the next round runs it again, with at most two running', async () => {
    const { probes, clock } = setUp();
    const { probe, answer } = manual();
    probes.registerReadinessProbe('db', probe, { timeout: 100, interval: 50 });
    const first = probes.check();
    await clock.advance(100);
    expect((await first).ready).toBe(false);
    expect(probe.mock.calls[0]![0].aborted).toBe(true);
    clock.tick(50);
    const second = probes.check();
    expect(probe).toHaveBeenCalledTimes(2);
    await clock.advance(100);
    expect((await second).ready).toBe(false);
    for (let i = 0; i < 5; i++) {
      await clock.advance(1000);
      expect((await probes.check()).ready).toBe(false); // at once: two are lost, and no third is started
    }
    expect(probe).toHaveBeenCalledTimes(2);
    answer(true); // too late for its own run, but now another may run
    await clock.advance(0);
    const third = probes.check();
    expect(probe).toHaveBeenCalledTimes(3);
    answer(true); // the second, too late as well
    answer(true);
    expect((await third).ready).toBe(true);
    probes.close();
  });

  test('a verdict waits for critical probes only', async () => {
    const { probes, clock } = setUp();
    probes.registerReadinessProbe('db', pass);
    probes.registerResourceProbe('disk', never);
    expect(await probes.check('readiness')).toMatchObject({ ready: true });
    const everything = jest.fn();
    void probes.check('all').then(everything);
    await clock.advance(999);
    expect(everything).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(everything).toHaveBeenCalledWith(expect.objectContaining({ status: 'warn', ready: true }));
    probes.close();
  });

  test('liveness checks no dependency', async () => {
    const { probes } = setUp();
    const dependency = jest.fn(pass);
    probes.registerReadinessProbe('db', dependency);
    await probes.check('liveness');
    expect(dependency).not.toHaveBeenCalled();
  });
});

describe('getProbeStatus', () => {
  test('returns every kind registered under the name; an unknown name is not ready', async () => {
    const { probes } = setUp();
    probes.registerStartupProbe('db', pass);
    probes.registerReadinessProbe('db', pass);
    probes.registerReadinessProbe('search', fail);
    await probes.check();
    expect(probes.getProbeStatus('db')).toMatchObject({ ready: true, status: 'pass' });
    expect(probes.getProbeStatus('db').checks.map((check) => check.kind)).toEqual(['startup', 'readiness']);
    expect(probes.getProbeStatus('search').ready).toBe(false);
    expect(probes.getProbeStatus('nothing')).toMatchObject({ ready: false, status: 'fail', checks: [] });
  });
});

describe('waitForReady', () => {
  test('settles as soon as ready', async () => {
    const { probes, clock } = setUp();
    let up = false;
    probes.registerReadinessProbe('db', () => up, { interval: 0 });
    const ready = jest.fn();
    void probes.waitForReady(undefined, 5000).then(ready);
    await clock.advance(1000);
    expect(ready).not.toHaveBeenCalled();
    up = true;
    await clock.advance(100);
    expect(ready).toHaveBeenCalledWith(expect.objectContaining({ ready: true }));
    expect(clock.pendingTimers).toBe(0);
  });

  test('waits for the probes of a name only', async () => {
    const { probes } = setUp();
    probes.registerReadinessProbe('db', pass);
    probes.registerReadinessProbe('search', fail);
    await expect(probes.waitForReady('db', 100)).resolves.toMatchObject({ ready: true });
  });

  test('rejects at the timeout and names the failing probes, also if a probe takes longer than the timeout', async () => {
    const { probes, clock } = setUp({ timeout: 10_000 });
    probes.registerReadinessProbe('db', never);
    probes.registerReadinessProbe('fine', pass);
    const waiting = expect(probes.waitForReady(undefined, 500)).rejects.toMatchObject({
      code: 'NOT_READY',
      message: "ReadinessProbe: not ready after 500 ms: readiness 'db' unknown",
    });
    await clock.advance(500);
    await waiting;
    const unknown = expect(probes.waitForReady('other', 0)).rejects.toThrow("nothing is registered as 'other'");
    await clock.advance(0);
    await unknown;
    probes.close();
    expect(clock.pendingTimers).toBe(0);
  });

  test('ends when draining or closed', async () => {
    const draining = setUp().probes;
    draining.startDraining();
    await expect(draining.waitForReady()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    const { probes, clock } = setUp();
    probes.registerReadinessProbe('db', never);
    const waiting = expect(probes.waitForReady()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    await clock.advance(10);
    probes.close();
    await waiting;
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('registering and closing', () => {
  test('the same name twice for one kind is an error; after unregistering it is free', () => {
    const { probes } = setUp();
    const unregister = probes.registerReadinessProbe('db', pass);
    probes.registerLivenessProbe('db', pass);
    expect(() => probes.registerReadinessProbe('db', pass)).toThrow(/readiness probe 'db': there is one/);
    unregister();
    unregister();
    probes.registerReadinessProbe('db', pass);
  });

  test('invalid arguments are named in the error', () => {
    const { probes } = setUp();
    expect(() => probes.registerReadinessProbe('', pass)).toThrow(RangeError);
    expect(() => probes.registerReadinessProbe('db', 5 as never)).toThrow(/readiness probe 'db': expected a function/);
    expect(() => probes.registerReadinessProbe('db', pass, { timeout: 0 })).toThrow(/'timeout'/);
    expect(() => new ReadinessProbe({ intervall: 5 } as never)).toThrow(/did you mean 'interval'/);
  });

  test('close aborts running probes and closes what they hold, is idempotent, and no probe runs afterwards', async () => {
    const { probes, clock } = setUp();
    const { probe } = manual();
    const holding = Object.assign(jest.fn(pass), { close: jest.fn() });
    probes.registerReadinessProbe('db', probe);
    probes.registerResourceProbe('lag', holding);
    const checking = probes.check();
    probes.close();
    await checking;
    await probes[Symbol.asyncDispose]();
    probes.destroy();
    expect(probe.mock.calls[0]![0].aborted).toBe(true);
    expect(holding.close).toHaveBeenCalledTimes(1);
    expect(clock.pendingTimers).toBe(0);
    clock.tick(5000);
    expect((await probes.check()).ready).toBe(false);
    expect(probe).toHaveBeenCalledTimes(1);
  });
});
