/** The cache an application uses: memory over disk over a shared store, with loads, tags and dependencies. */
import { monotonicClock, wallClock, type Clock } from '../shared/clock.js';
import { array, checkValue, count, func, string } from '../shared/options.js';
import { loadMany, type BatchLoader } from './batch-load.js';
import type { CacheEntry, TagInvalidation } from './cache-layer.js';
import { CacheNamespace } from './cache-namespace.js';
import type { Claim, StoreOptions } from './claim.js';
import type { DependencyAnalysis } from './dependency-graph.js';
import type { DiskCacheLayer } from './disk-cache-layer.js';
import type { HottestEntries } from './hottest-keys.js';
import { InvalidationLog, type InvalidationOptions, type RecentInvalidation } from './invalidation-log.js';
import { compilePattern, exactKey } from './key-pattern.js';
import { LayerStack } from './layer-stack.js';
import type { LoadOptions, Loader } from './load.js';
import { Loads } from './loads.js';
import { ManagerInvalidations } from './manager-invalidations.js';
import { buildLayers, type ClaimOptions, type LayerName, type MultiLayerCacheOptions } from './manager-options.js';
import { managerStats, type LoadCounters, type MultiLayerCacheStats } from './manager-stats.js';
import type { MemoryCacheLayer } from './memory-cache-layer.js';
import type { InvalidationListener } from './pattern-listeners.js';
import { shownKey } from './shown-key.js';
import { checkStoreOptions } from './store-options.js';

/** Hottest keys and last invalidations returned by default. */
const SHOWN = 20;

/**
 * Several layers as one cache. The manager continues without a layer below memory that fails: reads from it are misses.
 * Invalidations that the layer missed are repeated before it is read again. `get` returns from memory the object
 * itself, not a copy: treat it as read-only.
 *
 * @example
 * import { MultiLayerCacheManager } from '@tooloo/resilience';
 *
 * const cache = new MultiLayerCacheManager({ disk: { dbPath: './data/cache.db' } });
 * const report = await cache.getOrSet('report:7', () => createReport(), { ttl: 60_000, tags: ['reports'] });
 * await cache.invalidateTag('reports');
 */
export class MultiLayerCacheManager {
  /** The layer in the process: its size can be changed while it is in use. */
  readonly memory: MemoryCacheLayer;
  /** The disk layer, if there is one. Its own calls throw if SQLite fails; the manager's do not. */
  readonly disk: DiskCacheLayer | undefined;

  readonly #stack: LayerStack;
  readonly #clock: Clock;
  readonly #loads: Loads;
  readonly #counters: LoadCounters = { invalidations: 0, loads: 0, loadFailures: 0, staleServed: 0 };
  readonly #invalidations: ManagerInvalidations;
  readonly #hidesKeys: boolean;
  #isDestroyed = false;

  /**
   * @throws TypeError or RangeError for an unknown option or a value out of range
   * @throws Error if the disk layer's file cannot be opened
   */
  constructor(options: MultiLayerCacheOptions = {}) {
    const { memory, disk, lower, clock, hidesKeys } = buildLayers(options);
    this.memory = memory;
    this.disk = disk;
    this.#clock = clock ?? monotonicClock;
    this.#hidesKeys = hidesKeys;
    this.#stack = new LayerStack(memory, lower, this.#clock);
    this.#loads = new Loads(this.#stack, this.#clock, this.#counters);
    const log = new InvalidationLog(clock ?? wallClock);
    this.#invalidations = new ManagerInvalidations(this.#stack, this.#loads, this.#counters, log);
  }

  /**
   * The fresh value if memory holds it: synchronous, without a promise or an allocation. A missing value does not count
   * as a miss.
   */
  peek<V = unknown>(key: string): V | undefined {
    return this.#stack.peek(key) as V | undefined;
  }

  /** The fresh value of the nearest layer that holds it. One found below memory is brought there with its remaining lifetime. */
  async get<V = unknown>(key: string): Promise<V | undefined> {
    const entry = await this.#stack.find(key);
    return entry !== undefined && entry.ttl > 0 ? (entry.value as V) : undefined;
  }

