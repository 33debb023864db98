/** A cache layer in a Keyv store or a `Keyv`. Processes that use the same store share its entries. */
import { checkOptions, clock as clockCheck, func, having, milliseconds, number, string } from '../shared/options.js';
import { monotonicClock, wallClock, type Clock } from '../shared/clock.js';
import { GuardedLayer } from './guarded-layer.js';
import { KeyvCacheStore, type KeyvTarget } from './keyv-cache-store.js';

/** The store, and the limits for its calls. */
export interface KeyvCacheLayerOptions {
  /** A storage adapter of Keyv, such as `new KeyvPostgres(url)`, a `Keyv`, or a `Map`. The layer does not close it. */
  readonly store: KeyvTarget;
  /** The name that `set` and the statistics use. Default 'keyv'. */
  readonly name?: string;
  /** The prefix of every key. Default 'cache:'. */
  readonly prefix?: string;
  /** Milliseconds an entry lives when `set` names no lifetime. Default 1 hour. */
  readonly defaultTTL?: number;
  /** Milliseconds a call of the store may take. Default 250. */
  readonly timeout?: number;
  /** Bytes from which values are compressed, if that makes them smaller. Default 1024; Infinity: never. */
  readonly compressionThreshold?: number;
  /** Called with every failed call. */
  readonly onError?: (error: unknown, layer: string) => void;
  /** The clock, which must show the same time in every process that shares the store. Default: the wall clock. */
  readonly clock?: Clock;
}

/**
 * Stores values that can be structured-cloned. Like `RedisCacheLayer`, it never throws and does not wait long.
 *
 * Keyv has neither a conditional write nor an atomic counter, so a lease is valid within one process only. Two processes
 * may load the same value, and a load can store a value that another process has invalidated by key meanwhile.
 * Invalidations by tag and `clear()` apply to all processes. A store without an iterator cannot find keys by pattern:
 * `invalidatePattern` then removes all entries.
 *
 * @example
 * import Keyv from 'keyv';
 * import { KeyvCacheLayer, MultiLayerCacheManager } from '@tooloo/resilience';
 *
 * const cache = new MultiLayerCacheManager({ redis: new KeyvCacheLayer({ store: new Keyv() }) });
 */
export class KeyvCacheLayer extends GuardedLayer {
  /** @throws TypeError or RangeError for an unknown option or a value out of range */
  constructor(options: KeyvCacheLayerOptions) {
    const checked = checkOptions('KeyvCacheLayer', options, {
      store: having('a Keyv store', 'get', 'set', 'delete'),
      name: string,
      prefix: string,
      defaultTTL: milliseconds,
      timeout: number({ min: 1 }),
      compressionThreshold: number({ min: 0 }),
      onError: func,
      clock: clockCheck,
    });
    if (checked.store === undefined) throw new TypeError("KeyvCacheLayer: option 'store' is missing");
    const { onError, clock } = checked;
    const store = new KeyvCacheStore(checked.store, {
      name: checked.name ?? 'keyv',
      prefix: checked.prefix ?? 'cache:',
      defaultTTL: checked.defaultTTL ?? 60 * 60_000,
      timeout: checked.timeout ?? 250,
      compressionThreshold: checked.compressionThreshold ?? 1024,
      clock: clock ?? wallClock,
    });
    super(store, { clock: clock ?? monotonicClock, onError });
  }
}
