/**
 * The change of the number of entries that the memory layer holds. lru-cache cannot change it, so the entries move to
 * other records, in slices.
 */
import type { Held } from './memory-record.js';
import { oldestKeys, type Lifetime, type PlainRecords, type Records } from './memory-records.js';
import type { SlicedJob } from './sliced-jobs.js';

/** Half of the uses that the first slice repeats. */
const FIRST_REPEATS = 500;

export interface ResizingTerms {
  readonly from: PlainRecords;
  readonly to: PlainRecords;
  readonly maxBytes: number | undefined;
  /** How an entry that has so long to live is stored. */
  readonly lifetimeOf: (left: number) => Lifetime;
  /** Runs work whose removals from the old records mean nothing. */
  readonly silently: (work: () => void) => void;
  /** Called once everything has moved. */
  readonly ended: () => void;
}

/** Both records as one. Entries move when they are used, and otherwise the least recently used ones first. */
export class ResizingRecords implements Records, SlicedJob {
  readonly isAwaited = false;
  /** The entries that have not moved yet. */
  readonly from: PlainRecords;
  readonly #to: PlainRecords;
  readonly #terms: ResizingTerms;
  /** Keys used since the move began, in that order: older entries that moved later must not count as newer. */
  readonly #used = new Set<string>();
  #repeats = FIRST_REPEATS;
  #hasEnded = false;

  constructor(terms: ResizingTerms) {
    this.#terms = terms;
    this.from = terms.from;
    this.#to = terms.to;
  }

  get max(): number {
    return this.#to.max;
  }

  get size(): number {
    return this.from.size + this.#to.size;
  }

  get calculatedSize(): number {
    return this.from.calculatedSize + this.#to.calculatedSize;
  }

  get(key: string): Held | undefined {
    if (this.from.has(key)) this.#move(key);
    const held = this.#to.get(key);
    if (held !== undefined) this.#noteUse(key);
    return held;
  }

  peek(key: string): Held | undefined {
    const held = this.#to.peek(key);
    return held === undefined ? this.from.peek(key) : held;
  }

  has(key: string): boolean {
    return this.#to.has(key) || this.from.has(key);
  }

  set(key: string, held: Held, lifetime: Lifetime): void {
    this.from.delete(key);
    this.#to.set(key, held, lifetime);
    this.#noteUse(key);
    // One entry more needs the place of one; what is above the bound already leaves in slices.
    if (this.size > this.max) this.from.pop();
    while (this.#hasTooManyBytes()) this.from.pop();
  }

  delete(key: string): boolean {
    const wasThere = this.#to.delete(key);
    return this.from.delete(key) || wasThere;
  }

  *keys(): Iterable<string> {
    yield* this.#to.keys();
    yield* this.from.keys();
  }

  getRemainingTTL(key: string): number {
    return (this.#to.has(key) ? this.#to : this.from).getRemainingTTL(key);
  }

  step(keys: number): boolean {
    let left = keys;
    for (; left > 0 && this.size > this.max && this.from.size > 0; left--) this.from.pop();
    if (left > 0) left -= this.#moveOldest(left);
    if (left > 0 && this.from.size === 0) this.#repeatUses();
    return this.from.size === 0 && this.#used.size === 0;
  }

  end(): void {
    this.#hasEnded = true;
    this.#terms.ended();
  }

  /** Returns the number of entries moved. */
  #moveOldest(most: number): number {
    const oldest = oldestKeys(this.from, most);
    for (const key of oldest) this.#move(key);
    return oldest.length;
  }

  #move(key: string): void {
    const left = this.from.getRemainingTTL(key);
    const held = this.from.peek(key);
    if (held === undefined || left <= 0) {
      this.from.delete(key);
      return;
    }
    this.#terms.silently(() => this.from.delete(key));
    this.#to.set(key, held, this.#terms.lifetimeOf(left));
  }

  #noteUse(key: string): void {
    this.#used.delete(key);
    if (!this.#hasEnded) this.#used.add(key);
  }

  /** More in each slice, so that it ends however many entries are used in between. */
  #repeatUses(): void {
    this.#repeats *= 2;
    let left = this.#repeats;
    for (const key of this.#used) {
      if (left-- === 0) return;
      this.#used.delete(key);
      this.#to.get(key);
    }
  }

  #hasTooManyBytes(): boolean {
    const { maxBytes } = this.#terms;
    return maxBytes !== undefined && this.calculatedSize > maxBytes && this.from.size > 0;
  }
}
