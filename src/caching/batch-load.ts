/** Loads many keys in one call: the missing keys are collected, and then loaded together. */
import { startTimer, type Clock, type Timer } from '../shared/clock.js';
import { checkValue, array, func } from '../shared/options.js';
import type { LoadContext, Loader } from './load.js';
import { beginBatch, currentScope, endScope, runInside, type LoadScope } from './load-scope.js';

/** Returns the values of several keys: an array in the order of the keys, or a map. */
export type BatchLoader<V> = (
  keys: readonly string[],
  context: Pick<LoadContext, 'signal'>,
) => BatchResult<V> | Promise<BatchResult<V>>;
/** The values that a batch loader returns: an array in the order of the keys, or a map. */
export type BatchResult<V> = ReadonlyMap<string, V> | ReadonlyArray<V | undefined>;

interface Missing<V> {
  readonly key: string;
  readonly signal: AbortSignal;
  readonly scope: LoadScope;
  readonly resolve: (value: V | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The longest time, in milliseconds, that missing keys wait for the lookups of the others. One of those may wait for
 * another process.
 */
const LONGEST_WAIT = 5;

class Batch<V> {
  readonly #load: BatchLoader<V>;
  #missing: Array<Missing<V>> = [];
  /** Keys for which it is not known yet whether they are missing. */
  #undecided: number;
  readonly #clock: Clock;
  #timer: Timer | undefined;

  constructor(load: BatchLoader<V>, keys: number, clock: Clock) {
    this.#load = load;
    this.#clock = clock;
    this.#undecided = keys;
  }

  /** The loader of one key, which joins the other missing keys. */
  loaderOf(key: string): Loader<V | undefined> {
    return ({ signal }) =>
      new Promise<V | undefined>((resolve, reject) => {
        this.#missing.push({ key, signal, scope: currentScope()!, resolve, reject });
        this.#timer ??= startTimer(this.#clock, () => this.#flush(), LONGEST_WAIT, true);
        this.decided();
      });
  }

  decided(): void {
    if (--this.#undecided <= 0) this.#flush();
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const missing = this.#missing;
    this.#missing = [];
    if (missing.length > 0) void this.#run(missing);
  }

  async #run(missing: ReadonlyArray<Missing<V>>): Promise<void> {
    const batch = beginBatch(missing.map(({ scope }) => scope));
    try {
      const keys = missing.map(({ key }) => key);
      const signal = AbortSignal.any(missing.map((one) => one.signal));
      const result = await runInside(batch, () => this.#load(keys, { signal }));
      const isMap = result instanceof Map;
      if (!isMap) checkValue('MultiLayerCacheManager.getManySet: result of loadMissing', result, array);
      for (const [i, { key, resolve }] of missing.entries()) {
        resolve(isMap ? (result as ReadonlyMap<string, V>).get(key) : (result as ReadonlyArray<V | undefined>)[i]);
      }
    } catch (error) {
      for (const { reject } of missing) reject(error);
    } finally {
      endScope(batch);
    }
  }
}

/** @param getOrSet looks up one key, and calls the loader if it is missing */
export async function loadMany<V>(
  keys: readonly string[],
  loadMissing: BatchLoader<V>,
  clock: Clock,
  getOrSet: (key: string, loader: Loader<V | undefined>) => Promise<V | undefined>,
): Promise<Map<string, V>> {
  checkValue('MultiLayerCacheManager.getManySet: keys', keys, array);
  checkValue('MultiLayerCacheManager.getManySet: loadMissing', loadMissing, func);
  const distinct = [...new Set(keys)];
  const batch = new Batch<V>(loadMissing, distinct.length, clock);
  const values = await Promise.all(
    distinct.map(async (key) => {
      let isMissing = false;
      const load = batch.loaderOf(key);
      try {
        return await getOrSet(key, (context) => {
          isMissing = true;
          return load(context);
        });
      } finally {
        if (!isMissing) batch.decided();
      }
    }),
  );
  const found = distinct.map((key, i) => [key, values[i]] as const).filter(([, value]) => value !== undefined);
  return new Map(found as ReadonlyArray<readonly [string, V]>);
}
