/** The options and the statistics of the layer in memory. */
import type { Clock } from '../shared/clock.js';
import type { LayerStats } from './cache-layer.js';

/** The bounds of the layer in memory. */
export interface MemoryCacheLayerOptions {
  /** Most entries held; the least recently used is evicted first. Default 1000. */
  readonly maxSize?: number;
  /** Most bytes held, as estimated from the values; a larger value is not stored. Default: no bound in bytes. */
  readonly maxBytes?: number;
  /** Milliseconds an entry lives when `set` names no lifetime. Default 5 minutes. */
  readonly defaultTTL?: number;
  /** Default: a monotonic clock, so that a corrected machine clock changes no lifetime. */
  readonly clock?: Clock;
}

/** The statistics of the memory layer. */
export interface MemoryLayerStats extends LayerStats {
  readonly maxSize: number;
  /** Estimated bytes held; 0 where `maxBytes` is not set and nothing is measured. */
  readonly bytes: number;
}
