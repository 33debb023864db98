/** Random numbers that a seed repeats (mulberry32): a generated challenge can be made again from its seed. */

/** A function that returns the next number of [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `min` to `max`, both included. */
export function wholeNumber(random: () => number, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

/** The members in another order (Fisher–Yates); the array given stays as it is. */
export function shuffled<T>(random: () => number, members: readonly T[]): T[] {
  const copy = [...members];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = wholeNumber(random, 0, i);
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
