/** The layer on this machine's disk: one SQLite file, shared by every process that opens it, surviving all of them. */
import { randomUUID } from 'node:crypto';
import { startInterval, wallClock, type Clock, type Timer } from '../shared/clock.js';
import { checkOptions, checkValue, clock as clockCheck, milliseconds, number, string } from '../shared/options.js';
import { CacheFile, isDamage, isFull } from './cache-file.js';
import type { CacheEntry, CacheLayer, LayerStats, Lease, LeaseAnswer, TagInvalidation } from './cache-layer.js';
import { forgetOldMarks, formatTags, lifetimeOf, parseTags, verdictOn } from './disk-lifetime.js';
import { DiskSpace, EVICTION } from './disk-space.js';
import type { EntryRow, KeyRange, Statements } from './disk-schema.js';
import { afterPrefix, compilePattern } from './key-pattern.js';
import { decodeValue, encodeValue, isWellFormed, type EncodedValue } from './value-codec.js';

/** Where the file lies and how large it may grow. */
export interface DiskCacheLayerOptions {
  /** The SQLite file; its folder is made where it is missing. `:memory:` keeps everything in the process. */
  readonly dbPath: string;
  /** Milliseconds an entry lives when `set` names no lifetime. Default 1 hour. */
  readonly defaultTTL?: number;
  /** Bytes from which values are compressed, where it makes them smaller. Default 1024; Infinity: never. */
  readonly compressionThreshold?: number;
  /** Milliseconds between sweeps of what has expired. Default 1 minute. */
  readonly cleanupInterval?: number;
  /** Bytes the file may grow to; what was written longest ago goes first. Its log takes up to 8 MiB beside it. Default 256 MiB. */
  readonly maxDbSize?: number;
  /** Milliseconds a call waits, blocking, for another process' write to end. Default 1000. */
  readonly busyTimeout?: number;
  /** Must tell the same time in every process that shares the file. Default: the machine's wall clock. */
  readonly clock?: Clock;
}

export interface DiskLayerStats extends LayerStats {
  /** Bytes of the file, its log left out. */
  readonly bytes: number;
  /** How often this process set a damaged file aside. */
  readonly rebuilds: number;
}

const DEFAULT_TTL = 60 * 60_000;
const DEFAULT_MAX_SIZE = 256 * 1024 * 1024;
/** An empty cache takes 40 KiB; below this there is no room to work in. */
const MIN_SIZE = 128 * 1024;
/** Rows a transaction removes at most, so that other processes get their turn and none waits long. */
const BATCH = 1000;
/** Batches a timed sweep removes at most; the next sweep goes on. */
const SWEEP_BATCHES = 10;
const NO_TAGS: readonly string[] = [];
const ABOVE_ALL = Buffer.alloc(0);

