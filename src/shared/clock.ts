/**
 * The clock as an option. Algorithms read `clock.now()` and wait with `startTimer`, so that a test moves time by hand
 * and never sleeps.
 */

/**
 * A timer that can be stopped. Stopping it twice, or after it fired, has no effect.
 *
 * @example
 * import { monotonicClock, startTimer, type Timer } from '@tooloo/resilience';
 *
 * const timer: Timer = startTimer(monotonicClock, () => console.log('too slow'), 5000);
 * await createReport();
 * timer.cancel();
 */
export interface Timer {
  cancel(): void;
  /** Whether the process stays alive for it from now on. A clock of your own need not have this. */
  keepAlive?(isKept: boolean): void;
}

/**
 * A source of time in milliseconds. `setTimer` is optional: a clock without it uses Node's own timers. A fake clock
 * implements both, so that deadlines follow its time.
 *
 * @example
 * import { RateLimiter, type Clock } from '@tooloo/resilience';
 *
 * let now = 0;
 * const clock: Clock = { now: () => now };
 * const limiter = new RateLimiter({ rateLimit: 1, refillRate: 1, clock });
 * now += 1000; // a second later
 */
export interface Clock {
  now(): number;
  setTimer?(callback: () => void, delay: number): Timer;
}

/**
 * Milliseconds since the Unix epoch: for what is stored, or compared across processes. May jump.
 *
 * @example
 * import { wallClock } from '@tooloo/resilience';
 *
 * const expiresAt = wallClock.now() + 60_000;
 */
export const wallClock: Clock = { now: () => Date.now() };

/**
 * Milliseconds since the process started, never going back: for rates, latencies and deadlines.
 *
 * @example
 * import { monotonicClock } from '@tooloo/resilience';
 *
 * const start = monotonicClock.now();
 * await createReport();
 * console.log(`${monotonicClock.now() - start} ms`);
 */
export const monotonicClock: Clock = { now: () => performance.now() };

const MAX_DELAY = 2 ** 31 - 1; // beyond it Node's timers fire at once

/** A class, because every forwarded request sets a timer, and two closures would be two more objects for each. */
class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout;

  constructor(callback: () => void, delay: number, keepAlive: boolean) {
    this.#handle = setTimeout(callback, Math.min(Math.max(delay, 0), MAX_DELAY));
    if (!keepAlive) this.#handle.unref();
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  keepAlive(isKept: boolean): void {
    if (isKept) this.#handle.ref();
    else this.#handle.unref();
  }
}

/**
 * Calls `callback` once after `delay` ms of the clock's time. Keeps the process alive only with `keepAlive`: for a wait
 * that a caller awaits, when no other handle may keep the process alive.
 *
 * @example
 * import { monotonicClock, startTimer } from '@tooloo/resilience';
 *
 * const timer = startTimer(monotonicClock, () => console.log('a second later'), 1000);
 * timer.cancel();
 */
export function startTimer(clock: Clock, callback: () => void, delay: number, keepAlive = false): Timer {
  return clock.setTimer === undefined ? new SystemTimer(callback, delay, keepAlive) : clock.setTimer(callback, delay);
}

/**
 * Calls `callback` every `period` ms until cancelled, the first time after one period. The next wait starts when the
 * callback has returned, so that a slow callback is never overlapped by itself.
 */
export function startInterval(clock: Clock, callback: () => void, period: number): Timer {
  let cancelled = false;
  let timer = startTimer(clock, tick, period);
  function tick(): void {
    try {
      callback();
    } finally {
      if (!cancelled) timer = startTimer(clock, tick, period);
    }
  }
  return {
    cancel: () => {
      cancelled = true;
      timer.cancel();
    },
  };
}

/**
 * Settles after `delay` ms of the clock's time, or rejects with the signal's reason when it aborts first. `keepAlive`
 * as for `startTimer`.
 */
export function sleep(clock: Clock, delay: number, signal?: AbortSignal, keepAlive = false): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = startTimer(
      clock,
      () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      },
      delay,
      keepAlive,
    );
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
