/** The records of the memory layer in lru-cache, and their removal in slices when the layer is cleared. */
import { LRUCache } from 'lru-cache';
import { Kept, type Held } from './memory-record.js';
import type { RecentTime } from './recent-time.js';
import { estimateSize } from './value-size.js';

/** All records of a layer. */
export type PlainRecords = LRUCache<string, Held>;

/** How long an entry lives, as lru-cache takes it. */
interface Lifetime {
  readonly ttl: number;
  readonly start: number;
}

/** @param removed called for each entry that is removed or evicted, not for one that is replaced */
export function newRecords(
  maxSize: number,
  maxBytes: number | undefined,
  time: RecentTime,
  removed: (key: string, reason: LRUCache.DisposeReason) => void,
): PlainRecords {
  return new LRUCache<string, Held>({
    max: maxSize,
    ttl: 1, // so that lifetimes are kept from the first entry on; each write states its own
    ttlResolution: time.resolution,
    perf: { now: () => time.read() },
    noDisposeOnSet: true,
    ...(maxBytes !== undefined && {
      maxSize: maxBytes,
      sizeCalculation: (held, key) => estimateSize(held instanceof Kept ? held.value : held) + 2 * key.length,
    }),
    dispose: (_held, key, reason) => removed(key, reason),
  });
}

/**
 * Entries removed per turn of the event loop, in about a millisecond. lru-cache needs 720 ms of processor time to empty a
 * million at once. A new cache of that size takes 190 ms to make.
 */
export const CLEARED_PER_TURN = 1000;

/**
 * Large records that were cleared. They show only what was written since then. The other entries are the least recently
 * used ones; each turn of the event loop removes some of them.
 */
export class ClearedRecords {
  readonly #records: PlainRecords;
  readonly #written = new Set<string>();
  readonly #ended: () => void;
  #isAbandoned = false;

  /** @param ended called once only the entries written since the clear are left */
  constructor(records: PlainRecords, ended: () => void) {
    this.#records = records;
    this.#ended = ended;
    this.#scheduleStep();
  }

  get max(): number {
    return this.#records.max;
  }

  get size(): number {
    return this.#written.size;
  }

  /** Bytes, including those of entries that wait for their removal. */
  get calculatedSize(): number {
    return this.#records.calculatedSize;
  }

  get(key: string): Held | undefined {
    return this.#written.has(key) ? this.#records.get(key) : undefined;
  }

  peek(key: string): Held | undefined {
    return this.#written.has(key) ? this.#records.peek(key) : undefined;
  }

  has(key: string): boolean {
    return this.#written.has(key) && this.#records.has(key);
  }

  set(key: string, held: Held, lifetime: Lifetime): void {
    this.#records.set(key, held, lifetime);
    if (this.#records.has(key)) this.#written.add(key); // unless it was too large
  }

  delete(key: string): boolean {
    return this.#written.has(key) && this.#records.delete(key);
  }

  /** Most recently used first. Looks only at the entries written since the clear. */
  *keys(): Iterable<string> {
    for (const [key] of this.entries()) yield key;
  }

  *entries(): Iterable<[string, Held]> {
    for (const entry of this.#records.entries()) {
      if (!this.#written.has(entry[0])) return;
      yield entry;
    }
  }

  getRemainingTTL(key: string): number {
    return this.#written.has(key) ? this.#records.getRemainingTTL(key) : 0;
  }

  purgeStale(): boolean {
    return this.#records.purgeStale();
  }

  /** Hides everything once more. */
  clear(): void {
    this.#written.clear();
  }

  /** The layer has other records now. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  /** Call for each entry that lru-cache removes. Returns whether it was written before the clear. */
  forget(key: string): boolean {
    return !this.#written.delete(key);
  }

  #scheduleStep(): void {
    setImmediate(() => {
      if (this.#isAbandoned) return;
      if (this.#removeSome()) this.#ended();
      else this.#scheduleStep();
    }).unref();
  }

  /** Returns whether no entry from before the clear is left. */
  #removeSome(): boolean {
    const old: string[] = [];
    for (const key of this.#records.rkeys()) {
      if (this.#written.has(key)) break;
      if (old.push(key) === CLEARED_PER_TURN) break;
    }
    for (const key of old) this.#records.delete(key);
    return old.length < CLEARED_PER_TURN;
  }
}
