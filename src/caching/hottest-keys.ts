/** What a cache is asked for most, by key and by tag: of a sample, so that a hit stays as cheap as it is. */
import { HeavyHitters, Sampling } from '../shared/heavy-hitters.js';
import { shownKey } from './shown-key.js';

/** A key, and about how often it was looked up. `error` is by how much `lookups` may be too high. */
export interface HotKey {
  readonly key: string;
  readonly lookups: number;
  /** Those that found no fresh value anywhere. */
  readonly misses: number;
  readonly error: number;
}

/** A tag, and about how often something that carries it was found. */
export interface HotTag {
  readonly tag: string;
  readonly hits: number;
  readonly error: number;
}

/** The hottest first. */
export interface HottestEntries {
  readonly keys: readonly HotKey[];
  readonly tags: readonly HotTag[];
}

/** One lookup in so many is counted: one out of memory takes a tenth of a microsecond. */
const SAMPLE = 256;

export class HottestKeys {
  readonly #sampling = new Sampling(SAMPLE);
  readonly #keys = new HeavyHitters();
  readonly #tags = new HeavyHitters();

  /** Counts a lookup that found something with these tags. Returns how many to let pass until the next, that one included. */
  found(key: string, tags: readonly string[]): number {
    const { weight } = this.#sampling;
    this.#keys.add(key, false, weight);
    for (const tag of tags) this.#tags.add(tag, false, weight);
    return this.#sampling.nextGap();
  }

  missed(key: string): number {
    this.#keys.add(key, true, this.#sampling.weight);
    return this.#sampling.nextGap();
  }

  top(limit: number, isHidden: boolean): HottestEntries {
    return {
      keys: this.#keys.top(limit).map(({ key, count: lookups, marked: misses, error }) => ({
        key: shownKey(key, isHidden),
        lookups,
        misses,
        error,
      })),
      tags: this.#tags.top(limit).map(({ key, count: hits, error }) => ({ tag: shownKey(key, isHidden), hits, error })),
    };
  }
}
