/** The cache an application uses: memory over disk over whatever is shared, with loads, tags and dependencies. */
import { LRUCache } from 'lru-cache';
import { monotonicClock, wallClock, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { array, checkValue, count, func, string } from '../shared/options.js';
import type { CacheEntry, TagInvalidation } from './cache-layer.js';
import { DependencyGraph, type DependencyAnalysis } from './dependency-graph.js';
import type { DiskCacheLayer } from './disk-cache-layer.js';
import type { HottestEntries } from './hottest-keys.js';
import { InvalidationLog, type InvalidationOptions, type RecentInvalidation } from './invalidation-log.js';
import { compilePattern, exactKey, type KeyPattern } from './key-pattern.js';
import { LayerStack, type Claim, type StoreOptions } from './layer-stack.js';
import { Load, type LoadOptions, type Loader } from './load.js';
import { buildLayers, type MultiLayerCacheOptions } from './manager-options.js';
import { managerStats, type LoadCounters, type MultiLayerCacheStats } from './manager-stats.js';
import type { MemoryCacheLayer } from './memory-cache-layer.js';
import { PatternListeners, type InvalidationListener } from './pattern-listeners.js';
import { shownKey } from './shown-key.js';
import { checkLoadOptions, checkStoreOptions } from './store-options.js';

export type LayerName = 'memory' | 'disk' | 'redis' | 'cdn';

export interface ClaimOptions {
  /** Milliseconds the claim lasts at most, should its holder die. Default 30 seconds. */
  readonly duration?: number;
  /** Milliseconds to wait for another process that holds it. Default 5 seconds. */
  readonly patience?: number;
}

/** Milliseconds an origin that failed is left alone while a stale value will do. */
const FAILURE_PAUSE = 1_000;
const FAILURES_REMEMBERED = 1_000;
/** Hottest keys and last invalidations told. */
const SHOWN = 20;

/**
 * Several layers as one cache. A layer below memory that fails is done without: its reads are misses, and what was
 * invalidated while it was away is invalidated before it is read again. What `get` returns from memory is the object
 * itself, not a copy: treat it as read-only.
 */
export class MultiLayerCacheManager {
  /** The layer in the process: its size can be changed while it is in use. */
  readonly memory: MemoryCacheLayer;
  /** The layer on disk, where there is one. Its own calls throw where SQLite fails; the manager's do not. */
  readonly disk: DiskCacheLayer | undefined;

  readonly #stack: LayerStack;
  readonly #clock: Clock;
  readonly #dependencies = new DependencyGraph();
  readonly #listeners = new PatternListeners('MultiLayerCacheManager.setInvalidationListener');
  readonly #loads = new Map<string, Load>();
  readonly #failures = new LRUCache<string, number>({ max: FAILURES_REMEMBERED });
  readonly #counters: LoadCounters = { invalidations: 0, loads: 0, loadFailures: 0, staleServed: 0 };
  readonly #log = new InvalidationLog();
  readonly #wall: Clock;
  readonly #hidesKeys: boolean;
  #isDestroyed = false;

  /**
   * @throws TypeError or RangeError for an unknown option or a value out of range
   * @throws Error where the disk layer's file cannot be opened
   */
  constructor(options: MultiLayerCacheOptions = {}) {
    const { memory, disk, lower, clock, hidesKeys } = buildLayers(options);
    this.memory = memory;
    this.disk = disk;
    this.#clock = clock ?? monotonicClock;
    this.#wall = clock ?? wallClock;
    this.#hidesKeys = hidesKeys;
    this.#stack = new LayerStack(memory, lower, this.#clock);
  }

  /** The fresh value if memory holds it: synchronous, without a promise or an allocation. Not finding it counts as no miss. */
  peek<V = unknown>(key: string): V | undefined {
    return this.#stack.peek(key) as V | undefined;
  }

  /** The fresh value of the nearest layer that holds it. One found below memory is brought there with its remaining lifetime. */
  async get<V = unknown>(key: string): Promise<V | undefined> {
    const entry = await this.#stack.find(key);
    return entry !== undefined && entry.ttl > 0 ? (entry.value as V) : undefined;
  }

  /** The entry of the nearest layer, fresh or stale within its grace, with what remains of its lifetime. */
  read(key: string): Promise<CacheEntry | undefined> {
    return this.#stack.find(key);
  }

  /** Whether some layer holds a fresh value. */
  has(key: string): Promise<boolean> {
    return this.#stack.has(key);
  }

  /**
   * Stores a value. `undefined` removes the key.
   *
   * @param options milliseconds to live, or `{ ttl, grace, tags }`; without a lifetime each layer applies its own
   * @param layers where to store; layers left out lose the key. Default: all there are
   */
  async set(
    key: string,
    value: unknown,
    options?: number | StoreOptions,
    layers?: readonly LayerName[],
  ): Promise<void> {
    const checked = checkStoreOptions('MultiLayerCacheManager.set', options);
    if (layers !== undefined) checkValue('MultiLayerCacheManager.set: layers', layers, array);
    this.#outdate(key);
    await this.#stack.set(key, value, checked, layers);
  }

  /**
   * The value, loaded where no layer holds a fresh one. However many ask, one load runs: in this process, and across
   * processes that share a layer. An invalidation during the load wins: whoever asked before gets the loaded value, but
   * it is not stored, and whoever asks afterwards starts another load.
   *
   * With `grace`, a stale value is answered when the soft timeout has passed or the load fails. A failing origin is then
   * left alone for a second.
   *
   * @throws whatever the loader throws, and ResilienceError LOAD_TIMEOUT or SHUTTING_DOWN, where there is no stale value
   */
  async getOrSet<V>(key: string, loader: Loader<V>, options: LoadOptions = {}): Promise<V> {
    const held = this.#stack.peek(key);
    if (held !== undefined) return held as V;
    const load = this.#loads.get(key) ?? this.#startLoad(key, loader, options);
    return load.answer as Promise<V>;
  }

  /**
   * The sole right to make a key's value, for what `getOrSet` does not fit. Where another process makes it, waits for it;
   * `{ value }` is then what it made. Within the process claims are not exclusive.
   */
  claim(key: string, { duration = 30_000, patience = 5_000 }: ClaimOptions = {}): Promise<Claim | { value: unknown }> {
    return this.#stack.claim(key, duration, patience);
  }

  /** Removes a key, and what depends on it, from every layer; whether any held it or something that depends on it. */
  async invalidate(key: string, { by }: InvalidationOptions = {}): Promise<boolean> {
    return (await this.#invalidate(exactKey(key), by)).removed.size > 0;
  }

  /** Removes a key and what depends on it; the keys: the one given, those that depend on it by name, those found by pattern. */
  async invalidateWithDependents(key: string): Promise<string[]> {
    const { names, removed } = await this.#invalidate(exactKey(key));
    return [...new Set([...names.filter((name) => name.isExact).map((name) => name.source), ...removed])];
  }

  /** Removes the keys that match (`*`: any characters), and what depends on them; how many keys that were. */
  async invalidatePattern(pattern: string, { by }: InvalidationOptions = {}): Promise<number> {
    return (await this.#invalidate(compilePattern(pattern), by)).removed.size;
  }

  /** Invalidates everything that carries the tag, at the same cost however much that is. */
  async invalidateTag(tag: string, { soft = false, by }: TagInvalidation & InvalidationOptions = {}): Promise<void> {
    checkValue('MultiLayerCacheManager.invalidateTag: tag', tag, string);
    this.#counters.invalidations++;
    this.#log.note({ at: this.#wall.now(), kind: 'tag', name: tag, soft, by, removed: undefined });
    for (const [key, load] of this.#loads) if (load.tags.includes(tag)) this.#outdate(key);
    await this.#stack.invalidateTag(tag, { soft });
  }

  /** Empties every layer. */
  async clear(): Promise<void> {
    this.#counters.invalidations++;
    const everything = { kind: 'pattern', name: '*', soft: false, by: undefined, removed: undefined } as const;
    this.#log.note({ at: this.#wall.now(), ...everything });
    for (const key of this.#loads.keys()) this.#outdate(key);
    await this.#stack.clear();
  }

  /**
   * From now on invalidating `dependsOn` invalidates `key` as well. Both may be patterns: whatever touches a key that
   * matches the one removes everything that matches the other. Cycles are allowed.
   */
  registerDependency(key: string, dependsOn: string | readonly string[]): void {
    const names = typeof dependsOn === 'string' ? [dependsOn] : dependsOn;
    for (const name of names) this.#dependencies.add(key, name);
  }

  /** Takes a dependency back; whether there was one. */
  unregisterDependency(key: string, dependsOn: string): boolean {
    return this.#dependencies.remove(key, dependsOn);
  }

  analyzeDependencies(key: string): DependencyAnalysis {
    return this.#dependencies.analyze(key);
  }

  /**
   * Calls back after every invalidation of a key or pattern that shares a key with this pattern, those by dependency
   * included. A tag names no keys: its invalidation calls nobody.
   *
   * @returns what ends it
   */
  setInvalidationListener(pattern: string, callback: InvalidationListener): () => void {
    checkValue('MultiLayerCacheManager.setInvalidationListener: callback', callback, func);
    return this.#listeners.add(pattern, callback);
  }

  getStats(): MultiLayerCacheStats {
    return managerStats(this.#stack, this.#counters, this.memory, this.disk);
  }

  /**
   * What is looked up most, about, of a sample: keys, and tags of what was found. Of a stored response's key a client's query
   * is shown only as a keyed hash.
   *
   * @param limit of each; 20 unless told, at most 64
   */
  hottest(limit = SHOWN): HottestEntries {
    checkValue('MultiLayerCacheManager.hottest: limit', limit, count());
    return this.#stack.hottest.top(limit, this.#hidesKeys);
  }

  /**
   * The last invalidations, the latest first. Of those nobody asked for by name (`by`) the ones that found something.
   *
   * @param limit 20 unless told, at most 100
   */
  recentInvalidations(limit = SHOWN): readonly RecentInvalidation[] {
    checkValue('MultiLayerCacheManager.recentInvalidations: limit', limit, count());
    return this.#log.recent(limit, this.#hidesKeys);
  }

  /** A name as these two show it. */
  shownName(name: string): string {
    return shownKey(name, this.#hidesKeys);
  }

  /** Removes what has expired from memory and disk; how many entries that were. */
  async optimize(): Promise<{ removed: number }> {
    const inMemory = this.memory.cleanup();
    const onDisk = this.disk === undefined || this.#isDestroyed ? 0 : this.disk.cleanup();
    return Promise.resolve({ removed: inMemory + onDisk });
  }

  /** Ends loads (SHUTTING_DOWN), timers and the layers it made; a client given to a layer stays its owner's. Idempotent. */
  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    const reason = new ResilienceError('SHUTTING_DOWN', 'the cache was destroyed');
    for (const load of this.#loads.values()) load.cancel(reason);
    this.#loads.clear();
    this.#listeners.clear();
    this.memory.destroy();
    for (const layer of this.#stack.lower) void layer.destroy();
  }

  close(): void {
    this.destroy();
  }

  shutdown(): void {
    this.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }

  #startLoad(key: string, loader: Loader<unknown>, options: LoadOptions): Load {
    const checked = checkLoadOptions('MultiLayerCacheManager.getOrSet', options);
    checkValue('MultiLayerCacheManager.getOrSet: loader', loader, func);
    if (this.#isDestroyed) throw new ResilienceError('SHUTTING_DOWN', 'the cache is destroyed');
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

  /** What is being loaded for the key is of an older state: nobody joins it any more, and it is not stored. */
  #outdate(key: string): void {
    const load = this.#loads.get(key);
    if (load === undefined) return;
    this.#loads.delete(key);
    load.forfeit();
  }

  async #invalidate(name: KeyPattern, by?: string): Promise<{ names: KeyPattern[]; removed: Set<string> }> {
    const at = this.#wall.now();
    const names = this.#dependencies.closure(name);
    this.#counters.invalidations += names.length;
    const results = await Promise.all(names.map((one) => this.#remove(one)));
    for (const one of names) this.#listeners.emit(one);
    const removed = new Set(results.flat());
    const kind = name.isExact ? 'key' : 'pattern';
    this.#log.note({ at, kind, name: name.source, soft: false, by, removed: removed.size });
    return { names, removed };
  }

  /** Removes what the name stands for; the keys that were there. */
  async #remove(name: KeyPattern): Promise<string[]> {
    if (name.isExact) {
      this.#outdate(name.source);
      return (await this.#stack.delete(name.source)) ? [name.source] : [];
    }
    for (const key of this.#loads.keys()) if (name.matches(key)) this.#outdate(key);
    return [...(await this.#stack.invalidatePattern(name.source))];
  }
}