/**
 * Values that can be structured-cloned, Buffers, Dates and Maps included; each `get` gives a fresh copy. Calls are
 * synchronous. Throws where SQLite fails; a damaged file is set aside, and the call that noticed starts over on an
 * empty one.
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
  readonly #sweeping: Timer;
  #hits = 0;
  #misses = 0;
  /** Whether a transaction of the user's is under way. */
  #isBatching = false;

  /**
   * @throws TypeError or RangeError for an unknown option or a value out of range
   * @throws Error where the file cannot be opened
   */
  constructor(options: DiskCacheLayerOptions) {
    const checked = checkOptions('DiskCacheLayer', options, {
      dbPath: string,
      defaultTTL: milliseconds,
      compressionThreshold: number({ min: 0 }),
      cleanupInterval: number({ min: 1 }),
      maxDbSize: number({ min: MIN_SIZE }),
      busyTimeout: milliseconds,
      clock: clockCheck,
    });
    checkValue("DiskCacheLayer: option 'dbPath'", checked.dbPath, string);
    this.defaultTTL = checked.defaultTTL ?? DEFAULT_TTL;
    this.#compressionThreshold = checked.compressionThreshold ?? 1024;
    this.#maxSize = checked.maxDbSize ?? DEFAULT_MAX_SIZE;
    this.#clock = checked.clock ?? wallClock;
    this.#file = new CacheFile({
      path: checked.dbPath,
      busyTimeout: checked.busyTimeout ?? 1000,
      maxSize: this.#maxSize,
    });
    this.#space = new DiskSpace(this.#file, this.#clock, this.#maxSize);
    this.#space.shrink();
    this.#sweeping = startInterval(this.#clock, () => this.#sweep(), checked.cleanupInterval ?? 60_000);
  }

  get<V = unknown>(key: string): V | undefined {
    return this.#attempt(() => this.#get(key)) as V | undefined;
  }

  has(key: string): boolean {
    return this.#attempt((sql) => {
      const row = sql.presence.get(key);
      return row !== undefined && row[0] > this.#clock.now() && verdictOn(sql, row[1], row[2]) === 'valid';
    });
  }

  /**
   * @param ttl milliseconds; `defaultTTL` when absent, Infinity for ever, 0 stores nothing
   * @throws DataCloneError for a value that cannot be cloned
   */
  set(key: string, value: unknown, ttl: number = this.defaultTTL): void {
    checkValue('DiskCacheLayer.set: ttl', ttl, milliseconds);
    this.write(key, { value, ttl, grace: 0, tags: NO_TAGS });
  }

  delete(key: string): boolean {
    return this.#change((sql) => {
      sql.revokeLease.run(key);
      const row = sql.entry.get(key);
      if (row === undefined) return false;
      sql.remove.run(key);
      return lifetimeOf(sql, row, this.#clock.now()) !== undefined;
    });
  }

  clear(): void {
    this.#change((sql) => {
      sql.revokeLeases.run();
      sql.removeAll.run();
    });
  }

  read(key: string): CacheEntry | undefined {
    return this.#attempt((sql) => {
      const row = sql.entry.get(key);
      const entry = row === undefined ? undefined : this.#entryOf(sql, row);
      if (entry === undefined || entry.ttl === 0) this.#misses++;
      else this.#hits++;
      return entry;
    });
  }

  write(key: string, entry: CacheEntry, lease?: Lease): boolean {
    // UTF-8 cannot tell ill-formed keys apart: they are not kept, or one would answer for another.
    const isKept = entry.value !== undefined && entry.ttl + entry.grace > 0 && isWellFormed(key);
    const encoded = isKept ? encodeValue(entry.value, this.#compressionThreshold) : undefined;
    // What would push out half of everything else is not worth keeping; what it replaces is outdated all the same.
    const fits = encoded !== undefined && encoded.data.length <= this.#maxSize / 2;
    // Where nothing has to be looked at before, the one statement is a transaction of its own.
    if (fits && lease === undefined && !this.#isBatching) {
      this.#withRoom((sql) => this.#put(sql, key, entry, encoded));
      return true;
    }
    return this.#change((sql) => {
      if (lease !== undefined && sql.leaseToken.get(key, this.#clock.now()) !== lease.token) return false;
      if (!fits) {
        sql.revokeLease.run(key);
        sql.remove.run(key);
        return false;
      }
      // In a transaction of the user's a full file would roll back all of it; elsewhere trying is cheaper than measuring.
      if (this.#isBatching) this.#space.makeRoom(encoded.data.length);
      this.#put(sql, key, entry, encoded, lease);
      return true;
    });
  }

  invalidatePattern(pattern: string): string[] {
    const { prefix, matches } = compilePattern(pattern);
    const range: KeyRange = [prefix, afterPrefix(prefix) ?? ABOVE_ALL];
    return this.#change((sql) => {
      for (const key of sql.leasesInRange.all(...range)) if (matches(key)) sql.revokeLease.run(key);
      const now = this.#clock.now();
      const removed: string[] = [];
      for (const [rowid, key, staleUntil] of sql.rowsInRange.all(...range)) {
        if (!matches(key)) continue;
        sql.removeRow.run(rowid);
        if (staleUntil > now) removed.push(key);
      }
      return removed;
    });
  }

  invalidateTag(tag: string, { soft = false }: TagInvalidation = {}): void {
    this.#change((sql) => {
      const generation = sql.nextGeneration.get()!;
      sql.markTag.run({ tag, hard: soft ? 0 : generation, soft: soft ? generation : 0 });
    });
  }

  lease(key: string, duration: number): LeaseAnswer {
    return this.#change((sql) => {
      const now = this.#clock.now();
      if (sql.leaseToken.get(key, now) !== undefined) return 'taken';
      const token = randomUUID();
      return { key, token, generation: sql.takeLease.get(key, token, now + duration)! };
    });
  }

  release(lease: Lease): void {
    this.#change((sql) => sql.endLease.run(lease.key, lease.token));
  }

  /** Removes what has expired; how many entries that were. */
  cleanup(): number {
    let removed = 0;
    for (let last = BATCH; last === BATCH; removed += last) last = this.#removeExpired();
    this.#change((sql) => forgetOldMarks(sql, this.#clock.now()));
    return removed;
  }

  /** Rewrites the file without its free pages. Blocks for as long as copying takes. */
  vacuum(): void {
    this.#attempt(() => this.#file.vacuum());
  }

  /** Runs the function in one transaction: all of its writes are kept, or, where it throws, none. Many writes are many times faster so. */
  transaction<R>(work: () => R): R {
    const wasBatching = this.#isBatching;
    this.#isBatching = true;
    try {
      return this.#change(() => work());
    } finally {
      this.#isBatching = wasBatching;
    }
  }

  getStats(): DiskLayerStats {
    const asked = this.#hits + this.#misses;
    return this.#attempt((sql) => ({
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#space.evictions,
      expirations: this.#space.expirations,
      size: sql.count.get()!,
      bytes: this.#file.bytes,
      rebuilds: this.#file.rebuilds,
      hitRate: asked === 0 ? 0 : this.#hits / asked,
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
    const expiresAt = this.#clock.now() + ttl;
    const generation = lease?.generation ?? null;
    sql.put.run(key, format, expiresAt, formatTags(tags), generation, grace, expiresAt + grace, data);
  }

  #get(key: string): unknown {
    const sql = this.#file.statements;
    const row = sql.value.get(key);
    const isFresh = row !== undefined && row[2] > this.#clock.now() && verdictOn(sql, row[3], row[4]) === 'valid';
    const value = isFresh ? decodeIfIntact(row[0], row[1]) : undefined;
    if (value === undefined) this.#misses++;
    else this.#hits++;
    return value;
  }

  /** Rows whose time has passed are left to the sweep: a read never waits for the write lock. */
  #entryOf(sql: Statements, row: EntryRow): CacheEntry | undefined {
    const lifetime = lifetimeOf(sql, row, this.#clock.now());
    if (lifetime === undefined) return undefined;
    const value = decodeIfIntact(row[0], row[1]);
    return value === undefined ? undefined : { value, ...lifetime, tags: parseTags(row[3]) };
  }

  /** Runs a read; where the file turns out damaged, once more on its successor. */
  #attempt<R>(work: (sql: Statements) => R): R {
    try {
      return work(this.#file.statements);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#file.rebuild(error);
      return work(this.#file.statements);
    }
  }

  /**
   * Runs a write in a transaction that takes the write lock before it reads: one that took it only on its first write
   * would fail at once, without waiting, whenever another process had written in between (SQLITE_BUSY_SNAPSHOT).
   */
  #change<R>(work: (sql: Statements) => R): R {
    return this.#withRoom((sql) => this.#file.inTransaction(() => work(sql)));
  }

  /** Runs a write; where the file is full, again and again without what was written longest ago. */
  #withRoom<R>(write: (sql: Statements) => R): R {
    return this.#attempt((sql) => {
      for (let rows = EVICTION; ; rows *= 2) {
        try {
          return write(sql);
        } catch (error) {
          if (!isFull(error) || !this.#space.evict(rows)) throw error;
        }
      }
    });
  }

  #removeExpired(): number {
    return this.#change(() => this.#space.removeExpired(BATCH));
  }

  /** The timed cleanup: a bounded share of it, and never an exception into the timer. */
  #sweep(): void {
    try {
      for (let batch = 0; batch < SWEEP_BATCHES && this.#removeExpired() === BATCH; batch++);
      this.#change((sql) => forgetOldMarks(sql, this.#clock.now()));
    } catch {
      // Another process holds the file, or the disk fails: the next sweep tries again, and calls report their own errors.
    }
  }
}

/** A value that cannot be read any more is no value: the caller finds a miss and writes it anew. */
function decodeIfIntact(data: string | Buffer, format: number): unknown {
  try {
    return decodeValue(data, format);
  } catch {
    return undefined;
  }
}