  /** The entry of the nearest layer, fresh or stale within its grace, with its remaining lifetime. */
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
    this.#loads.outdate(key);
    await this.#stack.set(key, value, checked, layers);
  }

  /**
   * Returns the value, and loads it if no layer holds a fresh one. Concurrent callers share one load: in this process,
   * and across processes that share a layer. An invalidation during the load wins: callers from before it get the
   * loaded value, but the value is not stored, and callers after it start another load.
   *
   * A call from within a load of the same key does not wait for that load: its own loader is called, and the outer load
   * stores its value.
   *
   * With `grace`, a stale value is returned when the soft timeout has passed or the load fails. After a failure, the
   * loader is not called again for a second.
   *
   * @throws the loader's error, or ResilienceError LOAD_TIMEOUT, LOAD_CYCLE or SHUTTING_DOWN, if there is no stale value
   */
  async getOrSet<V>(key: string, loader: Loader<V>, options: LoadOptions = {}): Promise<V> {
    const held = this.#stack.peek(key);
    const { refreshAhead } = options;
    const isLasting = refreshAhead === undefined || this.memory.remainingTTL(key) > refreshAhead;
    if (held !== undefined && isLasting) return held as V;
    return this.#loads.of(key, loader, options).answer as Promise<V>;
  }

  /**
   * Like `getOrSet` for many keys: the keys that no layer holds are loaded together. A key that another caller is
   * loading, here or in another process, is awaited and not loaded again; `loadMissing` may then be called once more
   * for the rest.
   *
   * @param loadMissing receives the missing keys and returns their values: an array in the same order, or a map. Values
   * that are missing or undefined are not stored
   * @returns the values found, in the order of `keys`
   */
  getManySet<V>(
    keys: readonly string[],
    loadMissing: BatchLoader<V>,
    options: LoadOptions = {},
  ): Promise<Map<string, V>> {
    return loadMany(keys, loadMissing, this.#clock, (key, loader) => this.getOrSet(key, loader, options));
  }

  /** A view of the keys that begin with `<name>:`, all with one type of value. */
  namespace<V = unknown>(name: string): CacheNamespace<V> {
    return new CacheNamespace<V>(this, name);
  }

  /**
   * The exclusive right to compute the value of a key, for cases that `getOrSet` does not cover. If another process, or
   * another manager over the same layers, computes it, waits and returns its result as `{ value }`. Claims of one
   * manager do not exclude each other. Compute the value in `claim.run` if that may call another manager.
   */
  claim(key: string, { duration = 30_000, patience = 5_000 }: ClaimOptions = {}): Promise<Claim | { value: unknown }> {
    return this.#stack.claim(key, { duration, patience });
  }

  /** Removes a key, and everything that depends on it, from every layer. Returns whether any layer held one of them. */
  async invalidate(key: string, { by }: InvalidationOptions = {}): Promise<boolean> {
    return (await this.#invalidations.remove(exactKey(key), by)).removed.size > 0;
  }

  /**
   * Removes a key and everything that depends on it. Returns the keys: the given one, those that depend on it by name,
   * and those found by pattern.
   */
  async invalidateWithDependents(key: string): Promise<string[]> {
    const { names, removed } = await this.#invalidations.remove(exactKey(key));
    return [...new Set([...names.filter((name) => name.isExact).map((name) => name.source), ...removed])];
  }

  /**
   * Removes the keys that match (`*`: any characters), and everything that depends on them. Returns the number of keys.
   */
  async invalidatePattern(pattern: string, { by }: InvalidationOptions = {}): Promise<number> {
    return (await this.#invalidations.remove(compilePattern(pattern), by)).removed.size;
  }

  /** Invalidates all entries with the tag, at a cost independent of their number. */
  async invalidateTag(tag: string, { soft = false, by }: TagInvalidation & InvalidationOptions = {}): Promise<void> {
    checkValue('MultiLayerCacheManager.invalidateTag: tag', tag, string);
    await this.#invalidations.removeTagged(tag, soft, by);
  }

  /** Empties every layer. */
  async clear(): Promise<void> {
    await this.#invalidations.removeAll();
  }

  /**
   * From now on, invalidating `dependsOn` also invalidates `key`. Both may be patterns: an invalidation of any key that
   * matches `dependsOn` removes all keys that match `key`. Cycles are allowed.
   */
  registerDependency(key: string, dependsOn: string | readonly string[]): void {
    for (const name of [dependsOn].flat()) this.#invalidations.dependencies.add(key, name);
  }

  /** Removes a dependency. Returns whether there was one. */
  unregisterDependency(key: string, dependsOn: string): boolean {
    return this.#invalidations.dependencies.remove(key, dependsOn);
  }

  analyzeDependencies(key: string): DependencyAnalysis {
    return this.#invalidations.dependencies.analyze(key);
  }

  /**
   * Calls back after every invalidation of a key or pattern that shares a key with this pattern, including
   * invalidations by dependency. Invalidating a tag calls no listener, because a tag names no keys.
   *
   * @returns a function that removes the listener
   */
  setInvalidationListener(pattern: string, callback: InvalidationListener): () => void {
    checkValue('MultiLayerCacheManager.setInvalidationListener: callback', callback, func);
    return this.#invalidations.listeners.add(pattern, callback);
  }

  getStats(): MultiLayerCacheStats {
    return managerStats(this.#stack, this.#counters, this.memory, this.disk);
  }

  /**
   * The most requested keys, and the tags of the values found. The order is approximate, because lookups are sampled.
   * The client's query in the key of a stored response is shown only as a keyed hash.
   *
   * @param limit number of keys and number of tags; default 20, at most 64
   */
  hottest(limit = SHOWN): HottestEntries {
    checkValue('MultiLayerCacheManager.hottest: limit', limit, count());
    return this.#stack.hottest.top(limit, this.#hidesKeys);
  }

  /**
   * The last invalidations, newest first. Invalidations without an origin (`by`) are listed only if they removed an
   * entry.
   *
   * @param limit default 20, at most 100
   */
  recentInvalidations(limit = SHOWN): readonly RecentInvalidation[] {
    checkValue('MultiLayerCacheManager.recentInvalidations: limit', limit, count());
    return this.#invalidations.log.recent(limit, this.#hidesKeys);
  }

  /** A name in the form that these two methods show. */
  shownName(name: string): string {
    return shownKey(name, this.#hidesKeys);
  }

  /** Removes expired entries from memory and disk. Returns their number. */
  async optimize(): Promise<{ removed: number }> {
    const inMemory = await this.memory.cleanupInBackground();
    if (this.disk === undefined || this.#isDestroyed) return { removed: inMemory };
    return { removed: inMemory + (await this.disk.cleanupInBackground()) };
  }

  /**
   * Ends loads (SHUTTING_DOWN), timers and the layers it created; a client passed to a layer stays open. Idempotent.
   */
  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#loads.close();
    this.#invalidations.listeners.clear();
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
}
