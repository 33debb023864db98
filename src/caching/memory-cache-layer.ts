/** The layer in the process: the most recently used values, bounded by count and optionally by bytes. */
import { checkOptions, checkValue, clock as clockCheck, milliseconds, number } from '../shared/options.js';
import type { Awaitable, CacheEntry, CacheLayer, Lease, TagInvalidation } from './cache-layer.js';
import { compilePattern } from './key-pattern.js';
import { MemoryContents } from './memory-contents.js';
import { MemoryLeases } from './memory-leases.js';
import { entryOf, isFresh, isUsable, Kept, type Held } from './memory-record.js';
import { TICK, type Records } from './memory-records.js';
import type { MemoryCacheLayerOptions, MemoryLayerStats } from './memory-options.js';
import { RecentTime } from './recent-time.js';
import { TagGenerations } from './tag-generations.js';

const DEFAULT_MAX_SIZE = 1000;
const DEFAULT_TTL = 5 * 60_000;
/** A JavaScript Map cannot hold more. */
const entries = number({ min: 1, max: 2 ** 24, integer: true });
const NO_TAGS: readonly string[] = [];
/**
 * Stores values by reference: `get` returns the object that was passed to `set`, not a copy. Expired entries stay until
 * they are read, evicted or removed by `cleanup()`; no timer runs.
 *
 * @example
 * import { MemoryCacheLayer } from '@tooloo/resilience';
 *
 * const layer = new MemoryCacheLayer({ maxSize: 10_000, defaultTTL: 60_000 });
 * layer.set('user:42', { name: 'Ada' });
 * console.log(layer.get('user:42'));
 */
export class MemoryCacheLayer implements CacheLayer {
  readonly name = 'memory';
  readonly isShared = false;
  readonly defaultTTL: number;

