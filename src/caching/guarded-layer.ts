/**
 * Wraps a layer that may fail so that it never does. A read that fails is a miss, and a write that fails is not stored.
 * Invalidations that failed while the layer was unavailable are repeated before anything is read from it again.
 */
import { callGuarded } from '../shared/listeners.js';
import { monotonicClock, startTimer, type Clock, type Timer } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';
import {
  clearLayer,
  removePattern,
  type Awaitable,
  type CacheEntry,
  type CacheLayer,
  type LayerStats,
  type Lease,
  type LeaseAnswer,
  type TagInvalidation,
} from './cache-layer.js';
import { MissedInvalidations } from './missed-invalidations.js';

export interface GuardedLayerOptions {
  /** Called with every failure; each kind of failure also becomes one process warning. */
  readonly onError?: (error: unknown, layer: string) => void;
  readonly clock?: Clock;
}

/** Milliseconds between attempts to repeat invalidations in a recovered layer that answers with promises. */
const CATCH_UP_PERIOD = 500;
/**
 * A synchronous layer that fails may have blocked the event loop, as a locked file does for its whole busy timeout. It
 * is not used for a pause after each failure, in milliseconds from the first to the longest. It therefore blocks 1 % of
 * the time at most.
 */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 1000;
/** Milliseconds between two slices of repeated invalidations. */
const SLICE_PAUSE = 5;

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
  /** Until then a synchronous layer receives no changes, and no reads if a read failed. */
  #changesResumeAt = -Infinity;
  #readsResumeAt = -Infinity;
  /** Milliseconds of the current pause; 0 without a failure. */
  #pause = 0;
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
    return this.#read(key, () => this.#layer.get(key), undefined);
  }

  has(key: string): Awaitable<boolean> {
    return this.#read(key, () => this.#layer.has(key), false);
  }

  read(key: string): Awaitable<CacheEntry | undefined> {
    return this.#read(key, () => this.#layer.read(key), undefined);
  }

  set(key: string, value: unknown, ttl?: number): Awaitable<void> {
    return this.#change(
      key,
      () => this.#layer.set(key, value, ttl),
      () => this.#missed.addKey(key),
      undefined,
    );
  }

  write(key: string, entry: CacheEntry, lease?: Lease): Awaitable<boolean> {
    return this.#change(
      key,
      () => this.#layer.write(key, entry, lease),
      () => this.#missed.addKey(key), // it may have arrived or not, and an older value may still be there
      false,
    );
  }

  delete(key: string): Awaitable<boolean> {
    return this.#change(
      key,
      () => this.#layer.delete(key),
      () => this.#missed.addKey(key),
      false,
    );
  }

  clear(): Awaitable<void> {
    return this.#change(
      undefined,
      () => clearLayer(this.#layer),
      () => this.#missed.addAll(),
      undefined,
    );
  }

  invalidatePattern(pattern: string): Awaitable<readonly string[]> {
    return this.#change<readonly string[]>(
      undefined,
      () => removePattern(this.#layer, pattern),
      () => this.#missed.addPattern(pattern),
      [],
    );
  }

  invalidateTag(tag: string, options: TagInvalidation = {}): Awaitable<void> {
    return this.#change(
      undefined,
      () => this.#layer.invalidateTag(tag, options),
      () => this.#missed.addTag(tag, options.soft === true),
      undefined,
    );
  }

  lease(key: string, duration: number): Awaitable<LeaseAnswer> {
    if (this.#isPaused()) return 'unavailable';
    return this.#read<LeaseAnswer>(
      key,
      () => this.#layer.lease(key, duration),
      'unavailable',
      () => this.#missed.addKey(key), // it may have been granted, and would then make all callers wait
    );
  }

  release(lease: Lease): Awaitable<void> {
    return this.#change(
      lease.key,
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

  /** A value that a pending invalidation may cover is not used. */
  #read<T>(key: string, work: () => Awaitable<T>, otherwise: T, remember?: () => void): Awaitable<T> {
    if (!this.#missed.isEmpty) this.#catchUp();
    if (this.#missed.covers(key) || this.#isPaused(this.#readsResumeAt)) return otherwise;
    return this.#attempt(work, otherwise, remember);
  }

  /** @param key the only key concerned; undefined if there may be others */
  #change<T>(key: string | undefined, work: () => Awaitable<T>, remember: () => void, otherwise: T): Awaitable<T> {
    if (this.#isDestroyed) return otherwise;
    if (!this.#missed.isEmpty) this.#catchUp();
    const mayChange = key === undefined ? this.#missed.isEmpty : !this.#missed.covers(key);
    if (mayChange && !this.#isPaused()) return this.#attempt(work, otherwise, remember);
    remember();
    this.#scheduleCatchUp();
    return otherwise;
  }

  #isPaused(until = this.#changesResumeAt): boolean {
    return this.#pause > 0 && until > this.#clock.now();
  }

  /** @param remember records the keys to invalidate later, if the work fails */
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
      if (isPromise(result)) return result.catch(fail);
      if (this.#pause > 0 && this.#missed.isEmpty && !this.#isPaused()) this.#pause = 0;
      return result;
    } catch (error) {
      this.#leaveAlone(remember === undefined);
      return fail(error);
    }
  }

  #leaveAlone(isRead: boolean): void {
    this.#pause = Math.min(LONGEST_PAUSE, Math.max(FIRST_PAUSE, 2 * this.#pause));
    this.#changesResumeAt = this.#clock.now() + this.#pause;
    if (isRead) this.#readsResumeAt = this.#changesResumeAt;
    else this.#scheduleCatchUp();
  }

  /** Work that was pending when the layer was destroyed fails, which is nothing to report. */
  #fail(error: unknown): void {
    if (this.#isDestroyed) return;
    this.#errors++;
    callGuarded('the cache error listener', this.#onError, error, this.name);
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    process.emitWarning(`the ${this.name} cache layer failed and is not used for now: ${messageOf(error)}`, {
      code: 'TOOLOO_CACHE_LAYER_FAILED',
    });
  }

  #scheduleCatchUp(): void {
    if (this.#isDestroyed || this.#timer !== undefined) return;
    const delay = this.#pause > 0 ? Math.max(SLICE_PAUSE, this.#changesResumeAt - this.#clock.now()) : CATCH_UP_PERIOD;
    this.#timer = startTimer(
      this.#clock,
      () => {
        this.#timer = undefined;
        this.#catchUp();
        if (!this.#missed.isEmpty) this.#scheduleCatchUp();
      },
      delay,
    );
  }

  /**
   * Repeats missed invalidations: in a synchronous layer a slice of them at once, else in the background. One at a
   * time.
   */
  #catchUp(): void {
    if (this.#catchingUp !== undefined || this.#isDestroyed || this.#isPaused()) return;
    try {
      const work = this.#missed.replay(this.#layer);
      if (isPromise(work)) {
        this.#catchingUp = work
          .catch((error: unknown) => this.#fail(error))
          .finally(() => {
            this.#catchingUp = undefined;
            if (!this.#missed.isEmpty) this.#scheduleCatchUp();
          });
      } else if (this.#missed.isEmpty) {
        this.#pause = 0;
      } else {
        // No further attempt in this turn of the event loop, even if another caller reads.
        this.#changesResumeAt = this.#clock.now() + SLICE_PAUSE;
        this.#pause = FIRST_PAUSE;
        this.#scheduleCatchUp();
      }
    } catch (error) {
      this.#leaveAlone(false);
      this.#fail(error);
    }
  }
}
