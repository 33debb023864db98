/** How long a store's answer is waited for. */
import { monotonicClock, startTimer } from '../shared/clock.js';

/** Rejects with the error of `late` when `work` takes longer than `timeout` milliseconds. */
export async function withinTimeout<T>(work: Promise<T>, timeout: number, late: () => Error): Promise<T> {
  let timer: { cancel(): void } | undefined;
  const expired = new Promise<never>((_, reject) => {
    // Timers run before sockets are read: after a pause of this process the answer may be there, only unread.
    timer = startTimer(monotonicClock, () => void setImmediate(() => reject(late())), timeout);
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    timer?.cancel();
  }
}
