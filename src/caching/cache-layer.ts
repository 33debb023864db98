/**
 * The interface of every cache layer: the calls an application makes, and those the manager uses to combine layers. A
 * layer in the process answers synchronously, a remote one with a promise. Callers of this interface await the result.
 */

export type Awaitable<T> = T | Promise<T>;

/**
 * A value with its remaining lifetime. Lifetimes are durations, never points in time, because two layers may be on two
 * machines whose clocks differ.
 */
export interface CacheEntry {
  readonly value: unknown;
  /** Milliseconds the value stays fresh; 0: it is stale; Infinity: it never expires. */
  readonly ttl: number;
  /** Milliseconds it may still be served once it is stale. */
  readonly grace: number;
  /** Names under which `invalidateTag` finds it. */
  readonly tags: readonly string[];
}

/**
 * The right to write a value that is being computed. The lease is revoked when the key changes in the meantime: by an
 * invalidation, by a write, or by another lease after this one expired. A slow load therefore cannot restore a value
 * that was invalidated while it ran.
 */
export interface Lease {
  readonly key: string;
  /** Names this lease among all ever given for the key. */
  readonly token: string;
  /** The layer's tag generation when the lease was given: a tag invalidated since then covers the value. */
  readonly generation: number;
}

/** Another lease on the key is valid. By its token the caller finds out whether the holder waits for this call. */
export interface LeaseHolder {
  readonly holder: string;
}

/**
 * The answer to a request for a lease:
 *
 * - `Lease`: it is granted.
 * - `LeaseHolder`: another caller computes the value, in this process or in another one.
 * - `taken`: the same, from a layer that does not know the token.
 * - `own`: the same, but the caller must not wait, because the computation may be its own.
 * - `unavailable`: the layer cannot be reached, and the caller continues without it.
 */
export type LeaseAnswer = Lease | LeaseHolder | 'taken' | 'own' | 'unavailable';

/** How the entries with a tag are invalidated. */
export interface TagInvalidation {
  /**
   * True: entries with the tag become stale and may be served within their grace. False (the default): they are
   * removed.
   */
  readonly soft?: boolean;
}

/** The statistics of every layer. Rates are fractions from 0 to 1. */
export interface LayerStats {
  readonly hits: number;
  readonly misses: number;
  /** Entries dropped because the layer was full. */
  readonly evictions: number;
  /** Entries dropped because their lifetime had ended. */
  readonly expirations: number;
  /** Number of entries held, including expired ones that have not been read since; -1 if a layer does not know. */
  readonly size: number;
  /** The fraction of the lookups that were hits, 0 to 1. */
  readonly hitRate: number;
}

/**
 * Holds values by key. `undefined` means absent everywhere: setting it deletes the key.
 *
 * @example
 * import { MultiLayerCacheManager, type CacheLayer } from '@tooloo/resilience';
 *
 * export const cacheOver = (shared: CacheLayer): MultiLayerCacheManager => new MultiLayerCacheManager({ redis: shared });
 */
export interface CacheLayer {
  /** `memory`, `disk`, `redis`, …: the name of the layer in `set` and in the statistics. */
  readonly name: string;
  /** Whether other processes use the same storage. The manager then loads under an exclusive lease. */
  readonly isShared: boolean;
  /** The lifetime of an entry in milliseconds if `set` specifies none. */
  readonly defaultTTL: number;

  /** The fresh value, or undefined on a miss. */
  get(key: string): Awaitable<unknown>;
  /** @param ttl milliseconds; default: that of the layer. Infinity: no expiry. 0: the value is not stored. */
  set(key: string, value: unknown, ttl?: number): Awaitable<void>;
  /** Whether there is a fresh value. Counts as neither a hit nor a miss. */
  has(key: string): Awaitable<boolean>;
  /** Removes a key and revokes its leases. Returns whether there was an entry. */
  delete(key: string): Awaitable<boolean>;
  /** Removes everything and revokes every lease. */
  clear(): Awaitable<void>;
  getStats(): LayerStats;
  /** Ends timers, files and subscriptions. Idempotent. */
  destroy(): Awaitable<void>;

  /** The value, fresh or within its grace, with its remaining lifetime. */
  read(key: string): Awaitable<CacheEntry | undefined>;
  /**
   * Stores an entry. Without a lease it always stores and revokes the leases of the key. With a lease it stores only if
   * the lease is valid, and ends it.
   *
   * @returns whether the entry was stored
   */
  write(key: string, entry: CacheEntry, lease?: Lease): Awaitable<boolean>;
  /**
   * Removes the keys that match and revokes their leases. Returns these keys. `*` stands for any number of characters,
   * including zero.
   */
  invalidatePattern(pattern: string): Awaitable<readonly string[]>;
  /** For a layer whose `clear` blocks: the same in slices. The manager then calls this. */
  clearInBackground?(): Awaitable<void>;
  /** For a layer whose `invalidatePattern` blocks: the same in slices. The manager then calls this. */
  invalidatePatternInBackground?(pattern: string): Awaitable<readonly string[]>;
  /** Invalidates everything that carries the tag, in constant time. */
  invalidateTag(tag: string, options?: TagInvalidation): Awaitable<void>;
  /**
   * Begins the computation of a value. A shared layer grants one lease per key at a time. A layer within the process
   * never refuses, because the manager collapses concurrent callers itself.
   *
   * @param duration milliseconds after which the lease expires, in case its holder dies
   */
  lease(key: string, duration: number): Awaitable<LeaseAnswer>;
  /** Ends a lease without writing. Has no effect if the lease was revoked or has expired. */
  release(lease: Lease): Awaitable<void>;
}

/** Empties a layer without blocking for long. */
export function clearLayer(layer: CacheLayer): Awaitable<void> {
  return layer.clearInBackground === undefined ? layer.clear() : layer.clearInBackground();
}

/** Invalidates a pattern in a layer without blocking for long. */
export function removePattern(layer: CacheLayer, pattern: string): Awaitable<readonly string[]> {
  if (layer.invalidatePatternInBackground === undefined) return layer.invalidatePattern(pattern);
  return layer.invalidatePatternInBackground(pattern);
}
