/** A time by which something must be over, as an AbortSignal that also follows the caller's own. */
import { startTimer, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';

export interface Deadline {
  /** Aborts with the parent's reason, or with a ResilienceError UPSTREAM_TIMEOUT when the time is up. */
  readonly signal: AbortSignal;
  /** Milliseconds left; Infinity without a limit. */
  left(): number;
  /** Lets the timer and the parent go. Always call it. */
  release(): void;
}

/**
 * Starts a deadline `timeout` milliseconds from now (Infinity: none). Its timer keeps the process alive, because a
 * caller awaits it.
 */
export function startDeadline(clock: Clock, timeout: number, parent?: AbortSignal): Deadline {
  const controller = new AbortController();
  const end = clock.now() + timeout;
  const expire = (): void => {
    controller.abort(new ResilienceError('UPSTREAM_TIMEOUT', `no answer within ${timeout} ms`));
  };
  const timer = timeout === Infinity ? undefined : startTimer(clock, expire, timeout, true);
  const follow = (): void => controller.abort(parent?.reason);
  if (parent?.aborted) follow();
  else parent?.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    left: () => Math.max(0, end - clock.now()),
    release: () => {
      timer?.cancel();
      parent?.removeEventListener('abort', follow);
    },
  };
}

/** Whether this error is a deadline's. */
export function isTimeout(error: unknown): boolean {
  return ResilienceError.is(error) && error.code === 'UPSTREAM_TIMEOUT';
}

/** The promise, or the signal's reason as soon as it aborts, whether or not the work behind the promise heeds it. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
