/** The layer in the process: the most recently used values, bounded in count and, if asked, in bytes. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../shared/clock.js';
import { checkOptions, checkValue, clock as clockCheck, milliseconds, number } from '../shared/options.js';
import type { CacheEntry, CacheLayer, LayerStats, Lease, TagInvalidation } from './cache-layer.js';
import { KeyIndex } from './key-index.js';
import { compilePattern } from './key-pattern.js';
import { MemoryLeases } from './memory-leases.js';
import { RecentTime } from './recent-time.js';
import { TagGenerations } from './tag-generations.js';
import { estimateSize } from './value-size.js';

/** The bounds of the layer in memory. */
export interface MemoryCacheLayerOptions {
  /** Most entries held; the least recently used goes first. Default 1000. */
  readonly maxSize?: number;
  /** Most bytes held, as estimated from the values; a larger value is not stored. Default: no bound in bytes. */
  readonly maxBytes?: number;
  /** Milliseconds an entry lives when `set` names no lifetime. Default 5 minutes. */
  readonly defaultTTL?: number;
  /** Default: a monotonic clock, so that a corrected machine clock changes no lifetime. */
  readonly clock?: Clock;
}

export interface MemoryLayerStats extends LayerStats {
  readonly maxSize: number;
  /** Estimated bytes held; 0 where `maxBytes` is not set and nothing is measured. */
  readonly bytes: number;
}

const DEFAULT_MAX_SIZE = 1000;
const DEFAULT_TTL = 5 * 60_000;
/** A JavaScript Map holds no more. */
const entries = number({ min: 1, max: 2 ** 24, integer: true });
const NO_TAGS: readonly string[] = [];
/** An expiry that is no moment; not Infinity, which V8 would keep in a box, and with it the expiry of every record. */
const NEVER = 2 ** 31 - 1;

/** Points in time are those of `RecentTime`. Untagged records share one empty list. */
interface MemoryRecord {
  readonly value: unknown;
  /** Until then it is fresh, without a doubt; 0 where its tags have to be asked. */
  readonly freshUntil: number;
  readonly expiresAt: number;
  /** Milliseconds of grace after that. */
  readonly grace: number;
  readonly tags: readonly string[];
  readonly generation: number;
}

/**
 * Values by reference: what `get` returns is what `set` was given, not a copy. Expired entries stay until they are asked
 * for, evicted or swept by `cleanup()`; no timer runs.
 */
export class MemoryCacheLayer implements CacheLayer {
  readonly name = 'memory';
  readonly isShared = false;
  readonly defaultTTL: number;

  readonly #maxBytes: number | undefined;
  readonly #time: RecentTime;
  readonly #tags = new TagGenerations();
  readonly #leases = new MemoryLeases();
  #records: LRUCache<string, MemoryRecord>;
  /** Built when a pattern is first invalidated: who never does pays nothing. */
  #index: KeyIndex | undefined;
  #hits = 0;
  #misses = 0;
  #evictions = 0;
  #expirations = 0;

  /** @throws TypeError or RangeError for an unknown option or a value out of range */
  constructor(options: MemoryCacheLayerOptions = {}) {
    const checked = checkOptions('MemoryCacheLayer', options, {
      maxSize: entries,
      maxBytes: number({ min: 1, max: Number.MAX_SAFE_INTEGER, integer: true }),
      defaultTTL: milliseconds,
      clock: clockCheck,
    });
    this.defaultTTL = checked.defaultTTL ?? DEFAULT_TTL;
    this.#maxBytes = checked.maxBytes;
    this.#time = new RecentTime(checked.clock);
    this.#records = this.#newRecords(checked.maxSize ?? DEFAULT_MAX_SIZE);
  }

