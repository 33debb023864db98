/** The options of the manager, and the layers it creates from them. */
import type { Clock } from '../shared/clock.js';
import { boolean, checkOptions, clock as clockCheck, func, having, object } from '../shared/options.js';
import type { CacheLayer } from './cache-layer.js';
import { DiskCacheLayer } from './disk-cache-layer.js';
import type { DiskCacheLayerOptions } from './disk-options.js';
import { GuardedLayer } from './guarded-layer.js';
import { MemoryCacheLayer } from './memory-cache-layer.js';
import type { MemoryCacheLayerOptions } from './memory-options.js';

/** The name of a layer. */
export type LayerName = 'memory' | 'disk' | 'redis' | 'keyv' | 'cdn';

/** How long a claim lasts, and how long to wait for one. */
export interface ClaimOptions {
  /** Milliseconds the claim lasts at most, should its holder die. Default 30 seconds. */
  readonly duration?: number;
  /** Milliseconds to wait for another process that holds it. Default 5 seconds. */
  readonly patience?: number;
}

/** The layers of the manager. */
export interface MultiLayerCacheOptions {
  /** The layer in the process; `ttl` is its default lifetime. */
  readonly memory?: Omit<MemoryCacheLayerOptions, 'defaultTTL' | 'clock'> & { readonly ttl?: number };
  /** The layer on disk; `ttl` is its default lifetime, `busyTimeout` is 5 ms here. Default: none. */
  readonly disk?: Omit<DiskCacheLayerOptions, 'defaultTTL' | 'clock'> & { readonly ttl?: number };
  /** A layer shared by several machines: a `RedisCacheLayer`, a `KeyvCacheLayer`, or any other. Destroyed with the manager. */
  readonly redis?: CacheLayer;
  /** A layer that only invalidates: a `CdnCacheLayer`. Destroyed with the manager. */
  readonly cdn?: CacheLayer;
  /** The clock of memory, disk and waiting. Default: each part's own, suited to its measurements. */
  readonly clock?: Clock;
  /** Whether keys, tags and patterns are shown only as keyed hashes, because they hold secrets. Default false. */
  readonly hideKeys?: boolean;
  /** Called with every failure of a layer below memory. */
  readonly onError?: (error: unknown, layer: string) => void;
}

export interface BuiltLayers {
  readonly memory: MemoryCacheLayer;
  readonly disk: DiskCacheLayer | undefined;
  /** The layers below memory, from the nearest to the widest. */
  readonly lower: readonly GuardedLayer[];
  readonly clock: Clock | undefined;
  readonly hidesKeys: boolean;
}

/**
 * The longest time, in milliseconds, that a lock of another process may block the event loop. After it, the layer is
 * not used for a while.
 */
const BUSY_TIMEOUT = 5;

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
  return new DiskCacheLayer({ busyTimeout: BUSY_TIMEOUT, ...options, defaultTTL: ttl, clock });
}
