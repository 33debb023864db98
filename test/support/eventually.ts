/** Waits for something real to happen (sockets, processes) by looking until it has: never for a time. */
import { setTimeout as pause } from 'node:timers/promises';

/** Milliseconds after which waiting is given up, so that a broken test fails instead of hanging. Never asserted. */
const PATIENCE = 45_000;
/** A `timeout` in milliseconds for a store or layer whose server is up: a busy machine is slow, and no outage. */
export const PATIENT = 30_000;
/** Milliseconds between looks: looking all the time would take the processor from what is waited for. */
const BETWEEN_LOOKS = 5;

/** Settles with the first result that passes; fails with the last one seen. */
export async function eventually<T>(look: () => T | Promise<T>, passes: (result: T) => boolean): Promise<T> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const result = await look();
    if (passes(result)) return result;
    if (performance.now() > end) throw new Error(`never came about; last seen: ${JSON.stringify(result)}`);
    await pause(BETWEEN_LOOKS);
  }
}

/** Settles when the condition holds. */
export async function until(condition: () => unknown, what = 'it did not happen'): Promise<void> {
  await eventually(condition, Boolean).catch(() => {
    throw new Error(what);
  });
}