  /** The fresh value, or undefined on a miss. Marks the entry as used. */
  get<V = unknown>(key: string): V | undefined {
    const record = this.#records.get(key);
    // Plain code, here and in `peek`: what is rare is elsewhere, so that the rest is compiled into the caller.
    if (record === undefined || record.freshUntil <= this.#time.reading)
      return this.#getRare(key, record) as V | undefined;
    this.#hits++;
    return record.value as V;
  }

  /** As `get`, for a caller that will look further: not finding the value counts as no miss. Allocates nothing. */
  peek<V = unknown>(key: string): V | undefined {
    const record = this.#records.get(key);
    if (record === undefined) return undefined;
    if (record.freshUntil <= this.#time.reading && !this.#isFresh(record)) return undefined;
    this.#hits++;
    return record.value as V;
  }

  has(key: string): boolean {
    const record = this.#records.peek(key);
    return record !== undefined && this.#isFresh(record);
  }

  /** The tags of what is held under a key. Changes nothing, counts nothing. */
  tagsOf(key: string): readonly string[] {
    return this.#records.peek(key)?.tags ?? NO_TAGS;
  }

  /** @param ttl milliseconds; `defaultTTL` when absent, Infinity for ever, 0 stores nothing */
  set(key: string, value: unknown, ttl: number = this.defaultTTL): void {
    checkValue('MemoryCacheLayer.set: ttl', ttl, milliseconds);
    this.#leases.revoke(key);
    this.#store(key, value, ttl, 0, NO_TAGS, 0);
  }

  delete(key: string): boolean {
    this.#leases.revoke(key);
    const wasUsable = this.#isUsable(this.#records.peek(key));
    this.#records.delete(key);
    return wasUsable;
  }

  clear(): void {
    this.#leases.revokeAll();
    this.#records.clear();
  }

  read(key: string): CacheEntry | undefined {
    const record = this.#records.get(key);
    const entry = record === undefined ? undefined : this.#entryOf(record);
    if (entry === undefined || entry.ttl === 0) this.#misses++;
    else this.#hits++;
    if (record !== undefined && entry === undefined) this.#drop(key);
    return entry;
  }

  write(key: string, entry: CacheEntry, lease?: Lease): boolean {
    if (lease !== undefined && !this.#leases.holds(lease)) return false;
    this.#leases.revoke(key);
    const generation = lease?.generation ?? this.#tags.current;
    return this.#store(key, entry.value, entry.ttl, entry.grace, entry.tags, generation);
  }

  invalidatePattern(pattern: string): string[] {
    this.#leases.revokeMatching(pattern);
    this.#index ??= new KeyIndex(this.#records.keys());
    const removed: string[] = [];
    for (const key of this.#index.matching(pattern)) {
      if (this.#isUsable(this.#records.peek(key))) removed.push(key);
      this.#records.delete(key);
    }
    return removed;
  }

  invalidateTag(tag: string, { soft = false }: TagInvalidation = {}): void {
    this.#tags.invalidate(tag, soft);
  }

  lease(key: string): Lease {
    return this.#leases.give(key, this.#tags.current);
  }

  release(lease: Lease): void {
    this.#leases.end(lease);
  }

  /** Changes how many entries are held, at once: the least recently used beyond it are evicted. */
  setMaxSize(maxSize: number): void {
    checkValue('MemoryCacheLayer.setMaxSize: maxSize', maxSize, entries);
    const previous = this.#records;
    this.#records = this.#newRecords(maxSize);
    const kept = [...previous.entries()].slice(0, maxSize); // most recently used first
    for (const [key, record] of kept.reverse()) this.#records.set(key, record);
    this.#evictions += Math.max(0, previous.size - maxSize);
    this.#index = undefined;
  }

  /** Removes what has expired; how many entries that were. */
  cleanup(): number {
    const now = this.#time.read();
    let removed = 0;
    for (const [key, record] of [...this.#records.entries()]) {
      if (this.#isUsable(record, now)) continue;
      this.#drop(key);
      removed++;
    }
    return removed;
  }

  /** The keys held, expired ones included, most recently used first. */
  keys(pattern = '*'): string[] {
    const { matches } = compilePattern(pattern);
    return [...this.#records.keys()].filter(matches);
  }

  getStats(): MemoryLayerStats {
    const asked = this.#hits + this.#misses;
    return {
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
      expirations: this.#expirations,
      size: this.#records.size,
      maxSize: this.#records.max,
      bytes: this.#records.calculatedSize,
      hitRate: asked === 0 ? 0 : this.#hits / asked,
    };
  }

  /** Lets go of every value. The layer stays usable and empty: nothing is held open. */
  destroy(): void {
    this.clear();
  }

  close(): void {
    this.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }

  #newRecords(maxSize: number): LRUCache<string, MemoryRecord> {
    return new LRUCache<string, MemoryRecord>({
      max: maxSize,
      ...(this.#maxBytes !== undefined && {
        maxSize: this.#maxBytes,
        sizeCalculation: (record, key) => estimateSize(record.value) + 2 * key.length,
      }),
      dispose: (_record, key, reason) => {
        if (reason === 'evict') this.#evictions++;
        this.#index?.remove(key);
      },
    });
  }

  #store(
    key: string,
    value: unknown,
    ttl: number,
    grace: number,
    tags: readonly string[],
    generation: number,
  ): boolean {
    if (value === undefined || ttl + grace <= 0) {
      this.#records.delete(key);
      return false;
    }
    const expiresAt = ttl === Infinity ? NEVER : this.#time.after(ttl);
    const freshUntil = tags.length === 0 ? expiresAt : 0;
    this.#records.set(key, { value, freshUntil, expiresAt, grace, tags, generation });
    // A value larger than `maxBytes` is not kept, and takes its predecessor with it.
    const isStored = this.#maxBytes === undefined || this.#records.has(key);
    if (isStored) this.#index?.add(key);
    return isStored;
  }

  /** What `get` answers where there is no record, or one that may have expired. */
  #getRare(key: string, record: MemoryRecord | undefined): unknown {
    if (record !== undefined && this.#isFresh(record)) {
      this.#hits++;
      return record.value;
    }
    this.#misses++;
    if (record !== undefined && !this.#isUsable(record)) this.#drop(key);
    return undefined;
  }

  #isFresh(record: MemoryRecord): boolean {
    if (record.expiresAt !== NEVER && record.expiresAt <= this.#time.read()) return false;
    return record.tags.length === 0 || this.#tags.verdict(record.tags, record.generation) === 'valid';
  }

  /** Whether the record can still be served, fresh or within its grace. */
  #isUsable(record: MemoryRecord | undefined, now = this.#time.read()): boolean {
    if (record === undefined || (record.expiresAt !== NEVER && record.expiresAt + record.grace <= now)) return false;
    if (record.tags.length === 0) return true;
    const verdict = this.#tags.verdict(record.tags, record.generation);
    return verdict === 'valid' || (verdict === 'stale' && record.grace > 0);
  }

  #entryOf(record: MemoryRecord): CacheEntry | undefined {
    const now = this.#time.read();
    if (!this.#isUsable(record, now)) return undefined;
    const { value, tags } = record;
    const left = record.expiresAt === NEVER ? Infinity : record.expiresAt - now;
    if (left > 0 && this.#isFresh(record)) return { value, ttl: left, grace: record.grace, tags };
    return { value, ttl: 0, grace: Math.min(record.grace, left + record.grace), tags };
  }

  #drop(key: string): void {
    this.#expirations++;
    this.#records.delete(key);
  }
}
