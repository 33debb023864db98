/**
 * The change of the number of entries that the memory layer holds. lru-cache cannot change it, so the entries move to
 * other records, in slices.
 */
import type { Held } from './memory-record.js';
import { keysIn, oldestKeys, type Lifetime, type PlainRecords, type Records } from './memory-records.js';
import { OldestEntries } from './oldest-entries.js';
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
  /** Call for each entry above the bound that does not leave as one that lru-cache evicts. */
  readonly evicted: () => void;
  /** Called once everything has moved. */
  readonly ended: () => void;
}

/**
 * Both records as one. Entries move when they are used, and otherwise the least recently used ones first. Those above the
 * bound are hidden at once, and evicted in slices.
 */
export class ResizingRecords implements Records, SlicedJob {
  readonly isAwaited = false;
  /** The entries that have not moved yet, with the hidden ones. */
  readonly #from: PlainRecords;
  readonly #hidden: OldestEntries;
  readonly #to: PlainRecords;
  readonly #terms: ResizingTerms;
  /** Keys used since the move began, in that order: older entries that moved later must not count as newer. */
  readonly #used = new Set<string>();
  /** Keys in the order of their age that moved without being used. They are older than those that have not moved. */
  readonly #moved: string[] = [];
  #oldestMoved = 0;
  #repeats = FIRST_REPEATS;
  #hasEnded = false;

  constructor(terms: ResizingTerms) {
    this.#terms = terms;
    this.#from = terms.from;
    this.#to = terms.to;
    this.#hidden = new OldestEntries(terms.from);
    if (this.size > this.max) this.#hidden.hide(this.size - this.max);
  }

  get max(): number {
    return this.#to.max;
  }

  get size(): number {
    return this.#from.size - this.#hidden.size + this.#to.size;
  }

  /** Bytes, including those of hidden entries. */
  get calculatedSize(): number {
    return this.#from.calculatedSize + this.#to.calculatedSize;
  }

  get(key: string): Held | undefined {
    if (this.#awaits(key)) this.#move(key);
    const held = this.#to.get(key);
    if (held !== undefined) this.#noteUse(key);
    return held;
  }

  peek(key: string): Held | undefined {
    const held = this.#to.peek(key);
    return held === undefined && this.#awaits(key) ? this.#from.peek(key) : held;
  }

  has(key: string): boolean {
    return this.#to.has(key) || this.#awaits(key);
  }

  set(key: string, held: Held, lifetime: Lifetime): void {
    this.#remove(key);
    if (this.size >= this.max && !this.#to.has(key)) this.#evictOldest();
    this.#to.set(key, held, lifetime);
    this.#noteUse(key);
    while (this.#hasTooManyBytes()) this.#hidden.evict();
  }

  delete(key: string): boolean {
    const wasThere = this.#to.delete(key);
    return this.#remove(key) || wasThere;
  }

  *keys(): Iterable<string> {
    yield* this.#to.keys();
    for (const key of this.#from.keys()) if (!this.#hidden.has(key)) yield key;
  }

  /** The keys that have not moved, and undefined for each hidden one: no step of the walk is long. */
  *remaining(): Generator<string | undefined, void> {
    for (const key of keysIn(this.#from)) yield this.#hidden.has(key) ? undefined : key;
  }

  getRemainingTTL(key: string): number {
    if (this.#to.has(key)) return this.#to.getRemainingTTL(key);
    return this.#awaits(key) ? this.#from.getRemainingTTL(key) : 0;
  }

  step(keys: number): boolean {
    let left = keys;
    for (; left > 0 && this.#hidden.size > 0; left--) this.#hidden.evict();
    if (left > 0) left -= this.#moveOldest(left);
    if (left > 0 && this.#from.size === 0) this.#repeatUses();
    return this.#from.size === 0 && this.#used.size === 0;
  }

  end(): void {
    this.#hasEnded = true;
    this.#terms.ended();
  }

  /** Whether it has not moved, and is not hidden. */
  #awaits(key: string): boolean {
    return this.#from.has(key) && !this.#hidden.has(key);
  }

  /** Returns whether it was visible. */
  #remove(key: string): boolean {
    if (this.#hidden.has(key)) this.#terms.evicted();
    return this.#hidden.remove(key);
  }

  /** Evicts the least recently used of both records: in the new ones, the order is right only at the end. */
  #evictOldest(): void {
    while (this.#oldestMoved < this.#moved.length) {
      const key = this.#moved[this.#oldestMoved++]!;
      if (!this.#used.has(key) && this.#to.has(key)) return this.#evictMoved(key);
    }
    if (this.#from.size > this.#hidden.size) return this.#hidden.hide(1);
    const [key] = this.#used;
    if (key !== undefined) this.#evictMoved(key);
  }

  #evictMoved(key: string): void {
    this.#used.delete(key);
    this.#to.delete(key);
    this.#terms.evicted();
  }

  /** Returns the number of entries moved. */
  #moveOldest(most: number): number {
    const oldest = oldestKeys(this.#from, most);
    for (const key of oldest) {
      this.#move(key);
      this.#moved.push(key);
    }
    return oldest.length;
  }

  #move(key: string): void {
    const left = this.#from.getRemainingTTL(key);
    const held = this.#from.peek(key);
    if (held === undefined || left <= 0) {
      this.#remove(key);
      return;
    }
    this.#terms.silently(() => this.#remove(key));
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
      this.#moved.push(key);
    }
  }

  #hasTooManyBytes(): boolean {
    const { maxBytes } = this.#terms;
    return maxBytes !== undefined && this.calculatedSize > maxBytes && this.#from.size > 0;
  }
}
