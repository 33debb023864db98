// The caches in memory that are compared. All hold as many entries, by reference; all but the plain list for a minute.
import { MemoryCacheLayer } from '@tooloo/resilience';
import { CacheableMemory } from 'cacheable';
import { LRUCache } from 'lru-cache';
import NodeCache from 'node-cache';

export const MAX = 1_000;
const MINUTE = 60_000;

/** By name: makes the cache. */
export const caches = {
  ours: () => new MemoryCacheLayer({ maxSize: MAX, defaultTTL: MINUTE }),
  'lru-cache': () => new LRUCache({ max: MAX }),
  'lru-cache with ttl': () => new LRUCache({ max: MAX, ttl: MINUTE }),
  'node-cache': () => new NodeCache({ useClones: false, stdTTL: MINUTE / 1000, checkperiod: 0 }),
  cacheable: () => new CacheableMemory({ lruSize: MAX, ttl: MINUTE, useClone: false }),
};
