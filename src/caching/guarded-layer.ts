/**
 * A layer that may fail, made one that never does: a read that fails is a miss, a write that fails is not stored, and
 * what was to be invalidated while the layer was away is invalidated before anything is read from it again.
 */
import { callGuarded } from '../shared/listeners.js';
import { monotonicClock, startTimer, type Clock, type Timer } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';
import type {
  Awaitable,
  CacheEntry,
  CacheLayer,
  LayerStats,
  Lease,
  LeaseAnswer,
  TagInvalidation,
} from './cache-layer.js';
import { MissedInvalidations } from './missed-invalidations.js';

export interface GuardedLayerOptions {
  /** Told of every failure; each kind of failure also becomes one process warning. */
  readonly onError?: (error: unknown, layer: string) => void;
  readonly clock?: Clock;
}

/** Milliseconds between attempts to catch up with a layer that was away. */
const CATCH_UP_PERIOD = 500;

function isPromise<T>(value: Awaitable<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

export class GuardedLayer implements CacheLayer {
  readonly name: string;
  readonly isShared: boolean;
  readonly defaultTTL: number;
  readonly #layer: CacheLayer;
  readonly #clock: Clock;
  readonly #onError: (error: unknown, layer: string) => void;
  readonly #missed = new MissedInvalidations();
  #catchingUp: Promise<void> | undefined;
  #timer: Timer | undefined;
  #errors = 0;
  #hasWarned = false;
  #isDestroyed = false;

  constructor(layer: CacheLayer, options: GuardedLayerOptions = {}) {
    this.name = layer.name;
    this.isShared = layer.isShared;
    this.defaultTTL = layer.defaultTTL;
    this.#layer = layer;
    this.#clock = options.clock ?? monotonicClock;
    this.#onError = options.onError ?? (() => undefined);
  }

  /** Calls that failed. */
  get errors(): number {
    return this.#errors;
  }

  get(key: string): Awaitable<unknown> {
    return this.#read(() => this.#layer.get(key), undefined);
  }

  has(key: string): Awaitable<boolean> {
    return this.#read(() => this.#layer.has(key), false);
  }

  read(key: string): Awaitable<CacheEntry | undefined> {
    return this.#read(() => this.#layer.read(key), undefined);
  }

  set(key: string, value: unknown, ttl?: number): Awaitable<void> {
    return this.#change(
      () => this.#layer.set(key, value, ttl),
      () => this.#missed.addKey(key),
      undefined,
    );
  }

  write(key: string, entry: CacheEntry, lease?: Lease): Awaitable<boolean> {
    return this.#change(
      () => this.#layer.write(key, entry, lease),
      () => this.#missed.addKey(key), // it may have arrived or not, and an older value may still be there
      false,
    );
  }

  delete(key: string): Awaitable<boolean> {
    return this.#change(
      () => this.#layer.delete(key),
      () => this.#missed.addKey(key),
      false,
    );
  }

  clear(): Awaitable<void> {
    return this.#change(
      () => this.#layer.clear(),
      () => this.#missed.addAll(),
      undefined,
    );
  }

  invalidatePattern(pattern: string): Awaitable<readonly string[]> {
    return this.#change<readonly string[]>(
      () => this.#layer.invalidatePattern(pattern),
      () => this.#missed.addPattern(pattern),
      [],
    );
  }

  invalidateTag(tag: string, options: TagInvalidation = {}): Awaitable<void> {
    return this.#change(
      () => this.#layer.invalidateTag(tag, options),
      () => this.#missed.addTag(tag, options.soft === true),
      undefined,
    );
  }

  lease(key: string, duration: number): Awaitable<LeaseAnswer> {
    return this.#read<LeaseAnswer>(
      () => this.#layer.lease(key, duration),
      'unavailable',
      () => this.#missed.addKey(key), // it may have been given all the same, and would keep everybody waiting
    );
  }

  release(lease: Lease): Awaitable<void> {
    return this.#change(
      () => this.#layer.release(lease),
      () => this.#missed.addKey(lease.key), // removing the key revokes its lease as well
      undefined,
    );
  }

  getStats(): LayerStats {
    try {
      return this.#layer.getStats();
    } catch (error) {
      this.#fail(error);
      return { hits: 0, misses: 0, evictions: 0, expirations: 0, size: -1, hitRate: 0 };
    }
  }

  destroy(): Awaitable<void> {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#timer?.cancel();
    return this.#attempt(() => this.#layer.destroy(), undefined);
  }

  /** While invalidations are outstanding, nothing the layer holds can be trusted. */
  #read<T>(work: () => Awaitable<T>, otherwise: T, remember?: () => void): Awaitable<T> {
    if (!this.#missed.isEmpty) this.#catchUp();
    return this.#missed.isEmpty ? this.#attempt(work, otherwise, remember) : otherwise;
  }

  #change<T>(work: () => Awaitable<T>, remember: () => void, otherwise: T): Awaitable<T> {
    if (this.#isDestroyed) return otherwise;
    if (this.#missed.isEmpty) return this.#attempt(work, otherwise, remember);
    remember();
    this.#scheduleCatchUp();
    this.#catchUp();
    return otherwise;
  }

  /** @param remember notes what has to be invalidated later, where the work fails */
  #attempt<T>(work: () => Awaitable<T>, otherwise: T, remember?: () => void): Awaitable<T> {
    const fail = (error: unknown): T => {
      this.#fail(error);
      if (remember !== undefined) {
        remember();
        this.#scheduleCatchUp();
      }
      return otherwise;
    };
    try {
      const result = work();
      return isPromise(result) ? result.catch(fail) : result;
    } catch (error) {
      return fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#errors++;
    callGuarded('the cache error listener', this.#onError, error, this.name);
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    process.emitWarning(`the ${this.name} cache layer failed and is done without: ${messageOf(error)}`, {
      code: 'TOOLOO_CACHE_LAYER_FAILED',
    });
  }

  #scheduleCatchUp(): void {
    if (this.#isDestroyed || this.#timer !== undefined) return;
    this.#timer = startTimer(
      this.#clock,
      () => {
        this.#timer = undefined;
        this.#catchUp();
      },
      CATCH_UP_PERIOD,
    );
  }

  /** Invalidates what was missed: at once in a synchronous layer, else in the background. One at a time. */
  #catchUp(): void {
    if (this.#catchingUp !== undefined || this.#isDestroyed) return;
    const fail = (error: unknown): void => {
      this.#fail(error);
      this.#scheduleCatchUp();
    };
    try {
      const work = this.#missed.replay(this.#layer);
      if (!isPromise(work)) return;
      this.#catchingUp = work.catch(fail).finally(() => {
        this.#catchingUp = undefined;
        if (!this.#missed.isEmpty) this.#scheduleCatchUp();
      });
    } catch (error) {
      fail(error);
    }
  }
}
