/** The records of the memory layer in lru-cache. */
import { LRUCache } from 'lru-cache';
import { Kept, type Held } from './memory-record.js';
import type { RecentTime } from './recent-time.js';
import { estimateSize } from './value-size.js';

/** All records of a layer. */
export type PlainRecords = LRUCache<string, Held>;

/** How long an entry lives, as lru-cache takes it. */
export interface Lifetime {
  readonly ttl: number;
  readonly start: number;
}

/** What the layer needs of its records. */
export interface Records {
  readonly max: number;
  readonly size: number;
  /** Bytes, if they are counted. */
  readonly calculatedSize: number;
  get(key: string): Held | undefined;
  peek(key: string): Held | undefined;
  has(key: string): boolean;
  set(key: string, held: Held, lifetime: Lifetime): unknown;
  delete(key: string): boolean;
  /** Most recently used first. */
  keys(): Iterable<string>;
  getRemainingTTL(key: string): number;
}

/**
 * How much earlier a lifetime begins for lru-cache, which expires an entry when its age exceeds the lifetime; here an
 * entry expires when its age reaches the lifetime. A quarter of a microsecond: a double that counts milliseconds holds it
 * exactly for 69 years.
 */
export const TICK = 2 ** -12;

/** @param removed called for each entry that is removed or evicted, not for one that is replaced */
export function newRecords(
  maxSize: number,
  maxBytes: number | undefined,
  time: RecentTime,
  removed: (key: string, reason: LRUCache.DisposeReason) => void,
): PlainRecords {
  return new LRUCache<string, Held>({
    max: maxSize,
    ttl: 1, // so that lifetimes are kept from the first entry on; each write states its own
    ttlResolution: time.resolution,
    perf: { now: () => time.read() },
    noDisposeOnSet: true,
    ...(maxBytes !== undefined && {
      maxSize: maxBytes,
      sizeCalculation: (held, key) => estimateSize(held instanceof Kept ? held.value : held) + 2 * key.length,
    }),
    dispose: (_held, key, reason) => removed(key, reason),
  });
}

/** The keys in the order in which they were added. Keys may be added and removed during the walk. */
export function keysIn(records: PlainRecords): IterableIterator<string> {
  return LRUCache.unsafeExposeInternals(records).keyMap.keys();
}

/** The least recently used keys, with those of expired entries. */
export function oldestKeys(records: PlainRecords, most: number): string[] {
  const { rindexes, keyList } = LRUCache.unsafeExposeInternals(records);
  const keys: string[] = [];
  for (const index of rindexes({ allowStale: true })) if (keys.push(keyList[index]!) === most) break;
  return keys;
}
