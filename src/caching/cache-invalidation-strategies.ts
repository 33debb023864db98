/** Ways to say what is outdated: by dependency, by event, in batches, and to every service at once. */
import { checkOptions, checkValue, array, having, string } from '../shared/options.js';
import type { DependencyAnalysis } from './dependency-graph.js';
import { compilePattern, type KeyPattern } from './key-pattern.js';
import type { MultiLayerCacheManager } from './multi-layer-cache-manager.js';
import type { InvalidationListener } from './pattern-listeners.js';

/** What carries an invalidation to other services: a `DistributedCacheCoordinator`. */
export interface InvalidationPublisher {
  publishInvalidation(key: string): Promise<unknown>;
}

/** What else hears of an invalidation. */
export interface CacheInvalidationStrategiesOptions {
  /** Default: none, a broadcast stays in this process. */
  readonly coordinator?: InvalidationPublisher;
}

interface EventMapping {
  readonly event: KeyPattern;
  readonly patterns: Set<string>;
}

/** Names a program writes down; an unbounded source of them would fill memory. */
const MAX_MAPPINGS = 10_000;

export class CacheInvalidationStrategies {
  readonly #cache: MultiLayerCacheManager;
  readonly #coordinator: InvalidationPublisher | undefined;
  readonly #mappings = new Map<string, EventMapping>();

  /** @param cache whose keys are meant; dependencies and listeners are kept there */
  constructor(cache: MultiLayerCacheManager, options: CacheInvalidationStrategiesOptions = {}) {
    const checked = checkOptions('CacheInvalidationStrategies', options, {
      coordinator: having('a coordinator', 'publishInvalidation'),
    });
    checkValue('CacheInvalidationStrategies: cache', cache, having('a cache manager', 'invalidateWithDependents'));
    this.#cache = cache;
    this.#coordinator = checked.coordinator;
  }

  /** From now on invalidating `dependsOn` invalidates `key` as well; both may be patterns, `*` standing for any characters. */
  registerDependency(key: string, dependsOn: string | readonly string[]): void {
    this.#cache.registerDependency(key, dependsOn);
  }

  /** Removes a key and everything that depends on it, directly or through others; the keys. */
  invalidateWithDependents(key: string): Promise<string[]> {
    return this.#cache.invalidateWithDependents(key);
  }

  /**
   * From now on `emit(event)` invalidates what matches the pattern.
   *
   * @param event a name, or a pattern of names
   * @throws RangeError beyond 10 000 events
   */
  registerEventMapping(event: string, pattern: string): void {
    checkValue('CacheInvalidationStrategies.registerEventMapping: event', event, string);
    checkValue('CacheInvalidationStrategies.registerEventMapping: pattern', pattern, string);
    let mapping = this.#mappings.get(event);
    if (mapping === undefined) {
      if (this.#mappings.size === MAX_MAPPINGS) {
        throw new RangeError(`registerEventMapping: expected at most ${MAX_MAPPINGS} events; use a pattern`);
      }
      this.#mappings.set(event, (mapping = { event: compilePattern(event), patterns: new Set() }));
    }
    mapping.patterns.add(pattern);
  }

  /** Something happened: invalidates what is mapped to it; how many keys were removed. */
  async emit(event: string): Promise<number> {
    const patterns = new Set<string>();
    for (const mapping of this.#mappings.values()) {
      if (mapping.event.matches(event)) for (const pattern of mapping.patterns) patterns.add(pattern);
    }
    const counts = await Promise.all([...patterns].map((pattern) => this.#cache.invalidatePattern(pattern)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Calls back after every invalidation of a key or pattern that shares a key with this pattern. Returns what ends it. */
  setInvalidationListener(pattern: string, callback: InvalidationListener): () => void {
    return this.#cache.setInvalidationListener(pattern, callback);
  }

  /**
   * Invalidates a key and what depends on it here, and, through the coordinator, the key in every other service, where
   * what depends on it there goes along.
   *
   * @param serviceId who says so; an invalidation that came from another service is not sent out once more
   */
  async broadcastInvalidation(key: string, serviceId?: string): Promise<string[]> {
    const own = (this.#coordinator as { serviceId?: unknown } | undefined)?.serviceId;
    const isOwn = serviceId === undefined || own === undefined || own === serviceId;
    const removed = await this.#cache.invalidateWithDependents(key);
    if (isOwn) await this.#coordinator?.publishInvalidation(key);
    return removed;
  }

  /** Invalidates several keys and what depends on them; how many different keys were given. */
  async batchInvalidate(keys: readonly string[]): Promise<number> {
    checkValue('CacheInvalidationStrategies.batchInvalidate: keys', keys, array);
    const distinct = [...new Set(keys)];
    await Promise.all(distinct.map((key) => this.#cache.invalidate(key)));
    return distinct.length;
  }

  /** What depends on the key, how far that reaches, and where it goes round in circles. */
  analyzeDependencies(key: string): DependencyAnalysis {
    return this.#cache.analyzeDependencies(key);
  }
}
