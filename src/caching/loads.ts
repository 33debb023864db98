/** The loads in progress in one cache: one per key for any number of callers. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { checkValue, func } from '../shared/options.js';
import type { LayerStack } from './layer-stack.js';
import { Load, type LoadOptions, type Loader } from './load.js';
import type { LoadCounters } from './manager-stats.js';
import { checkLoadOptions } from './store-options.js';

/** Milliseconds for which a failed origin is not called while there is a usable stale value. */
const FAILURE_PAUSE = 1_000;
const FAILURES_REMEMBERED = 1_000;

export class Loads {
  readonly #stack: LayerStack;
  readonly #clock: Clock;
  readonly #counters: LoadCounters;
  readonly #loads = new Map<string, Load>();
  readonly #failures = new LRUCache<string, number>({ max: FAILURES_REMEMBERED });
  #isClosed = false;

  constructor(stack: LayerStack, clock: Clock, counters: LoadCounters) {
    this.#stack = stack;
    this.#clock = clock;
    this.#counters = counters;
  }

  /**
   * The load of the key in progress, otherwise a new one.
   *
   * @throws ResilienceError SHUTTING_DOWN once closed
   */
  of(key: string, loader: Loader<unknown>, options: LoadOptions): Load {
    return this.#loads.get(key) ?? this.#start(key, loader, options);
  }

  /**
   * The load in progress for the key reads an older state: later callers do not join it, and its value is not stored.
   */
  outdate(key: string): void {
    const load = this.#loads.get(key);
    if (load === undefined) return;
    this.#loads.delete(key);
    load.forfeit();
  }

  outdateMatching(matches: (key: string) => boolean): void {
    for (const key of this.#loads.keys()) if (matches(key)) this.outdate(key);
  }

  outdateTagged(tag: string): void {
    for (const [key, load] of this.#loads) if (load.tags.includes(tag)) this.outdate(key);
  }

  /** Ends all of them with SHUTTING_DOWN. */
  close(): void {
    this.#isClosed = true;
    const reason = new ResilienceError('SHUTTING_DOWN', 'the cache was destroyed');
    for (const load of this.#loads.values()) load.cancel(reason);
    this.#loads.clear();
  }

  #start(key: string, loader: Loader<unknown>, options: LoadOptions): Load {
    const checked = checkLoadOptions('MultiLayerCacheManager.getOrSet', options);
    checkValue('MultiLayerCacheManager.getOrSet: loader', loader, func);
    if (this.#isClosed) throw new ResilienceError('SHUTTING_DOWN', 'the cache is destroyed');
    const load: Load = new Load(key, loader, checked, this.#stack, this.#clock, {
      started: () => this.#counters.loads++,
      failed: (hasStale) => {
        this.#counters.loadFailures++;
        if (hasStale) this.#failures.set(key, this.#clock.now() + FAILURE_PAUSE);
      },
      servedStale: () => this.#counters.staleServed++,
      isCoolingDown: () => (this.#failures.get(key) ?? -Infinity) > this.#clock.now(),
      ended: () => {
        if (this.#loads.get(key) === load) this.#loads.delete(key);
      },
    });
    this.#loads.set(key, load);
    void load.run();
    return load;
  }
}
