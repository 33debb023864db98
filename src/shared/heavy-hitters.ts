/**
 * The most frequent keys, in memory that is bounded for any input (Metwally's Space-Saving). It samples if counting
 * every key would cost more than the counted work.
 */

/** A key and approximately how often it occurred. `error` is the most by which `count` may be too high. */
export interface HeavyHitter {
  readonly key: string;
  readonly count: number;
  /** The part of the count that was marked: refused or missed, for example, as the owner defines. */
  readonly marked: number;
  readonly error: number;
}

interface Counter {
  key: string;
  count: number;
  marked: number;
  error: number;
}

const COUNTERS = 64;
const COUNTED_ALL = 1_000;

/** A key that makes up clearly more than 1/64 of the added keys is among the kept keys. */
export class HeavyHitters {
  readonly #counters = new Map<string, Counter>();
  #floor = 0; // no counter is below it, so the search for the smallest ends at the first one that equals it

  /** @param weight the number of occurrences it stands for, see `Sampling` */
  add(key: string, isMarked: boolean, weight = 1): void {
    const counter = this.#counters.get(key) ?? this.#admit(key);
    counter.count += weight;
    if (isMarked) counter.marked += weight;
  }

  /** The most frequent first, at most `limit`. */
  top(limit = 10): HeavyHitter[] {
    return [...this.#counters.values()]
      .sort((a, b) => b.count - a.count)
      .slice(0, limit)
      .map((counter) => ({ ...counter }));
  }

  /** A new key takes the place, and the count, of the least frequent one. */
  #admit(key: string): Counter {
    const admitted: Counter = { key, count: 0, marked: 0, error: 0 };
    if (this.#counters.size >= COUNTERS) {
      const least = this.#least();
      this.#counters.delete(least.key);
      admitted.count = least.count;
      admitted.error = least.count;
    }
    this.#counters.set(key, admitted);
    return admitted;
  }

  #least(): Counter {
    let least: Counter | undefined;
    for (const counter of this.#counters.values()) {
      if (least === undefined || counter.count < least.count) least = counter;
      if (least.count === this.#floor) break;
    }
    this.#floor = least!.count;
    return least!;
  }
}

/**
 * Which are counted: the first thousand, then a sample. Its owner counts down from `nextGap()` itself, so that what is not
 * counted costs a decrement.
 */
export class Sampling {
  readonly #gap: number;
  #counted = 0;
  #weight = 1;
  #random = 1;

  /** @param gap one in so many is counted, on average */
  constructor(gap: number) {
    this.#gap = gap;
  }

  /** The number of occurrences that the current one stands for. */
  get weight(): number {
    return this.#weight;
  }

  /** After one was counted: the next is the so-many-th from here. Random, for a fixed gap would always meet, or miss, what has a rhythm. */
  nextGap(): number {
    if (this.#counted < COUNTED_ALL && ++this.#counted < COUNTED_ALL) return 1;
    this.#weight = this.#gap;
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
    return 1 + ((this.#random >>> 16) % (2 * this.#gap - 1));
  }
}
