/**
 * A cache in a folder: all values on disk, the most recently used ones also in memory. A simple form of the manager.
 */
import { join } from 'node:path';
import type { Clock } from '../shared/clock.js';
import { withPresentNames, type FormerNames } from '../shared/former-options.js';
import { boolean, checkOptions, clock as clockCheck, count, milliseconds, string } from '../shared/options.js';
import { MultiLayerCacheManager } from './multi-layer-cache-manager.js';
import type { MultiLayerCacheStats } from './manager-stats.js';

/** The path of the files, and the size of the memory layer. */
export interface PersistentCacheOptions {
  /** The folder of the file `cache.db`, created if it is missing. Several processes may share it. Default 'cache'. */
  readonly cacheDir?: string;
  /** The lifetime of an entry in milliseconds if `set` specifies none. Default 1 hour. */
  readonly ttl?: number;
  /** Whether values of 1 KiB and more are compressed, if that makes them smaller. Default true. */
  readonly compress?: boolean;
  /** The most values that are also kept in memory. The least recently used is evicted first. Default 1000. */
  readonly maxMemoryItems?: number;
  /** The clock. Default: each layer's own. */
  readonly clock?: Clock;
}

/** The statistics of the cache: the figures of its layers and their sum. */
export interface PersistentCacheStats extends MultiLayerCacheStats {
  /** Lookups answered, by memory or disk. */
  readonly hits: number;
}

const FORMER_NAMES: FormerNames<PersistentCacheOptions> = { compression: 'compress', memoryLimit: 'maxMemoryItems' };

const DEFAULT_TTL = 60 * 60_000;
const COMPRESSED_FROM = 1024;

/**
 * Stores values that can be structured-cloned. It does not throw if the disk fails, and is then a cache in memory.
 *
 * @example
 * import { PersistentCache } from '@tooloo/resilience';
 *
 * const settings = new PersistentCache();
 * await settings.set('theme', 'dark', 60_000);
 * console.log(await settings.get('theme')); // 'dark', or null after a minute
 */
export class PersistentCache {
  readonly #cache: MultiLayerCacheManager;

  /**
   * @throws TypeError or RangeError for an unknown option or a value out of range
   * @throws Error if the file cannot be opened
   */
  constructor(options: PersistentCacheOptions = {}) {
    const checked = checkOptions('PersistentCache', withPresentNames('PersistentCache', options, FORMER_NAMES), {
      cacheDir: string,
      ttl: milliseconds,
      compress: boolean,
      maxMemoryItems: count(),
      clock: clockCheck,
    });
    const ttl = checked.ttl ?? DEFAULT_TTL;
    this.#cache = new MultiLayerCacheManager({
      memory: { maxSize: checked.maxMemoryItems ?? 1000, ttl },
      disk: {
        dbPath: join(checked.cacheDir ?? 'cache', 'cache.db'),
        ttl,
        compressionThreshold: (checked.compress ?? true) ? COMPRESSED_FROM : Infinity,
      },
      clock: checked.clock,
    });
  }

  /** The value, or null on a miss. */
  async get<V = unknown>(key: string): Promise<V | null> {
    return (await this.#cache.get<V>(key)) ?? null;
  }

  /** @param ttl milliseconds; default: that of the option. Infinity: no expiry. */
  async set(key: string, value: unknown, ttl?: number): Promise<void> {
    await this.#cache.set(key, value, ttl);
  }

  /** Returns whether there was an entry. */
  async delete(key: string): Promise<boolean> {
    return this.#cache.invalidate(key);
  }

  async clear(): Promise<void> {
    await this.#cache.clear();
  }

  /** Removes expired entries. Returns their number. */
  async cleanup(): Promise<number> {
    return (await this.#cache.optimize()).removed;
  }

  /** The number of entries on disk, including expired ones that were not cleaned up yet. */
  getSize(): number {
    return this.#cache.disk!.getStats().size;
  }

  getStats(): PersistentCacheStats {
    const stats = this.#cache.getStats();
    return { hits: stats.memoryHits + stats.diskHits, ...stats };
  }

  /** Closes the file. Idempotent. */
  destroy(): void {
    this.#cache.destroy();
  }

  close(): void {
    this.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }
}
