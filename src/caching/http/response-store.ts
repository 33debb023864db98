/** The store of responses: the calls that `cacheResponse` makes of a cache. */
import { removePattern, type Awaitable, type CacheEntry, type TagInvalidation } from '../cache-layer.js';
import type { Claim, StoreOptions } from '../claim.js';
import type { MemoryCacheLayer } from '../memory-cache-layer.js';

/** A claim of a store. Without `run`, another cache over the same storage may wait for it within a handler. */
export type StoreClaim = Pick<Claim, 'commit' | 'release'> & Partial<Pick<Claim, 'run'>>;

/**
 * `MultiLayerCacheManager` implements it directly, a `MemoryCacheLayer` through `memoryStore`. The method `peek` reads
 * only the memory of this process and is synchronous, so that a hit needs no promise. The method `read` reads all
 * layers, and also finds stale entries within their grace.
 *
 * @example
 * import { cacheResponse, type ResponseStore } from '@tooloo/resilience';
 *
 * const store: ResponseStore = cache; // a MultiLayerCacheManager
 * app.use(cacheResponse({ cache: store }));
 */
export interface ResponseStore {
  peek(key: string): unknown;
  read(key: string): Awaitable<CacheEntry | undefined>;
  set(key: string, value: unknown, options: StoreOptions): Awaitable<void>;
  /** The right to make a value, which an invalidation revokes; or the value, if another process has just made it. */
  claim(key: string, options: { duration: number; patience: number }): Awaitable<StoreClaim | { value: unknown }>;
  invalidate(key: string): Awaitable<boolean>;
  invalidatePattern(pattern: string): Awaitable<number>;
  invalidateTag(tag: string, options?: TagInvalidation): Awaitable<void>;
  getStats(): object;
}

/** The methods that a `cache` option must have to be used as a store or converted to one. */
export const STORE_METHODS = [
  'peek',
  'read',
  'set',
  'claim',
  'invalidate',
  'invalidatePattern',
  'invalidateTag',
] as const;
export const LAYER_METHODS = [
  'peek',
  'read',
  'write',
  'delete',
  'lease',
  'invalidatePattern',
  'invalidateTag',
] as const;

/** A memory layer alone as a store. Within a process a claim is its lease. */
export function memoryStore(layer: MemoryCacheLayer): ResponseStore {
  const entryOf = (value: unknown, { ttl = 0, grace = 0, tags = [] }: StoreOptions): CacheEntry => ({
    value,
    ttl,
    grace,
    tags,
  });
  return {
    peek: (key) => layer.peek(key),
    read: (key) => layer.read(key),
    set: (key, value, options) => void layer.write(key, entryOf(value, options)),
    claim: (key) => {
      const lease = layer.lease(key);
      return {
        commit: (value, options = {}) => Promise.resolve(layer.write(key, entryOf(value, options), lease)),
        release: () => Promise.resolve(layer.release(lease)),
      };
    },
    invalidate: (key) => layer.delete(key),
    invalidatePattern: async (pattern) => (await removePattern(layer, pattern)).length,
    invalidateTag: (tag, options) => layer.invalidateTag(tag, options),
    getStats: () => layer.getStats(),
  };
}
