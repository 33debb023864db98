/** A call with a time limit. An AbortSignal ends it when it is no longer wanted. */
import { startTimer, type Clock } from './clock.js';

export interface TimedCall {
  readonly clock: Clock;
  /** Milliseconds; Infinity: no limit. */
  readonly timeout: number;
  /** The caller's own signal: aborts the call's, but does not end the wait, which is the call's affair. */
  readonly signal: AbortSignal | undefined;
  /** The error of a call that took too long. */
  readonly expired: () => Error;
}

/**
 * Returns the result of `call`, or rejects with the error of `expired` once the time is up; the signal then aborts too.
 */
export async function callWithin<T>(
  call: (signal: AbortSignal) => T | Promise<T>,
  { clock, timeout, signal, expired }: TimedCall,
): Promise<T> {
  const controller = new AbortController();
  const follow = (): void => controller.abort(signal?.reason);
  if (signal?.aborted === true) follow();
  else signal?.addEventListener('abort', follow, { once: true });
  let cancel: (() => void) | undefined;
  try {
    const working = (async () => call(controller.signal))();
    if (timeout === Infinity) return await working;
    const late = new Promise<never>((_, reject) => {
      const expire = (): void => {
        const error = expired();
        reject(error);
        controller.abort(error);
      };
      const timer = startTimer(clock, expire, timeout, true); // a caller waits for the response
      cancel = () => timer.cancel();
    });
    return await Promise.race([working, late]);
  } finally {
    cancel?.();
    signal?.removeEventListener('abort', follow);
  }
}
