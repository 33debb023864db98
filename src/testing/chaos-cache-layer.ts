/** A cache layer that fails on demand: before it has done the requested work, or after it. */
import {
  clearLayer,
  removePattern,
  type CacheEntry,
  type CacheLayer,
  type LayerStats,
  type Lease,
  type LeaseAnswer,
  type TagInvalidation,
} from '../caching/cache-layer.js';

/** `before`: the call fails and has no effect. `after`: the call has its effect, but the caller gets an error. */
export type Failure = 'before' | 'after' | undefined;

/**
 * Wraps a layer. It returns promises, as a remote layer does.
 *
 * @example
 * import { MemoryCacheLayer, MultiLayerCacheManager } from '@tooloo/resilience';
 * import { ChaosCacheLayer } from '@tooloo/resilience/testing';
 *
 * const chaos = new ChaosCacheLayer(new MemoryCacheLayer(), (call) => (call === 'get' ? 'after' : undefined));
 * const cache = new MultiLayerCacheManager({ redis: chaos });
 */
export class ChaosCacheLayer implements CacheLayer {
  readonly name: string;
  readonly isShared: boolean;
  readonly defaultTTL: number;
  /** Called for every operation: returns how it must fail, if at all. */
  failure: (call: string) => Failure;
  readonly #layer: CacheLayer;

  constructor(layer: CacheLayer, failure: (call: string) => Failure = () => undefined, name = layer.name) {
    this.name = name;
    this.isShared = layer.isShared;
    this.defaultTTL = layer.defaultTTL;
    this.failure = failure;
    this.#layer = layer;
  }

  get(key: string): Promise<unknown> {
    return this.#call('get', () => this.#layer.get(key));
  }

  set(key: string, value: unknown, ttl?: number): Promise<void> {
    return this.#call('set', () => this.#layer.set(key, value, ttl));
  }

  has(key: string): Promise<boolean> {
    return this.#call('has', () => this.#layer.has(key));
  }

  delete(key: string): Promise<boolean> {
    return this.#call('delete', () => this.#layer.delete(key));
  }

  clear(): Promise<void> {
    return this.#call('clear', () => clearLayer(this.#layer));
  }

  read(key: string): Promise<CacheEntry | undefined> {
    return this.#call('read', () => this.#layer.read(key));
  }

  write(key: string, entry: CacheEntry, lease?: Lease): Promise<boolean> {
    return this.#call('write', () => this.#layer.write(key, entry, lease));
  }

  invalidatePattern(pattern: string): Promise<readonly string[]> {
    return this.#call('invalidatePattern', () => removePattern(this.#layer, pattern));
  }

  invalidateTag(tag: string, options?: TagInvalidation): Promise<void> {
    return this.#call('invalidateTag', () => this.#layer.invalidateTag(tag, options));
  }

  lease(key: string, duration: number): Promise<LeaseAnswer> {
    return this.#call('lease', () => this.#layer.lease(key, duration));
  }

  release(lease: Lease): Promise<void> {
    return this.#call('release', () => this.#layer.release(lease));
  }

  getStats(): LayerStats {
    return this.#layer.getStats();
  }

  async destroy(): Promise<void> {
    await this.#layer.destroy();
  }

  async #call<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const failure = this.failure(name);
    if (failure === 'before') throw new Error(`chaos: ${name} failed`);
    const result = await work();
    if (failure === 'after') throw new Error(`chaos: ${name} failed after it was done`);
    return result;
  }
}
