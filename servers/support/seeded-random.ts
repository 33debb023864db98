/** Reproducible random numbers from a seed (mulberry32), so that a challenge can be generated again from its seed. */

/** Returns a function that returns the next number in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An integer from `min` to `max`, both included. */
export function wholeNumber(random: () => number, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

/** A shuffled copy (Fisher–Yates). The given array does not change. */
export function shuffled<T>(random: () => number, members: readonly T[]): T[] {
  const copy = [...members];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = wholeNumber(random, 0, i);
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
