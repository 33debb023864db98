/** The common part of stores outside the process: it counts lookups, and leaves the client open. */
import type {
  Awaitable,
  CacheEntry,
  CacheLayer,
  LayerStats,
  Lease,
  LeaseAnswer,
  TagInvalidation,
} from './cache-layer.js';

export abstract class RemoteCacheStore implements CacheLayer {
  readonly name: string;
  readonly isShared = true;
  readonly defaultTTL: number;
  #hits = 0;
  #misses = 0;

  constructor(name: string, defaultTTL: number) {
    this.name = name;
    this.defaultTTL = defaultTTL;
  }

  abstract write(key: string, entry: CacheEntry, lease?: Lease): Promise<boolean>;
  abstract delete(key: string): Promise<boolean>;
  abstract clear(): Promise<void>;
  abstract invalidatePattern(pattern: string): Promise<string[]>;
  abstract invalidateTag(tag: string, options?: TagInvalidation): Promise<void>;
  abstract lease(key: string, duration: number): Awaitable<LeaseAnswer>;
  abstract release(lease: Lease): Awaitable<void>;
  /** The entry, fresh or within its grace. Counts nothing. */
  protected abstract find(key: string): Promise<CacheEntry | undefined>;

  async get(key: string): Promise<unknown> {
    const entry = await this.read(key);
    return entry !== undefined && entry.ttl > 0 ? entry.value : undefined;
  }

  async has(key: string): Promise<boolean> {
    const entry = await this.find(key);
    return entry !== undefined && entry.ttl > 0;
  }

  async set(key: string, value: unknown, ttl: number = this.defaultTTL): Promise<void> {
    await this.write(key, { value, ttl, grace: 0, tags: [] });
  }

  async read(key: string): Promise<CacheEntry | undefined> {
    const entry = await this.find(key);
    if (entry === undefined || entry.ttl === 0) this.#misses++;
    else this.#hits++;
    return entry;
  }

  getStats(): LayerStats {
    const asked = this.#hits + this.#misses;
    return {
      hits: this.#hits,
      misses: this.#misses,
      evictions: 0, // the store decides about these, and about expirations and size
      expirations: 0,
      size: -1,
      hitRate: asked === 0 ? 0 : this.#hits / asked,
    };
  }

  destroy(): void {
    // The client belongs to the caller.
  }
}
