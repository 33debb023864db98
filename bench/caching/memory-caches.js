// The caches in memory that are compared. All hold as many entries, by reference; all but the plain list for a minute.
import { MemoryCacheLayer } from '@tooloo/resilience';
import { CacheableMemory } from 'cacheable';
import { LRUCache } from 'lru-cache';
import NodeCache from 'node-cache';

export const MAX = 1_000;
const MINUTE = 60_000;

/**
 * A cache that many applications write themselves. A Map keeps the order of insertion, so a get deletes the entry and
 * sets it again to move it to the end.
 */
class OrderedMap {
  #entries = new Map();

  get(key) {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key, value) {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > MAX) this.#entries.delete(this.#entries.keys().next().value);
  }
}

/** By name: makes the cache. */
export const caches = {
  ours: () => new MemoryCacheLayer({ maxSize: MAX, defaultTTL: MINUTE }),
  'lru-cache': () => new LRUCache({ max: MAX }),
  'lru-cache with ttl': () => new LRUCache({ max: MAX, ttl: MINUTE }),
  'a Map in order': () => new OrderedMap(),
  'node-cache': () => new NodeCache({ useClones: false, stdTTL: MINUTE / 1000, checkperiod: 0 }),
  'node-cache as it comes': () => new NodeCache({ stdTTL: MINUTE / 1000 }),
  cacheable: () => new CacheableMemory({ lruSize: MAX, ttl: MINUTE, useClone: false }),
};
