/** How long a store's answer is waited for. */
import { monotonicClock, startTimer } from '../shared/clock.js';

/** Rejects with the error of `late` when `work` takes longer than `timeout` milliseconds. */
export async function withinTimeout<T>(work: Promise<T>, timeout: number, late: () => Error): Promise<T> {
  const end = monotonicClock.now() + timeout;
  let timer: { cancel(): void } | undefined;
  const expired = new Promise<never>((_, reject) => {
    const wait = (rest: number): void => {
      timer = startTimer(monotonicClock, () => expire(), rest);
    };
    const expire = (): void => {
      // Node counts whole milliseconds, so a timer may fire up to one too early. A server accepts the command until `end`:
      // a decision that was rejected before could still happen.
      const rest = end - monotonicClock.now();
      if (rest >= 0) return wait(Math.ceil(rest) || 1);
      // Timers run before sockets are read: after a pause of this process the answer may be there, only unread.
      setImmediate(() => reject(late()));
    };
    wait(timeout);
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    timer?.cancel();
  }
}
