/** The disk layer of this machine: one SQLite file that several processes can share and that survives all of them. */
import { randomUUID } from 'node:crypto';
import { startInterval, type Clock, type Timer } from '../shared/clock.js';
import { checkValue, milliseconds } from '../shared/options.js';
import { CacheFile } from './cache-file.js';
import type { Awaitable, CacheEntry, CacheLayer, Lease, LeaseAnswer, TagInvalidation } from './cache-layer.js';
import { DiskAccess } from './disk-access.js';
import { forgetOldMarks, formatTags, latestAt, lifetimeOf } from './disk-lifetime.js';
import { DiskLookups } from './disk-lookups.js';
import { resolveDiskOptions, type DiskCacheLayerOptions, type DiskLayerStats } from './disk-options.js';
import { removeAtOnce, RemovalOfAll, RemovalOfMatching, SlicedRemoval, type DiskRemoval } from './disk-removal.js';
import type { Statements } from './disk-schema.js';
import { DiskSpace } from './disk-space.js';
import { encodeValue, isWellFormed, type EncodedValue } from './value-codec.js';
import { Forgetting, WatchedClock } from './watched-clock.js';

/** Rows a transaction removes at most, so that other processes get their turn and none waits long. */
const BATCH = 1000;
const SWEPT_HERE = 50; // rows that a timed sweep removes in place
const NO_TAGS: readonly string[] = [];

/**
 * Stores values that can be structured-cloned, including Buffers, Dates and Maps; each `get` returns a new copy. Calls
 * are synchronous. Throws if SQLite fails. A damaged file is set aside, and the call that detects the damage continues
 * on an empty one.
 *
 * @example
 * import { DiskCacheLayer } from '@tooloo/resilience';
 *
 * const layer = new DiskCacheLayer({ dbPath: './data/cache.db' });
 * layer.set('report:7', Buffer.from('…'), 3_600_000);
 * layer.close();
 */
export class DiskCacheLayer implements CacheLayer {
  readonly name = 'disk';
  readonly isShared = true;
  readonly defaultTTL: number;

  readonly #file: CacheFile;
  readonly #clock: Clock;
  readonly #compressionThreshold: number;
  readonly #maxSize: number;
  readonly #space: DiskSpace;
  readonly #access: DiskAccess;
  readonly #lookups: DiskLookups;
  readonly #sweeping: Timer;
  /** The prefix of the tokens of leases granted here. */
  readonly #id = randomUUID();
  #leases = 0;
  /** Whether a transaction of the user is in progress. */
  #isBatching = false;

