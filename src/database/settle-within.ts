/** A deadline for foreign asynchronous work. */
import { startTimer, type Clock } from '../shared/clock.js';
import { asError } from '../shared/errors.js';

export interface Deadline<T> {
  readonly clock: Clock;
  /** Milliseconds. */
  readonly timeout: number;
  /** Ends the wait at once. */
  readonly signal?: AbortSignal;
  /** Receives what `work` still delivers after the wait has ended, to be disposed of. */
  readonly onLate?: (value: T) => unknown;
}

/** The outcome of `work`, or a rejection when it takes longer than the deadline, or the signal aborts. */
export function settleWithin<T>(work: () => T | Promise<T>, deadline: Deadline<T>): Promise<T> {
  const { clock, timeout, signal, onLate } = deadline;
  return new Promise<T>((resolve, reject) => {
    let isOver = false;
    const finish = (): void => {
      isOver = true;
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
    const onError = (error: unknown): void => {
      if (isOver) return;
      finish();
      reject(asError(error));
    };
    const onAbort = (): void => onError(signal?.reason);
    // Keeps the process alive, because a caller that awaits hanging work must get a result.
    const timer = startTimer(clock, () => onError(new Error(`no answer within ${timeout} ms`)), timeout, true);
    signal?.addEventListener('abort', onAbort, { once: true });
    Promise.resolve()
      .then(work)
      .then((value) => {
        if (isOver) return onLate?.(value);
        finish();
        resolve(value);
      }, onError);
  });
}
