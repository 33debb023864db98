/** Ways to invalidate: by dependency, by event, in batches, and in every service at once. */
import { checkOptions, checkValue, array, having, string } from '../shared/options.js';
import type { DependencyAnalysis } from './dependency-graph.js';
import { compilePattern, type KeyPattern } from './key-pattern.js';
import type { MultiLayerCacheManager } from './multi-layer-cache-manager.js';
import type { InvalidationListener } from './pattern-listeners.js';

/**
 * Sends an invalidation to the other services, for example a `DistributedCacheCoordinator`.
 *
 * @example
 * import { CacheInvalidationStrategies, type InvalidationPublisher } from '@tooloo/resilience';
 *
 * const coordinator: InvalidationPublisher = {
 *   publishInvalidation: async (key) => void (await redis.publish('invalidations', key)),
 * };
 * const invalidation = new CacheInvalidationStrategies(cache, { coordinator });
 */
export interface InvalidationPublisher {
  publishInvalidation(key: string): Promise<unknown>;
}

/** The other destinations of invalidations. */
export interface CacheInvalidationStrategiesOptions {
  /** Default: none, so a broadcast stays in this process. */
  readonly coordinator?: InvalidationPublisher;
}

interface EventMapping {
  readonly event: KeyPattern;
  readonly patterns: Set<string>;
}

/** A program defines a limited number of names. An unbounded source of names would fill the memory. */
const MAX_MAPPINGS = 10_000;

/**
 * Invalidates by dependency and by event, here and, with a coordinator, in the other services.
 *
 * @example
 * import { CacheInvalidationStrategies } from '@tooloo/resilience';
 *
 * const invalidation = new CacheInvalidationStrategies(cache);
 * invalidation.registerEventMapping('order.created', 'orders:*');
 * const removed = await invalidation.emit('order.created');
 */
export class CacheInvalidationStrategies {
  readonly #cache: MultiLayerCacheManager;
  readonly #coordinator: InvalidationPublisher | undefined;
  readonly #mappings = new Map<string, EventMapping>();

  /** @param cache the cache to invalidate; it also holds the dependencies and listeners */
  constructor(cache: MultiLayerCacheManager, options: CacheInvalidationStrategiesOptions = {}) {
    const checked = checkOptions('CacheInvalidationStrategies', options, {
      coordinator: having('a coordinator', 'publishInvalidation'),
    });
    checkValue('CacheInvalidationStrategies: cache', cache, having('a cache manager', 'invalidateWithDependents'));
    this.#cache = cache;
    this.#coordinator = checked.coordinator;
  }

  /**
   * From now on, invalidating `dependsOn` also invalidates `key`. Both may be patterns, where `*` stands for any
   * characters.
   */
  registerDependency(key: string, dependsOn: string | readonly string[]): void {
    this.#cache.registerDependency(key, dependsOn);
  }

  /** Removes a key and everything that depends on it, directly or through others. Returns the removed keys. */
  invalidateWithDependents(key: string): Promise<string[]> {
    return this.#cache.invalidateWithDependents(key);
  }

  /**
   * From now on, `emit(event)` invalidates the keys that match the pattern.
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

  /** Reports an event: invalidates the keys mapped to it. Returns the number of removed keys. */
  async emit(event: string): Promise<number> {
    const patterns = new Set<string>();
    for (const mapping of this.#mappings.values()) {
      if (mapping.event.matches(event)) for (const pattern of mapping.patterns) patterns.add(pattern);
    }
    const counts = await Promise.all([...patterns].map((pattern) => this.#cache.invalidatePattern(pattern)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * Calls back after every invalidation of a key or pattern that shares a key with this pattern. Returns a function
   * that removes the callback.
   */
  setInvalidationListener(pattern: string, callback: InvalidationListener): () => void {
    return this.#cache.setInvalidationListener(pattern, callback);
  }

  /**
   * Invalidates a key and its dependents in this process. Through the coordinator, it also invalidates the key and its
   * dependents in every other service.
   *
   * @param serviceId the service that invalidated the key; the invalidation of another service is not published again
   */
  async broadcastInvalidation(key: string, serviceId?: string): Promise<string[]> {
    const own = (this.#coordinator as { serviceId?: unknown } | undefined)?.serviceId;
    const isOwn = serviceId === undefined || own === undefined || own === serviceId;
    const removed = await this.#cache.invalidateWithDependents(key);
    if (isOwn) await this.#coordinator?.publishInvalidation(key);
    return removed;
  }

  /** Invalidates several keys and everything that depends on them. Returns the number of different keys given. */
  async batchInvalidate(keys: readonly string[]): Promise<number> {
    checkValue('CacheInvalidationStrategies.batchInvalidate: keys', keys, array);
    const distinct = [...new Set(keys)];
    await Promise.all(distinct.map((key) => this.#cache.invalidate(key)));
    return distinct.length;
  }

  /** The dependents of a key, the depth of their chain, and the cycles in it. */
  analyzeDependencies(key: string): DependencyAnalysis {
    return this.#cache.analyzeDependencies(key);
  }
}
