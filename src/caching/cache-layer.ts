/**
 * What every cache layer is: the plain calls a user makes, and the finer ones the manager composes layers with. A layer
 * in the process answers at once, a remote one with a promise; whoever calls through this interface awaits.
 */

export type Awaitable<T> = T | Promise<T>;

/**
 * A value with what remains of its lifetime. Durations, never points in time: two layers may live on two machines, whose
 * clocks are not to be compared.
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
 * The right to write a value whose making began earlier. Anything that changes the key in the meantime (an
 * invalidation, a write, another lease after this one lapsed) takes the right away, so that a slow load cannot bring
 * back what was invalidated while it ran.
 */
export interface Lease {
  readonly key: string;
  /** Names this lease among all ever given for the key. */
  readonly token: string;
  /** The layer's tag generation when the lease was given: a tag invalidated since then covers the value. */
  readonly generation: number;
}

/** `taken`: someone else makes the value. `unavailable`: the layer cannot be reached; whoever asks goes on without it. */
export type LeaseAnswer = Lease | 'taken' | 'unavailable';

export interface TagInvalidation {
  /** True: what carries the tag becomes stale and may be served within its grace. False (the default): it is gone. */
  readonly soft?: boolean;
}

/** What every layer counts. Rates are fractions from 0 to 1. */
export interface LayerStats {
  readonly hits: number;
  readonly misses: number;
  /** Entries dropped for want of room. */
  readonly evictions: number;
  /** Entries dropped because their time had passed. */
  readonly expirations: number;
  /** Entries held, those included whose time has passed but that nobody has asked for since; -1 where a layer cannot tell. */
  readonly size: number;
  /** Part of the lookups that hit, 0 to 1. */
  readonly hitRate: number;
}

/** Holds values by key. `undefined` stands for absence everywhere: setting it is deleting. */
export interface CacheLayer {
  /** `memory`, `disk`, `redis`, …: how `set` and the statistics name it. */
  readonly name: string;
  /** Whether other processes use the same storage. The manager then loads under an exclusive lease. */
  readonly isShared: boolean;
  /** Milliseconds an entry lives when `set` names no lifetime. */
  readonly defaultTTL: number;

  /** The fresh value, or undefined on a miss. */
  get(key: string): Awaitable<unknown>;
  /** @param ttl milliseconds; the layer's default when absent, Infinity for ever, 0 stores nothing */
  set(key: string, value: unknown, ttl?: number): Awaitable<void>;
  /** Whether a fresh value is there. Counts as neither hit nor miss. */
  has(key: string): Awaitable<boolean>;
  /** Removes a key and revokes its leases; whether there was something to remove. */
  delete(key: string): Awaitable<boolean>;
  /** Removes everything and revokes every lease. */
  clear(): Awaitable<void>;
  getStats(): LayerStats;
  /** Ends timers, files and subscriptions. Idempotent. */
  destroy(): Awaitable<void>;

  /** The value, fresh or within its grace, with what remains of its lifetime. */
  read(key: string): Awaitable<CacheEntry | undefined>;
  /**
   * Stores an entry. Without a lease always, revoking the leases of the key; with one only while it holds, ending it.
   *
   * @returns whether the entry was stored
   */
  write(key: string, entry: CacheEntry, lease?: Lease): Awaitable<boolean>;
  /** Removes the keys that match and revokes their leases; which they were. `*` stands for any characters, none included. */
  invalidatePattern(pattern: string): Awaitable<readonly string[]>;
  /** Invalidates everything that carries the tag, in constant time. */
  invalidateTag(tag: string, options?: TagInvalidation): Awaitable<void>;
  /**
   * Begins the making of a value. A shared layer gives one lease a key at a time; a layer within the process never
   * refuses, because the manager collapses concurrent callers itself.
   *
   * @param duration milliseconds after which the lease lapses, should its holder die
   */
  lease(key: string, duration: number): Awaitable<LeaseAnswer>;
  /** Ends a lease without writing. Ending one that is revoked or lapsed does nothing. */
  release(lease: Lease): Awaitable<void>;
}
