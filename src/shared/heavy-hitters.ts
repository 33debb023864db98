/**
 * What comes most often, in bounded memory whatever comes (Metwally's Space-Saving), and a sample of it where counting
 * everything would cost more than the work that is counted.
 */

/** A key and about how often it came. `error` is by how much `count` may be too high. */
export interface HeavyHitter {
  readonly key: string;
  readonly count: number;
  /** Of those, the ones that were marked: refused, missed, whatever the owner asks about. */
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
const SAMPLE = 16; // one in so many, on average

/** A key that makes up clearly more than 1/64 of what is added is among those kept. */
export class HeavyHitters {
  readonly #counters = new Map<string, Counter>();
  #floor = 0; // no counter is below it: the search for the least ends at the first that has it

  /** @param weight how many it stands for, see `Sampling` */
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

/** Which are counted: the first thousand, then about one in sixteen. */
export class Sampling {
  #untilNext = COUNTED_ALL;
  #isSampling = false;
  #random = 1;

  /** How many this one stands for: 0 where it is not counted. */
  next(): number {
    if (--this.#untilNext > 0) return this.#isSampling ? 0 : 1;
    const weight = this.#isSampling ? SAMPLE : 1;
    this.#isSampling = true;
    this.#untilNext = this.#nextGap();
    return weight;
  }

  /** 1 to 31, 16 on average: a fixed gap would always meet, or always miss, a client with a rhythm. */
  #nextGap(): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
    return 1 + ((this.#random >>> 16) % (2 * SAMPLE - 1));
  }
}
