/** A cache in a folder: the values used last in memory, all of them on disk. For who needs no more than that. */
import { join } from 'node:path';
import type { Clock } from '../shared/clock.js';
import { boolean, checkOptions, clock as clockCheck, count, milliseconds, string } from '../shared/options.js';
import { MultiLayerCacheManager } from './multi-layer-cache-manager.js';
import type { MultiLayerCacheStats } from './manager-stats.js';

/** Where the files lie and what is kept in memory as well. */
export interface PersistentCacheOptions {
  /** Where the file `cache.db` is kept; made where it is missing. Several processes may share it. Default 'cache'. */
  readonly cacheDir?: string;
  /** Milliseconds an entry lives when `set` names no lifetime. Default 1 hour. */
  readonly ttl?: number;
  /** Whether values of 1 KiB and more are compressed, where it makes them smaller. Default true. */
  readonly compress?: boolean;
  /** Values kept in memory as well; the least recently used goes first. Default 1000. */
  readonly maxMemoryItems?: number;
  /** Tells the time. Default: of each layer its own. */
  readonly clock?: Clock;
}

const DEFAULT_TTL = 60 * 60_000;
const COMPRESSED_FROM = 1024;

/** Values that can be structured-cloned. Never throws for a failing disk: it is then a cache in memory. */
export class PersistentCache {
  readonly #cache: MultiLayerCacheManager;

  /**
   * @throws TypeError or RangeError for an unknown option or a value out of range
   * @throws Error where the file cannot be opened
   */
  constructor(options: PersistentCacheOptions = {}) {
    const checked = checkOptions('PersistentCache', options, {
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

  /** @param ttl milliseconds; the option's when absent, Infinity for ever */
  async set(key: string, value: unknown, ttl?: number): Promise<void> {
    await this.#cache.set(key, value, ttl);
  }

  /** Whether there was something to delete. */
  async delete(key: string): Promise<boolean> {
    return this.#cache.invalidate(key);
  }

  async clear(): Promise<void> {
    await this.#cache.clear();
  }

  /** Removes what has expired; how many entries that were. */
  async cleanup(): Promise<number> {
    return (await this.#cache.optimize()).removed;
  }

  /** Entries on disk, those included that have expired but were not cleaned up yet. */
  getSize(): number {
    return this.#cache.disk!.getStats().size;
  }

  getStats(): MultiLayerCacheStats {
    return this.#cache.getStats();
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
