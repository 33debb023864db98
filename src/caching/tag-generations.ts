/**
 * Tags by counting: every invalidation of a tag gets the next number. An entry remembers the number at the time it was
 * made, and is invalid if one of its tags has a later number. This needs no search and no clock.
 */

/** The state of an entry according to its tags. */
export type TagVerdict = 'valid' | 'stale' | 'gone';

interface TagRecord {
  hard: number;
  soft: number;
}

const MAX_RECORDS = 10_000;

export class TagGenerations {
  /** Only tags that were ever invalidated have a record, so other tags cost nothing. */
  readonly #records = new Map<string, TagRecord>();
  #current = 0;
  /**
   * The latest number among the records that were dropped to keep this bounded. Older tagged entries count as
   * invalidated.
   */
  #floor = 0;

  /** The generation that an entry remembers if it is made now. */
  get current(): number {
    return this.#current;
  }

  invalidate(tag: string, soft: boolean): void {
    const record = this.#records.get(tag) ?? { hard: 0, soft: 0 };
    this.#current++;
    if (soft) record.soft = this.#current;
    else record.hard = this.#current;
    this.#records.delete(tag); // so that the map's order is that of the last invalidation
    this.#records.set(tag, record);
    if (this.#records.size > MAX_RECORDS) this.#dropOldest();
  }

  verdict(tags: readonly string[], generation: number): TagVerdict {
    if (generation < this.#floor) return 'gone';
    let verdict: TagVerdict = 'valid';
    for (let i = 0; i < tags.length; i++) {
      const record = this.#records.get(tags[i]!);
      if (record === undefined) continue;
      if (record.hard > generation) return 'gone';
      if (record.soft > generation) verdict = 'stale';
    }
    return verdict;
  }

  #dropOldest(): void {
    for (const [tag, record] of this.#records) {
      this.#records.delete(tag);
      this.#floor = Math.max(this.#floor, record.hard, record.soft);
      return;
    }
  }
}
