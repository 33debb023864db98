/** The keys with most requests. Counting every decision would cost more than the decision, so a sample is counted. */
import { HeavyHitters, Sampling } from '../shared/heavy-hitters.js';

/** A key and about how often it came: an estimate once there are many. `error` is by how much it may be too high. */
export interface BusyKey {
  readonly key: string;
  readonly requests: number;
  readonly denied: number;
  readonly error: number;
}

/** One decision in so many is counted. With 16, it took 7 % of a decision on one of many keys. */
const SAMPLE = 64;

export class BusiestKeys {
  readonly #sampling = new Sampling(SAMPLE);
  readonly #hitters = new HeavyHitters();
  #untilSample = 1;

  record(key: string, denied: boolean): void {
    if (--this.#untilSample > 0) return;
    this.#hitters.add(key, denied, this.#sampling.weight);
    this.#untilSample = this.#sampling.nextGap();
  }

  /** The busiest first, at most `limit`. */
  top(limit?: number): BusyKey[] {
    return this.#hitters
      .top(limit)
      .map(({ key, count: requests, marked: denied, error }) => ({ key, requests, denied, error }));
  }
}
