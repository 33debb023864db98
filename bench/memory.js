// How much memory something holds: what is used of the heap and beside it, when all that can be collected has been.
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Bytes in use. Twice and again after a turn of the event loop: buffers are let go of a little later than the rest. */
export async function usedMemory() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await nextTurn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Bytes that what `make` returns holds. */
export async function bytesHeldBy(make) {
  const before = await usedMemory();
  const made = make();
  const bytes = (await usedMemory()) - before;
  if (made === undefined) throw new Error('nothing was made');
  return Math.max(0, bytes);
}
