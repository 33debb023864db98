/** The options of the manager, and the layers they ask for. */
import type { Clock } from '../shared/clock.js';
import { boolean, checkOptions, clock as clockCheck, func, having, object } from '../shared/options.js';
import type { CacheLayer } from './cache-layer.js';
import { DiskCacheLayer, type DiskCacheLayerOptions } from './disk-cache-layer.js';
import { GuardedLayer } from './guarded-layer.js';
import { MemoryCacheLayer, type MemoryCacheLayerOptions } from './memory-cache-layer.js';

/** The layers of the manager. */
export interface MultiLayerCacheOptions {
  /** The layer in the process; `ttl` is its default lifetime. */
  readonly memory?: Omit<MemoryCacheLayerOptions, 'defaultTTL' | 'clock'> & { readonly ttl?: number };
  /** The layer on disk; `ttl` is its default lifetime. Default: none. */
  readonly disk?: Omit<DiskCacheLayerOptions, 'defaultTTL' | 'clock'> & { readonly ttl?: number };
  /** A layer shared by several machines: a `RedisCacheLayer`, or any other. Destroyed with the manager. */
  readonly redis?: CacheLayer;
  /** A layer that only forgets: a `CdnCacheLayer`. Destroyed with the manager. */
  readonly cdn?: CacheLayer;
  /** For memory, disk and waiting. Default: each its own, the right one for what it measures. */
  readonly clock?: Clock;
  /** Whether keys, tags and patterns are shown only as keyed hashes, because they hold secrets; false unless told. */
  readonly hideKeys?: boolean;
  /** Told of every failure of a layer below memory. */
  readonly onError?: (error: unknown, layer: string) => void;
}

export interface BuiltLayers {
  readonly memory: MemoryCacheLayer;
  readonly disk: DiskCacheLayer | undefined;
  /** Below memory, from the nearest to the widest. */
  readonly lower: readonly GuardedLayer[];
  readonly clock: Clock | undefined;
  readonly hidesKeys: boolean;
}

const layer = having('a cache layer', 'read', 'write', 'delete', 'invalidatePattern', 'invalidateTag', 'lease');

/** @throws TypeError or RangeError for an unknown option or a value out of range */
export function buildLayers(options: MultiLayerCacheOptions): BuiltLayers {
  const { clock, onError, redis, cdn, hideKeys, ...own } = checkOptions('MultiLayerCacheManager', options, {
    memory: object(),
    disk: object(),
    redis: layer,
    cdn: layer,
    clock: clockCheck,
    hideKeys: boolean,
    onError: func,
  });
  const { ttl: memoryTTL, ...memoryOptions } = own.memory ?? {};
  const memory = new MemoryCacheLayer({ ...memoryOptions, defaultTTL: memoryTTL, clock });
  const disk = own.disk === undefined ? undefined : diskLayer(own.disk, clock);
  const lower = [disk, redis, cdn]
    .filter((one) => one !== undefined)
    .map((one) => (one instanceof GuardedLayer ? one : new GuardedLayer(one, { clock, onError })));
  return { memory, disk, lower, clock, hidesKeys: hideKeys ?? false };
}

function diskLayer(
  { ttl, ...options }: NonNullable<MultiLayerCacheOptions['disk']>,
  clock: Clock | undefined,
): DiskCacheLayer {
  return new DiskCacheLayer({ ...options, defaultTTL: ttl, clock });
}
