/** The most requested keys and tags of a cache. They are sampled, so that a hit stays cheap. */
import { HeavyHitters, Sampling } from '../shared/heavy-hitters.js';
import { shownKey } from './shown-key.js';

/** A key and approximately how often it was looked up. `error` is the most by which `lookups` may be too high. */
export interface HotKey {
  readonly key: string;
  readonly lookups: number;
  /** Lookups that found no fresh value in any layer. */
  readonly misses: number;
  readonly error: number;
}

/** A tag and approximately how often an entry with it was found. */
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

/** One of this many lookups is counted, because a lookup in memory takes a tenth of a microsecond. */
const SAMPLE = 256;

export class HottestKeys {
  readonly #sampling = new Sampling(SAMPLE);
  readonly #keys = new HeavyHitters();
  readonly #tags = new HeavyHitters();

  /** Counts a lookup that found an entry with these tags. Returns the number of lookups until the next one to count. */
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
