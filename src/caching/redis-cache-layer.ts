/** The layer in Redis: shared by every machine that reaches it, and not used while it is unavailable. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import { checkOptions, clock as clockCheck, func, having, milliseconds, number, string } from '../shared/options.js';
import { GuardedLayer } from './guarded-layer.js';
import { RedisCacheStore } from './redis-cache-store.js';
import { RedisLink, type RedisCacheClient } from './redis-link.js';

/** The client, the keys and the lifetime. */
export interface RedisCacheLayerOptions {
  /** The caller's ioredis client, `Redis` or `Cluster`. The layer never closes it. */
  readonly client: RedisCacheClient;
  /** The prefix of every key. Default 'cache:'. */
  readonly prefix?: string;
  /** The lifetime of an entry in milliseconds if `set` specifies none. Default 1 hour. */
  readonly defaultTTL?: number;
  /**
   * The timeout of a command in milliseconds. After five consecutive failures, no command is sent for half a second.
   * Default 50.
   */
  readonly timeout?: number;
  /** Bytes from which values are compressed, if that makes them smaller. Default 1024; Infinity: never. */
  readonly compressionThreshold?: number;
  /** Called with every failed call. */
  readonly onError?: (error: unknown, layer: string) => void;
  /** The clock for timeouts. Lifetimes follow the clock of Redis. */
  readonly clock?: Clock;
}

/**
 * Stores values that can be structured-cloned, with lifetimes on Redis' own clock. It never throws and never waits
 * long: a read that fails is a miss, and a write that fails is not stored. Keys that were invalidated or overwritten
 * while Redis was unavailable are removed there before anything is read from it again.
 *
 * Invalidating by pattern scans every key of the database, in small steps; prefer tags.
 *
 * @example
 * import { MultiLayerCacheManager } from '@tooloo/resilience';
 * import { RedisCacheLayer } from '@tooloo/resilience/redis';
 *
 * const cache = new MultiLayerCacheManager({ redis: new RedisCacheLayer({ client: redis }) });
 */
export class RedisCacheLayer extends GuardedLayer {
  /** @throws TypeError or RangeError for an unknown option or a value out of range */
  constructor(options: RedisCacheLayerOptions) {
    const checked = checkOptions('RedisCacheLayer', options, {
      client: having('an ioredis client', 'call', 'callBuffer'),
      prefix: string,
      defaultTTL: milliseconds,
      timeout: number({ min: 1 }),
      compressionThreshold: number({ min: 0 }),
      onError: func,
      clock: clockCheck,
    });
    if (checked.client === undefined) throw new TypeError("RedisCacheLayer: option 'client' is missing");
    const clock = checked.clock ?? monotonicClock;
    const link = new RedisLink(checked.client, checked.timeout ?? 50, clock);
    const { prefix = 'cache:', defaultTTL = 60 * 60_000, compressionThreshold = 1024, onError } = checked;
    super(new RedisCacheStore(link, prefix, defaultTTL, compressionThreshold), { clock, onError });
  }
}