  /**
   * @throws TypeError or RangeError for an unknown option or a value out of range
   * @throws Error if the file cannot be opened
   */
  constructor(options: DiskCacheLayerOptions) {
    const resolved = resolveDiskOptions(options);
    this.defaultTTL = resolved.defaultTTL;
    this.#compressionThreshold = resolved.compressionThreshold;
    this.#maxSize = resolved.maxDbSize;
    const forgetting = new Forgetting(resolved.clock, () => this.clearInBackground());
    this.#clock = new WatchedClock(resolved.clock, () => forgetting.begin());
    this.#file = new CacheFile({
      path: resolved.dbPath,
      busyTimeout: resolved.busyTimeout,
      maxSize: this.#maxSize,
    });
    this.#space = new DiskSpace(this.#file, this.#clock, this.#maxSize);
    this.#access = new DiskAccess(this.#file, this.#space);
    this.#lookups = new DiskLookups(this.#access, this.#clock, forgetting);
    this.#space.shrink();
    this.#sweeping = startInterval(this.#clock, () => this.#sweep(), resolved.cleanupInterval);
  }

  get<V = unknown>(key: string): V | undefined {
    return this.#lookups.get(key) as V | undefined;
  }

  has(key: string): boolean {
    return this.#lookups.has(key);
  }

  /**
   * @param ttl milliseconds; default `defaultTTL`. Infinity: no expiry. 0: the value is not stored.
   * @throws DataCloneError for a value that cannot be cloned
   */
  set(key: string, value: unknown, ttl: number = this.defaultTTL): void {
    checkValue('DiskCacheLayer.set: ttl', ttl, milliseconds);
    this.write(key, { value, ttl, grace: 0, tags: NO_TAGS });
  }

  delete(key: string): boolean {
    return this.#access.change((sql) => {
      sql.revokeLease.run(key);
      const row = sql.entry.get(key, latestAt(this.#clock.now()));
      if (row === undefined) return false;
      sql.remove.run(key);
      return lifetimeOf(sql, row, this.#clock.now()) !== undefined;
    });
  }

  /** Blocks until all is removed; `clearInBackground` does not. */
  clear(): void {
    this.#access.change((sql) => {
      sql.revokeLeases.run();
      sql.removeAll.run();
    });
  }

  /** Like `clear`, in slices of milliseconds, between which the event loop and other processes have their turn. */
  clearInBackground(): Awaitable<void> {
    return this.#inSlices(new RemovalOfAll());
  }

  read(key: string): CacheEntry | undefined {
    return this.#lookups.read(key);
  }

  write(key: string, entry: CacheEntry, lease?: Lease): boolean {
    // UTF-8 cannot distinguish ill-formed keys. They are not stored, because one would return the value of another.
    const isKept = entry.value !== undefined && entry.ttl + entry.grace > 0 && isWellFormed(key);
    const encoded = isKept ? encodeValue(entry.value, this.#compressionThreshold) : undefined;
    // A value that would evict half of all other entries is not stored, but the entry it replaces is still outdated.
    const fits = encoded !== undefined && encoded.data.length <= this.#maxSize / 2;
    // If there is nothing to check before, the single statement is a transaction of its own.
    if (fits && lease === undefined && !this.#isBatching) {
      this.#access.withRoom((sql) => this.#put(sql, key, entry, encoded));
      return true;
    }
    return this.#access.change((sql) => {
      if (lease !== undefined && this.#leaseOn(sql, key) !== lease.token) return false;
      if (!fits) {
        sql.revokeLease.run(key);
        sql.remove.run(key);
        return false;
      }
      // In a transaction of the user a full file would roll back all of it. Elsewhere an attempt is cheaper than
      // measuring.
      if (this.#isBatching) this.#space.makeRoom(encoded.data.length);
      this.#put(sql, key, entry, encoded, lease);
      return true;
    });
  }

  /** Blocks until all is removed; `invalidatePatternInBackground` does not. */
  invalidatePattern(pattern: string): string[] {
    return this.#access.change((sql) => removeAtOnce(new RemovalOfMatching(pattern, this.#clock), sql));
  }

  /** Like `invalidatePattern`, in slices of milliseconds: a promise if one slice is not enough. */
  invalidatePatternInBackground(pattern: string): Awaitable<string[]> {
    return this.#inSlices(new RemovalOfMatching(pattern, this.#clock));
  }

  invalidateTag(tag: string, { soft = false }: TagInvalidation = {}): void {
    this.#access.change((sql) => {
      const generation = sql.nextGeneration.get()!;
      sql.markTag.run({ tag, hard: soft ? 0 : generation, soft: soft ? generation : 0 });
    });
  }

  lease(key: string, duration: number): LeaseAnswer {
    return this.#access.change((sql) => {
      const now = this.#clock.now();
      const held = this.#leaseOn(sql, key);
      if (held !== undefined) return { holder: held };
      const token = `${this.#id}:${++this.#leases}`;
      return { key, token, generation: sql.takeLease.get(key, token, now + duration, now)! };
    });
  }

  release(lease: Lease): void {
    this.#access.change((sql) => sql.endLease.run(lease.key, lease.token));
  }

  /** Removes expired entries and returns their number. Blocks until it is done; `cleanupInBackground` does not. */
  cleanup(): number {
    let removed = 0;
    for (let last = 1; last > 0; removed += last) last = this.#access.change(() => this.#space.removeExpired(BATCH));
    this.#access.change((sql) => forgetOldMarks(sql, this.#clock.now()));
    return removed;
  }

  /**
   * Returns the free pages to the file system. Runs in a thread, in steps of milliseconds, so that neither this event
   * loop nor another process waits long.
   */
  async vacuum(): Promise<void> {
    await this.#access.attempt(() => this.#file.upkeep.run({ kind: 'vacuum' }));
  }

  /** Like `cleanup`, but in a thread: the event loop is not blocked. */
  async cleanupInBackground(): Promise<number> {
    if (!this.#file.upkeep.isAvailable) return this.cleanup();
    const removed = await this.#access.attempt(() => this.#file.upkeep.run({ kind: 'sweep', now: this.#clock.now() }));
    this.#space.expirations += removed;
    return removed;
  }

  /**
   * Runs the function in one transaction: all of its writes are kept, or none if it throws. This is many times faster
   * for many writes.
   */
  transaction<R>(work: () => R): R {
    const wasBatching = this.#isBatching;
    this.#isBatching = true;
    try {
      return this.#access.change(() => work());
    } finally {
      this.#isBatching = wasBatching;
    }
  }

  getStats(): DiskLayerStats {
    const { hits, misses } = this.#lookups;
    return this.#access.attempt((sql) => ({
      hits,
      misses,
      evictions: this.#space.evictions,
      expirations: this.#space.expirations,
      size: sql.count.get()!,
      bytes: this.#file.bytes,
      rebuilds: this.#file.rebuilds,
      hitRate: hits + misses === 0 ? 0 : hits / (hits + misses),
    }));
  }

  /** Closes the file. Later calls throw SHUTTING_DOWN. */
  destroy(): void {
    this.#sweeping.cancel();
    this.#file.close();
  }

  close(): void {
    this.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }

  #put(sql: Statements, key: string, entry: CacheEntry, { data, format }: EncodedValue, lease?: Lease): void {
    const { ttl, grace, tags } = entry;
    const now = this.#clock.now();
    const expiresAt = now + ttl;
    const generation = lease?.generation ?? null;
    sql.put.run(key, format, expiresAt, formatTags(tags), generation, grace, expiresAt + grace, now, data);
  }

  #leaseOn(sql: Statements, key: string): string | undefined {
    const now = this.#clock.now();
    return sql.leaseToken.get(key, now, latestAt(now));
  }

  #inSlices<R>(removal: DiskRemoval<R>): Awaitable<R> {
    return new SlicedRemoval(removal, (work) => this.#access.changeOnce(work)).run();
  }

  /** The timed cleanup: a small part in place, the remaining part in a thread. It never throws into the timer. */
  #sweep(): void {
    try {
      const isDone = this.#access.change((sql) => {
        this.#space.removeExpired(SWEPT_HERE);
        forgetOldMarks(sql, this.#clock.now());
        return sql.hasExpired.get(this.#clock.now()) === 0;
      });
      if (!isDone) this.cleanupInBackground().catch(() => undefined); // the next sweep tries again
    } catch {
      // Another process holds the file, or the disk fails: the next sweep tries again, and calls report their own errors.
    }
  }
}
