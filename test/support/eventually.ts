/** Waits for something real to happen (sockets, processes) by looking again on each turn of the event loop: no sleep. */
import { setImmediate } from 'node:timers/promises';

/** Milliseconds after which waiting is given up, so that a broken test fails instead of hanging. Never asserted. */
const PATIENCE = 15_000;

/** Settles with the first result that passes; fails with the last one seen. */
export async function eventually<T>(look: () => T | Promise<T>, passes: (result: T) => boolean): Promise<T> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const result = await look();
    if (passes(result)) return result;
    if (performance.now() > end) throw new Error(`never came about; last seen: ${JSON.stringify(result)}`);
    await setImmediate();
  }
}

/** Settles when the condition holds. */
export async function until(condition: () => unknown, what = 'it did not happen'): Promise<void> {
  await eventually(condition, Boolean).catch(() => {
    throw new Error(what);
  });
}
