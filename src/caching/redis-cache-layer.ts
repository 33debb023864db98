/** The layer in Redis: shared by every machine that reaches it, and done without while it cannot be reached. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import { checkOptions, clock as clockCheck, func, having, milliseconds, number, string } from '../shared/options.js';
import { GuardedLayer } from './guarded-layer.js';
import { RedisCacheStore } from './redis-cache-store.js';
import { RedisLink, type RedisCacheClient } from './redis-link.js';

/** The client, the keys and the lifetime. */
export interface RedisCacheLayerOptions {
  /** The caller's ioredis client, `Redis` or `Cluster`. The layer never closes it. */
  readonly client: RedisCacheClient;
  /** Begins every key. Default 'cache:'. */
  readonly prefix?: string;
  /** Milliseconds an entry lives when `set` names no lifetime. Default 1 hour. */
  readonly defaultTTL?: number;
  /** Milliseconds a command may take; after five failures in a row none is sent for half a second. Default 50. */
  readonly timeout?: number;
  /** Bytes from which values are compressed, where it makes them smaller. Default 1024; Infinity: never. */
  readonly compressionThreshold?: number;
  /** Told of every failed call. */
  readonly onError?: (error: unknown, layer: string) => void;
  /** For timeouts. Lifetimes are kept by Redis, on its own clock. */
  readonly clock?: Clock;
}

/**
 * Values that can be structured-cloned, by Redis' own clock. Never throws and never waits long: a read that fails is a
 * miss, a write that fails is not stored, and what was invalidated or overwritten while Redis was away is removed there
 * before anything is read from it again.
 *
 * Invalidating by pattern looks at every key of the database, in small steps; prefer tags.
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
