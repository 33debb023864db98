/** A cache as a store for libraries that accept a Keyv store. */
import type { CacheNamespace } from './cache-namespace.js';
import type { MultiLayerCacheManager } from './multi-layer-cache-manager.js';

/**
 * The methods that Keyv 4 and 5 require of a store. Values are Keyv's own records, stored unchanged.
 *
 * @example
 * import { keyvStore } from '@tooloo/resilience';
 *
 * const store = keyvStore(cache);
 * await store.set('theme', 'dark', 60_000);
 */
export interface KeyvStore {
  readonly opts: Readonly<Record<string, unknown>>;
  /** Set by Keyv, which adds it to every key itself. */
  namespace?: string;
  get(key: string): Promise<unknown>;
  getMany(keys: string[]): Promise<unknown[]>;
  /** @param ttl milliseconds; without it the value stays until it is evicted */
  set(key: string, value: unknown, ttl?: number): Promise<boolean>;
  has(key: string): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  deleteMany(keys: string[]): Promise<boolean>;
  clear(): Promise<void>;
  /** Keyv listens for errors of its store. This store reports no errors, because a failing layer counts as a miss. */
  on(event: string, listener: (...args: unknown[]) => void): unknown;
}

/**
 * `new Keyv({ store: keyvStore(cache.namespace('keyv')) })`. `clear()` removes the keys of the namespace, or of the
 * whole cache if a cache was given.
 *
 * @example
 * import Keyv from 'keyv';
 * import { keyvStore } from '@tooloo/resilience';
 *
 * const keyv = new Keyv({ store: keyvStore(cache.namespace('keyv')) });
 */
export function keyvStore(cache: MultiLayerCacheManager | CacheNamespace<unknown>): KeyvStore {
  const store: KeyvStore = {
    opts: {},
    get: (key) => cache.get(key),
    getMany: (keys) => Promise.all(keys.map((key) => cache.get(key))),
    async set(key, value, ttl) {
      await cache.set(key, value, ttl ?? Infinity);
      return true;
    },
    has: (key) => cache.has(key),
    delete: (key) => cache.invalidate(key),
    async deleteMany(keys) {
      const deleted = await Promise.all(keys.map((key) => cache.invalidate(key)));
      return deleted.includes(true);
    },
    async clear() {
      await cache.clear();
    },
    on: () => store,
  };
  return store;
}
