/** The loads in progress in one cache: one per key for any number of callers. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { checkValue, func } from '../shared/options.js';
import { StackClaim } from './claim.js';
import type { LayerStack } from './layer-stack.js';
import { currentScope, isWaiting, noteWait } from './load-scope.js';
import { Load, type LoadEvents, type LoadOptions, type Loader, type LoadSource } from './load.js';
import type { LoadCounters } from './manager-stats.js';
import { checkLoadOptions } from './store-options.js';

/** Milliseconds for which a failed origin is not called while there is a usable stale value. */
const FAILURE_PAUSE = 1_000;
const FAILURES_REMEMBERED = 1_000;
/** Loads within a load of the same key. Loaders that call each other without end must not exhaust the memory. */
const MOST_REPEATS = 10;

export class Loads {
  readonly #stack: LayerStack;
  readonly #clock: Clock;
  readonly #counters: LoadCounters;
  readonly #loads = new Map<string, Load>();
  /** Loads within a load of the same key, which no other caller joins. */
  readonly #repeated = new Set<Load>();
  readonly #failures = new LRUCache<string, number>({ max: FAILURES_REMEMBERED });
  /** For a load within a load of the same key: the outer one stores its value. */
  readonly #lookingOnly: LoadSource = {
    find: (key) => this.#stack.find(key),
    claim: () =>
      Promise.resolve(
        new StackClaim(
          [],
          () => Promise.resolve(false),
          () => Promise.resolve(),
        ),
      ),
  };
  #isClosed = false;

  constructor(stack: LayerStack, clock: Clock, counters: LoadCounters) {
    this.#stack = stack;
    this.#clock = clock;
    this.#counters = counters;
  }

  /**
   * The load of the key in progress, otherwise a new one. Also a new one if the load in progress waits for this call.
   *
   * @throws ResilienceError SHUTTING_DOWN once closed, LOAD_CYCLE if loads wait for each other without end
   */
  of(key: string, loader: Loader<unknown>, options: LoadOptions): Load {
    const around = currentScope();
    const known = this.#loads.get(key);
    if (around === undefined) return known ?? this.#start(key, loader, options);
    const isRepeated = known !== undefined && !known.isAnswered && isWaiting(known.scope, around);
    if (isRepeated && around.repeats >= MOST_REPEATS) {
      throw new ResilienceError('LOAD_CYCLE', `getOrSet: the loader of ${JSON.stringify(key)} waits for itself`);
    }
    const load = isRepeated || known === undefined ? this.#start(key, loader, options, isRepeated) : known;
    noteWait(around, load);
    return load;
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
    for (const load of [...this.#loads.values(), ...this.#repeated]) load.cancel(reason);
    this.#loads.clear();
  }

  #start(key: string, loader: Loader<unknown>, options: LoadOptions, isRepeated = false): Load {
    const checked = checkLoadOptions('MultiLayerCacheManager.getOrSet', options);
    checkValue('MultiLayerCacheManager.getOrSet: loader', loader, func);
    if (this.#isClosed) throw new ResilienceError('SHUTTING_DOWN', 'the cache is destroyed');
    const source = isRepeated ? this.#lookingOnly : this.#stack;
    const events: LoadEvents = {
      started: () => this.#counters.loads++,
      failed: (hasStale) => {
        this.#counters.loadFailures++;
        if (hasStale) this.#failures.set(key, this.#clock.now() + FAILURE_PAUSE);
      },
      servedStale: () => this.#counters.staleServed++,
      isCoolingDown: () => (this.#failures.get(key) ?? -Infinity) > this.#clock.now(),
      ended: () => {
        if (this.#loads.get(key) === load) this.#loads.delete(key);
        this.#repeated.delete(load);
      },
    };
    const load: Load = new Load(key, loader, checked, source, this.#clock, events, isRepeated);
    if (isRepeated) this.#repeated.add(load);
    else this.#loads.set(key, load);
    void load.run();
    return load;
  }
}
