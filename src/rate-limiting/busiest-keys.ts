/**
 * Who asks most: a bounded count of the most frequent keys (Metwally's Space-Saving), whatever the number of keys.
 * Counting every decision would cost more than the decision, so after the first thousand a sample is counted.
 */

/** A key and about how often it came: an estimate once there are many. `error` is by how much it may be too high. */
export interface BusyKey {
  readonly key: string;
  readonly requests: number;
  readonly denied: number;
  readonly error: number;
}

interface Counter {
  key: string;
  requests: number;
  denied: number;
  error: number;
}

const COUNTERS = 64;
const COUNTED_ALL = 1_000;
const SAMPLE = 16; // one decision in so many, on average

/** A key that makes up clearly more than 1/64 of the requests is among those kept. */
export class BusiestKeys {
  readonly #counters = new Map<string, Counter>();
  #floor = 0; // no counter is below it: the search for the least ends at the first that has it

  #untilSample = COUNTED_ALL;
  #sampling = false;
  #random = 1;

  record(key: string, denied: boolean): void {
    if (--this.#untilSample > 0) {
      if (!this.#sampling) this.#add(key, denied, 1);
      return;
    }
    this.#add(key, denied, this.#sampling ? SAMPLE : 1);
    this.#sampling = true;
    this.#untilSample = this.#nextGap();
  }

  /** The busiest first, at most `limit`. */
  top(limit = 10): BusyKey[] {
    return [...this.#counters.values()]
      .sort((a, b) => b.requests - a.requests)
      .slice(0, limit)
      .map((counter) => ({ ...counter }));
  }

  /** 1 to 31, 16 on average: a fixed gap would always meet, or always miss, a client with a rhythm. */
  #nextGap(): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
    return 1 + ((this.#random >>> 16) % (2 * SAMPLE - 1));
  }

  #add(key: string, denied: boolean, weight: number): void {
    const counter = this.#counters.get(key) ?? this.#admit(key);
    counter.requests += weight;
    if (denied) counter.denied += weight;
  }

  /** A new key takes the place, and the count, of the least busy one. */
  #admit(key: string): Counter {
    const admitted: Counter = { key, requests: 0, denied: 0, error: 0 };
    if (this.#counters.size >= COUNTERS) {
      const least = this.#least();
      this.#counters.delete(least.key);
      admitted.requests = least.requests;
      admitted.error = least.requests;
    }
    this.#counters.set(key, admitted);
    return admitted;
  }

  #least(): Counter {
    let least: Counter | undefined;
    for (const counter of this.#counters.values()) {
      if (least === undefined || counter.requests < least.requests) least = counter;
      if (least.requests === this.#floor) break;
    }
    this.#floor = least!.requests;
    return least!;
  }
}
