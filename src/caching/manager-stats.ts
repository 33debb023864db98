/** The statistics of the manager. */
import type { LayerStats } from './cache-layer.js';
import type { DiskCacheLayer } from './disk-cache-layer.js';
import type { DiskLayerStats } from './disk-options.js';
import type { LayerStack } from './layer-stack.js';
import type { MemoryCacheLayer } from './memory-cache-layer.js';
import type { MemoryLayerStats } from './memory-options.js';

export interface LoadCounters {
  invalidations: number;
  loads: number;
  loadFailures: number;
  staleServed: number;
}

/** Hits are of fresh values, each counted in the layer that held it. Rates are fractions from 0 to 1. */
export interface MultiLayerCacheStats extends Readonly<LoadCounters> {
  readonly memoryHits: number;
  readonly diskHits: number;
  readonly redisHits: number;
  /** Lookups that found no fresh value in any layer. */
  readonly misses: number;
  readonly writes: number;
  /** Values brought from a layer below into memory. */
  readonly promotions: number;
  /** The fraction of the lookups that any layer answered, 0 to 1. */
  readonly overallHitRate: number;
  readonly memory: MemoryLayerStats;
  readonly disk: DiskLayerStats | undefined;
  /** Each layer below memory, with its failed calls. */
  readonly layers: Readonly<Record<string, LayerStats & { readonly errors: number }>>;
}

export function managerStats(
  stack: LayerStack,
  counters: LoadCounters,
  memory: MemoryCacheLayer,
  disk: DiskCacheLayer | undefined,
): MultiLayerCacheStats {
  const { hits, misses, writes, promotions } = stack.counters;
  const allHits = Object.values(hits).reduce((sum, n) => sum + n, 0);
  const layers = stack.lower.map((layer) => [layer.name, { ...layer.getStats(), errors: layer.errors }] as const);
  return {
    ...counters,
    memoryHits: hits.memory ?? 0,
    diskHits: hits.disk ?? 0,
    redisHits: hits.redis ?? 0,
    misses,
    writes,
    promotions,
    overallHitRate: allHits + misses === 0 ? 0 : allHits / (allHits + misses),
    memory: memory.getStats(),
    disk: disk?.getStats(),
    layers: Object.fromEntries(layers),
  };
}
