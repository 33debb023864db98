/** The removal of many entries from the memory layer. It takes effect at once and is carried out in slices. */
import type { Held } from './memory-record.js';
import type { Lifetime, Records } from './memory-records.js';
import { visitSome, type KeyWalk, type SlicedJob } from './sliced-jobs.js';

/** Matches every key. */
export const EVERYTHING = (): boolean => true;

/** The entries to remove. */
export interface RemovalTerms {
  readonly records: Records;
  /** All keys that may match. Keys added during the removal may occur or not. */
  readonly keys: KeyWalk;
  readonly matches: (key: string) => boolean;
  /** Whether the removal of this entry is reported. */
  readonly counts: (held: Held) => boolean;
  /** The removals in progress. Each reports the entries that it hides. */
  readonly earlier: readonly MemoryRemoval[];
  readonly isAwaited: boolean;
}

/** Removes the entries that match, except those written since it began. */
export class MemoryRemoval implements SlicedJob {
  /** The keys of the removed entries that could still have been read. */
  readonly removed: string[] = [];
  readonly isAwaited: boolean;
  readonly matches: (key: string) => boolean;
  readonly written = new Set<string>();
  readonly #terms: RemovalTerms;
  readonly #ended: () => void;
  #hasEnded = false;

  /** @param ended called once all is removed */
  constructor(terms: RemovalTerms, ended: () => void) {
    this.#terms = terms;
    this.matches = terms.matches;
    this.isAwaited = terms.isAwaited;
    this.#ended = ended;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Whether the entry of this key will be removed, so that no reader may find it. */
  hides(key: string): boolean {
    return !this.#hasEnded && this.matches(key) && !this.written.has(key);
  }

  step(keys: number): boolean {
    return visitSome(this.#terms.keys, keys, (key) => {
      if (!this.hides(key)) return;
      const owner = this.#terms.earlier.find((removal) => removal.hides(key)) ?? this;
      owner.take(key);
    });
  }

  /** Removes one entry that it hides. */
  take(key: string): void {
    const { records, counts } = this.#terms;
    const held = records.peek(key);
    if (held !== undefined && counts(held)) this.removed.push(key);
    records.delete(key);
  }

  end(): void {
    this.#hasEnded = true;
    this.#ended();
  }
}

/** Records with removals in progress: they show only what no removal hides. */
export class HidingRecords implements Records {
  readonly #records: Records;
  #removals: readonly MemoryRemoval[] = [];

  constructor(records: Records) {
    this.#records = records;
  }

  get removals(): readonly MemoryRemoval[] {
    return this.#removals;
  }

  get max(): number {
    return this.#records.max;
  }

  /** Without the entries that wait for the removal of everything, but with those that wait for another removal. */
  get size(): number {
    return this.clearing?.written.size ?? this.#records.size;
  }

  /** Bytes, including those of entries that wait for their removal. */
  get calculatedSize(): number {
    return this.#records.calculatedSize;
  }

  add(removal: MemoryRemoval): void {
    this.#removals = [...this.#removals, removal];
  }

  remove(removal: MemoryRemoval): void {
    this.#removals = this.#removals.filter((one) => one !== removal);
  }

  hides(key: string): boolean {
    return this.#removals.some((removal) => removal.hides(key));
  }

  get(key: string): Held | undefined {
    return this.hides(key) ? undefined : this.#records.get(key);
  }

  peek(key: string): Held | undefined {
    return this.hides(key) ? undefined : this.#records.peek(key);
  }

  has(key: string): boolean {
    return !this.hides(key) && this.#records.has(key);
  }

  set(key: string, held: Held, lifetime: Lifetime): void {
    for (const removal of this.#removals) if (removal.hides(key)) removal.take(key);
    this.#records.set(key, held, lifetime);
    if (!this.#records.has(key)) return; // it was too large
    for (const removal of this.#removals) if (removal.matches(key)) removal.written.add(key);
  }

  delete(key: string): boolean {
    return !this.hides(key) && this.#records.delete(key);
  }

  /** Most recently used first. */
  *keys(): Iterable<string> {
    for (const key of this.#records.keys()) if (!this.hides(key)) yield key;
  }

  getRemainingTTL(key: string): number {
    return this.hides(key) ? 0 : this.#records.getRemainingTTL(key);
  }

  /** Call for each entry that lru-cache removes. Returns whether it was hidden. */
  forget(key: string): boolean {
    const wasHidden = this.hides(key);
    for (const { written } of this.#removals) written.delete(key);
    return wasHidden;
  }

  /** The last removal of everything in progress, if there is one: only what was written since then is visible. */
  get clearing(): MemoryRemoval | undefined {
    return this.#removals.findLast(({ matches }) => matches === EVERYTHING);
  }
}