  readonly #maxBytes: number | undefined;
  readonly #time: RecentTime;
  readonly #tags = new TagGenerations();
  readonly #leases = new MemoryLeases();
  readonly #contents: MemoryContents;
  /** The records that `#contents` shows. A field of the layer, because every read takes this path. */
  #records!: Records;
  /** Reused for every write, so that a write allocates no object. */
  readonly #lifetime = { ttl: 0, start: 0 };
  #hits = 0;
  #misses = 0;

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
    this.#contents = new MemoryContents(checked.maxSize ?? DEFAULT_MAX_SIZE, checked.maxBytes, this.#time, {
      isUsable: (held) => this.#isUsable(held),
      show: (records) => {
        this.#records = records;
      },
    });
  }

  /** The fresh value, or undefined on a miss. Marks the entry as used. */
  get<V = unknown>(key: string): V | undefined {
    const held = this.#records.get(key);
    // Plain code, here and in `peek`: rare cases are elsewhere, so that V8 inlines the rest into the caller.
    if (held === undefined || held instanceof Kept) return this.#getRare(key, held) as V | undefined;
    this.#hits++;
    return held as V;
  }

  /** Like `get`, for a caller that searches further on a miss: a miss is not counted. Allocates nothing. */
  peek<V = unknown>(key: string): V | undefined {
    const held = this.#records.get(key);
    if (held === undefined) return undefined;
    if (!(held instanceof Kept)) {
      this.#hits++;
      return held as V;
    }
    if (!this.#isFresh(held)) return undefined;
    this.#hits++;
    return held.value as V;
  }

  has(key: string): boolean {
    const held = this.#records.peek(key);
    return held !== undefined && (!(held instanceof Kept) || this.#isFresh(held));
  }

  /** The tags of the value under a key. Has no effects and counts nothing. */
  tagsOf(key: string): readonly string[] {
    const held = this.#records.peek(key);
    return held instanceof Kept ? held.tags : NO_TAGS;
  }

  /**
   * Milliseconds for which the value under a key stays fresh; 0 if the key is absent. Changes nothing, counts nothing.
   */
  remainingTTL(key: string): number {
    const held = this.#records.peek(key);
    if (held === undefined) return 0;
    return this.#entryOf(key, held)?.ttl ?? 0;
  }

  /** @param ttl milliseconds; default `defaultTTL`. Infinity: no expiry. 0: the value is not stored. */
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

  /** Takes effect at once. Many entries are removed in slices, between which the event loop has its turn. */
  clear(): void {
    this.#leases.revokeAll();
    this.#contents.clear();
  }

  read(key: string): CacheEntry | undefined {
    const held = this.#records.get(key);
    this.#time.observe();
    const entry = held === undefined ? undefined : this.#entryOf(key, held);
    if (entry === undefined || entry.ttl === 0) this.#misses++;
    else this.#hits++;
    if (held !== undefined && entry === undefined) this.#drop(key);
    return entry;
  }

  write(key: string, entry: CacheEntry, lease?: Lease): boolean {
    if (lease !== undefined && !this.#leases.holds(lease)) return false;
    this.#leases.revoke(key);
    const generation = lease?.generation ?? this.#tags.current;
    return this.#store(key, entry.value, entry.ttl, entry.grace, entry.tags, generation);
  }

  /** Blocks until all is removed; `invalidatePatternInBackground` does not. */
  invalidatePattern(pattern: string): string[] {
    this.#leases.revokeMatching(pattern);
    const { result, done } = this.#contents.removeMatching(pattern);
    if (done !== undefined) this.#contents.finish();
    return result;
  }

  /**
   * Takes effect at once. Many entries are removed in slices, between which the event loop has its turn. The result is a
   * promise if one slice is not enough.
   */
  invalidatePatternInBackground(pattern: string): Awaitable<string[]> {
    this.#leases.revokeMatching(pattern);
    const { result, done } = this.#contents.removeMatching(pattern);
    return done === undefined ? result : done.then(() => result);
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

  /**
   * Changes the number of entries held. The least recently used ones beyond it are no longer found. Many entries are
   * evicted and moved in slices, between which the event loop has its turn. Only the room for the new number of entries is
   * made within the call, in about 0.1 ms per thousand.
   */
  setMaxSize(maxSize: number): void {
    checkValue('MemoryCacheLayer.setMaxSize: maxSize', maxSize, entries);
    this.#contents.resize(maxSize);
  }

  /** Removes expired entries and returns their number. Blocks until it is done; `cleanupInBackground` does not. */
  cleanup(): number {
    const { result, done } = this.#contents.sweep();
    if (done !== undefined) this.#contents.finish();
    return result.removed;
  }

  /** Like `cleanup`, in slices, between which the event loop has its turn: a promise if one slice is not enough. */
  cleanupInBackground(): Awaitable<number> {
    const { result, done } = this.#contents.sweep();
    return done === undefined ? result.removed : done.then(() => result.removed);
  }

  /** The keys held that have not expired, most recently used first. */
  keys(pattern = '*'): string[] {
    const { matches } = compilePattern(pattern);
    return [...this.#records.keys()].filter(matches);
  }

  getStats(): MemoryLayerStats {
    const asked = this.#hits + this.#misses;
    return {
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#contents.evictions,
      expirations: this.#contents.expirations,
      size: this.#records.size,
      maxSize: this.#records.max,
      bytes: this.#records.calculatedSize,
      hitRate: asked === 0 ? 0 : this.#hits / asked,
    };
  }

  /** Removes every value. The layer stays usable: it holds no resources. */
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
    const isBare = grace === 0 && tags.length === 0;
    this.#put(
      key,
      isBare ? (value as Held) : new Kept(value, this.#time.read() + ttl, grace, tags, generation),
      ttl + grace,
    );
    // A value larger than `maxBytes` is not stored, and its predecessor is removed.
    const isStored = this.#maxBytes === undefined || this.#records.has(key);
    if (isStored) this.#contents.added(key);
    return isStored;
  }

  /** @param ttl milliseconds until the value must not be served, even stale. In lru-cache, 0 means no expiry. */
  #put(key: string, held: Held, ttl: number): void {
    this.#lifetime.ttl = ttl === Infinity ? 0 : ttl;
    this.#lifetime.start = this.#time.read() - TICK;
    this.#records.set(key, held, this.#lifetime);
  }

  /** The result of `get` if nothing is held, or if the freshness of the value must be checked. */
  #getRare(key: string, held: Kept | undefined): unknown {
    if (held !== undefined && this.#isFresh(held)) {
      this.#hits++;
      return held.value;
    }
    this.#misses++;
    if (held !== undefined && !this.#isUsable(held)) this.#drop(key);
    return undefined;
  }

  #isFresh(held: Kept): boolean {
    return isFresh(held, this.#time.recent(), this.#tags);
  }

  #isUsable(held: Held | undefined, now = this.#time.read()): boolean {
    return held !== undefined && isUsable(held, now, this.#tags);
  }

  #entryOf(key: string, held: Held): CacheEntry | undefined {
    if (held instanceof Kept) return entryOf(held, this.#time.read(), this.#tags);
    return { value: held, ttl: this.#records.getRemainingTTL(key) + TICK, grace: 0, tags: NO_TAGS };
  }

  #drop(key: string): void {
    this.#contents.expirations++;
    this.#records.delete(key);
  }
}
