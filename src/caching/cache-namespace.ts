/** A part of a cache: the keys with a common prefix. */
import { checkValue } from '../shared/options.js';
import type { BatchLoader } from './batch-load.js';
import type { StoreOptions } from './claim.js';
import type { LoadOptions, Loader } from './load.js';
import type { MultiLayerCacheManager } from './multi-layer-cache-manager.js';

const NAME = {
  expected: "a name without '*'",
  type: (value: unknown) => typeof value === 'string',
  range: (value: string) => value !== '' && !value.includes('*'),
};

/**
 * The keys of a cache that begin with `<name>:`. Arguments and results do not contain this prefix.
 *
 * @example
 * const users = cache.namespace<{ name: string }>('users');
 * await users.set('42', { name: 'Ada' }); // stored as 'users:42'
 * const user = await users.get('42');
 */
export class CacheNamespace<V> {
  readonly name: string;
  readonly #cache: MultiLayerCacheManager;
  readonly #prefix: string;

  /** @throws TypeError or RangeError for a name that is empty or contains `*` */
  constructor(cache: MultiLayerCacheManager, name: string) {
    checkValue('MultiLayerCacheManager.namespace: name', name, NAME);
    this.name = name;
    this.#cache = cache;
    this.#prefix = `${name}:`;
  }

  get(key: string): Promise<V | undefined> {
    return this.#cache.get<V>(this.#prefix + key);
  }

  has(key: string): Promise<boolean> {
    return this.#cache.has(this.#prefix + key);
  }

  set(key: string, value: V, options?: number | StoreOptions): Promise<void> {
    return this.#cache.set(this.#prefix + key, value, options);
  }

  getOrSet(key: string, loader: Loader<V>, options?: LoadOptions): Promise<V> {
    return this.#cache.getOrSet(this.#prefix + key, loader, options);
  }

  /** `loadMissing` receives the keys without the name of the namespace, and the map it returns uses the same keys. */
  async getManySet(
    keys: readonly string[],
    loadMissing: BatchLoader<V>,
    options?: LoadOptions,
  ): Promise<Map<string, V>> {
    const short = (key: string): string => key.slice(this.#prefix.length);
    const load: BatchLoader<V> = async (missing, context) => {
      const result = await loadMissing(missing.map(short), context);
      return result instanceof Map ? missing.map((key) => (result as ReadonlyMap<string, V>).get(short(key))) : result;
    };
    const prefixed = keys.map((key) => this.#prefix + key);
    const found = await this.#cache.getManySet(prefixed, load, options);
    return new Map([...found].map(([key, value]) => [short(key), value]));
  }

  invalidate(key: string): Promise<boolean> {
    return this.#cache.invalidate(this.#prefix + key);
  }

  /** Within the namespace. Returns the number of removed keys. */
  invalidatePattern(pattern: string): Promise<number> {
    return this.#cache.invalidatePattern(this.#prefix + pattern);
  }

  /** Removes the keys of this namespace and no others. Returns their number. */
  clear(): Promise<number> {
    return this.invalidatePattern('*');
  }

  /** A namespace within this one. */
  namespace<W = V>(name: string): CacheNamespace<W> {
    return new CacheNamespace<W>(this.#cache, this.#prefix + name);
  }
}
