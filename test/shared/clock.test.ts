import { spawnSync } from 'node:child_process';
import { transformSync } from 'esbuild';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicClock, sleep, startInterval, startTimer, wallClock } from '../../src/shared/clock.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

describe('startTimer', () => {
  test('waits on the clock it is given', () => {
    const clock = new FakeClock();
    const callback = jest.fn();
    startTimer(clock, callback, 100);
    clock.tick(99);
    expect(callback).not.toHaveBeenCalled();
    clock.tick(1);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test('cancelling is idempotent, before and after it fired', () => {
    const clock = new FakeClock();
    const callback = jest.fn();
    const timer = startTimer(clock, callback, 10);
    timer.cancel();
    timer.cancel();
    clock.tick(20);
    expect(callback).not.toHaveBeenCalled();
    const fired = startTimer(clock, callback, 10);
    clock.tick(10);
    fired.cancel();
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test('without a fake clock waits on the timers of Node, for longer than they can count too', async () => {
    await new Promise<void>((resolve) => startTimer({ now: () => 0 }, resolve, 1, true));
    const callback = jest.fn();
    const far = startTimer(monotonicClock, callback, 2 ** 40);
    const negative = new Promise<void>((resolve) => startTimer(monotonicClock, resolve, -5, true));
    await negative;
    await sleep(monotonicClock, 2, undefined, true);
    expect(callback).not.toHaveBeenCalled();
    far.cancel();
  });

  test('keeps a process alive only with `keepAlive`', () => {
    const source = readFileSync(join(__dirname, '../../src/shared/clock.ts'), 'utf8');
    const { code } = transformSync(source, { loader: 'ts', format: 'cjs' });
    const run = (keepAlive: boolean): string => {
      const script = `${code}; sleep(monotonicClock, 20, undefined, ${keepAlive}).then(() => console.log('waited'))`;
      return spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stdout.trim();
    };
    expect([run(true), run(false)]).toEqual(['waited', '']);
  });
});

describe('startInterval', () => {
  test('fires every period until cancelled', () => {
    const clock = new FakeClock();
    const callback = jest.fn();
    const timer = startInterval(clock, callback, 10);
    clock.tick(35);
    expect(callback).toHaveBeenCalledTimes(3);
    timer.cancel();
    clock.tick(100);
    expect(callback).toHaveBeenCalledTimes(3);
    expect(clock.pendingTimers).toBe(0);
  });

  test('cancelled from within its callback it does not start again, and a throw does not end it', () => {
    const clock = new FakeClock();
    let calls = 0;
    const timer = startInterval(
      clock,
      () => {
        calls++;
        if (calls === 1) throw new Error('once');
        timer.cancel();
      },
      10,
    );
    expect(() => clock.tick(10)).toThrow('once');
    clock.tick(100);
    expect(calls).toBe(2);
  });
});

describe('sleep', () => {
  test('settles when the time has come', async () => {
    const clock = new FakeClock();
    const done = jest.fn();
    void sleep(clock, 50).then(done);
    await clock.advance(49);
    expect(done).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(done).toHaveBeenCalled();
  });

  test('rejects with the reason of the signal, aborted before or meanwhile, and leaves no timer', async () => {
    const clock = new FakeClock();
    const reason = new Error('enough');
    await expect(sleep(clock, 50, AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const sleeping = sleep(clock, 50, controller.signal);
    controller.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
    expect(clock.pendingTimers).toBe(0);
  });
});

test('the wall clock counts from the epoch, the monotonic clock never goes back', () => {
  expect(wallClock.now()).toBeGreaterThan(Date.UTC(2024));
  let last = monotonicClock.now();
  for (let i = 0; i < 1000; i++) {
    const now = monotonicClock.now();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
  }
});

describe('FakeClock', () => {
  test('fires in the order of time, then of starting, with the time each was due', () => {
    const clock = new FakeClock(0);
    const log: string[] = [];
    clock.setTimer(() => log.push(`b ${clock.now()}`), 20);
    clock.setTimer(() => log.push(`a ${clock.now()}`), 10);
    clock.setTimer(() => log.push(`c ${clock.now()}`), 20);
    clock.tick(100);
    expect(log).toEqual(['a 10', 'b 20', 'c 20']);
    expect(clock.now()).toBe(100);
  });

  test('a timer started by a timer fires within the same advance when it falls due', async () => {
    const clock = new FakeClock(0);
    const log: number[] = [];
    clock.setTimer(() => {
      log.push(clock.now());
      clock.setTimer(() => log.push(clock.now()), 5);
    }, 5);
    await clock.advance(10);
    expect(log).toEqual([5, 10]);
  });

  test('set moves time either way and fires nothing', () => {
    const clock = new FakeClock(100);
    const callback = jest.fn();
    clock.setTimer(callback, 10);
    clock.set(500);
    clock.set(50);
    expect(callback).not.toHaveBeenCalled();
    expect(clock.now()).toBe(50);
    expect(clock.pendingTimers).toBe(1);
  });
});
