/** A token bucket per client, with immediate decisions or fair waiting: the engine behind the `rateLimit` middleware. */
import { monotonicClock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { withPresentNames } from '../shared/former-options.js';
import { checkOptions, checkValue, oneOf } from '../shared/options.js';
import { ClientLimits } from './client-limits.js';
import { DecisionCounts } from './decision-counts.js';
import { FairQueue, waitFor } from './fair-queue.js';
import { GuardedStore, type StoreChange } from './guarded-store.js';
import {
  checkAlgorithm,
  checkRequest,
  FORMER_LIMITER_NAMES,
  LIMITER_OPTIONS,
  liveBucket,
  refuseHopeless,
  refuseUnpayable,
  storeFor,
  storeStats,
  type Acquired,
  type Bucket,
  type Decision,
  type RateLimiterOptions,
  type RateLimiterStats,
  type WaitOptions,
} from './limiter-options.js';
import type { MemoryStore } from './memory-store.js';
import { resolveQuota, type Quota } from './quota.js';
import { cannotResetAll } from './store-faults.js';
import { claimName } from './shared-names.js';
import { charge, type Charge, type Eventually, type RateLimitStore } from './store.js';

/**
 * Limits clients by token buckets: each may spend `rateLimit` tokens at once, and `refillRate` return each second. A
 * refusal is never charged. The caller chooses the ids of the clients.
 *
 * @example
 * import { RateLimiter } from '@tooloo/resilience';
 *
 * const limiter = new RateLimiter({ rateLimit: 100, refillRate: 10 });
 * if (!limiter.isAllowed('user-42')) throw new Error('try again later');
 * await limiter.acquire('user-42', 5, { signal: AbortSignal.timeout(2000) });
 */
export class RateLimiter<S extends RateLimitStore = MemoryStore> {
  readonly #store: RateLimitStore;
  readonly #ownsStore: boolean;
  readonly #queue: FairQueue;
  readonly #limits: ClientLimits;
  readonly #giveNameBack: (() => void) | undefined;
  readonly #maxWaitTime: number;
  readonly #counts: DecisionCounts;
  readonly #single: Charge[];

  /** @throws TypeError, RangeError for an option that is unknown, mistyped or out of range */
  constructor(options?: RateLimiterOptions<S>) {
    const named = withPresentNames('RateLimiter', options, FORMER_LIMITER_NAMES);
    const checked: RateLimiterOptions<RateLimitStore> = checkOptions('RateLimiter', named, LIMITER_OPTIONS as never);
    const { rateLimit = 100, refillRate = 10, name = 'default', clock = monotonicClock, store, algorithm } = checked;
    const quota = resolveQuota(name, { rateLimit, refillRate, algorithm }, 'RateLimiter');
    checkAlgorithm(store, quota);
    const { warnings, onStoreError: policy = 'local', identify } = checked;
    this.#limits = new ClientLimits(quota, identify);
    this.#ownsStore = store === undefined;
    this.#giveNameBack = store && claimName(store, quota, { isNamed: checked.name !== undefined, warnings });
    this.#store = storeFor(store, { policy, clock, place: `rate limiter '${name}'`, warnings });
    this.compare(quota);
    this.#maxWaitTime = checked.maxWaitTime ?? 30_000;
    this.#counts = new DecisionCounts(checked.hideKeys ?? false);
    this.#single = [charge('', quota)];
    this.#queue = new FairQueue({
      clock,
      take: (charges) => this.#store.take(charges),
      refund: (charges) => this.#store.refund(charges),
      maxQueue: checked.maxQueue ?? 1_000,
      takesTurns: checked.fairQueueing,
    });
  }

  /** Whether decisions are made without a promise. */
  get synchronous(): boolean {
    return this.#store.synchronous === true;
  }

  /** The limit of clients that have none of their own. */
  get quota(): Quota {
    return this.#limits.usual;
  }

  /** The limit that holds for a client. */
  quotaFor(clientId: string): Quota {
    return this.#limits.of(this.#limits.keyOf(clientId));
  }

  /** As `quotaFor`, for the key of a bucket: what `take` is given. */
  quotaOf(key: string): Quota {
    return this.#limits.of(key);
  }

  /**
   * Takes tokens from the client's bucket, if it has them and no other caller waits for them. A refusal takes nothing.
   *
   * @param tokens cost of the request. Default 1
   * @throws ResilienceError STORE_UNAVAILABLE (as a rejection) where `onStoreError` is 'deny'
   */
  isAllowed(clientId: string, tokens = 1): Decision<S> {
    checkRequest('isAllowed', clientId, tokens);
    const key = this.#limits.keyOf(clientId);
    const quota = this.#limits.of(key);
    if (!this.synchronous) return this.take(key, [charge(key, quota, tokens)]) as Decision<S>;
    const only = this.#single[0]!; // nothing else can run meanwhile, so that one serves every decision
    only.key = key;
    only.quota = quota;
    only.cost = tokens;
    return this.take(key, this.#single) as Decision<S>;
  }

  /**
   * Takes tokens from the client's bucket. Waits for them in turn with the other clients.
   *
   * @param options.signal leaves the queue when it aborts; the promise rejects with its reason
   * @throws ResilienceError (as a rejection) ACQUIRE_TIMEOUT after `maxWaitTime`, COST_ABOVE_CAPACITY, QUEUE_FULL,
   *   SHUTTING_DOWN, STORE_UNAVAILABLE
   */
  async acquire(clientId: string, tokens = 1, options: { signal?: AbortSignal } = {}): Promise<Acquired> {
    checkRequest('acquire', clientId, tokens);
    const key = this.#limits.keyOf(clientId);
    const own = charge(key, this.#limits.of(key), tokens);
    const waitTime = await this.wait(own.key, [own], { maxWait: this.#maxWaitTime, ...options });
    return { acquired: true, waitTime, remaining: Math.floor(own.remaining) };
  }

  /**
   * Decides on several buckets as one: all are charged or none. For callers that have more than the client's bucket.
   * Returns a promise where the store is asynchronous.
   *
   * @param flow the key that takes turns in the queue and that the statistics count
   */
  take(flow: string, charges: readonly Charge[]): Eventually<boolean> {
    const allowed = this.attempt(flow, charges);
    if (typeof allowed !== 'boolean') return allowed.then((outcome) => outcome || this.#counts.deny(flow));
    return allowed || this.#counts.deny(flow);
  }

  /** As `take`, for a caller that will `wait` after a refusal: the refusal is not counted. */
  attempt(flow: string, charges: readonly Charge[]): Eventually<boolean> {
    if (this.#queue.isAwaited(flow, charges)) return this.#awaited(charges);
    const allowed = this.#store.take(charges);
    if (typeof allowed !== 'boolean') return allowed.then((outcome) => outcome && this.#counts.allow(flow));
    return allowed && this.#counts.allow(flow);
  }

  /**
   * As `take`, but waits until the buckets can pay. Resolves with the milliseconds waited; rejects as `acquire` does.
   *
   * @param options `maxWait` in milliseconds; `failFast` rejects with ACQUIRE_TIMEOUT at once if the buckets cannot pay
   *   within `maxWait`
   */
  async wait(flow: string, charges: readonly Charge[], options: WaitOptions): Promise<number> {
    const { maxWait, signal, failFast } = options;
    signal?.throwIfAborted();
    try {
      refuseUnpayable(charges);
      if (await this.attempt(flow, charges)) return await this.#stillWanted(charges, signal);
      if (failFast) refuseHopeless(charges, maxWait);
      const ticket = this.#queue.join(flow, charges, maxWait);
      this.#counts.queue();
      const waited = await waitFor(ticket, signal);
      this.#counts.allow(flow);
      return waited;
    } catch (error) {
      this.#counts.deny(flow);
      throw error;
    }
  }

  /** Warns once if other processes use another limit of this name on the same shared store. */
  compare(quota: Quota): void {
    if (this.#store instanceof GuardedStore) this.#store.watch(quota);
  }

  /** Fills charges of cost 0 with what their buckets hold now. It is not counted as a decision. */
  describe(charges: readonly Charge[]): Eventually<boolean> {
    return this.#store.take(charges);
  }

  /** Refunds a request that was not served. */
  refund(charges: readonly Charge[]): Eventually<void> {
    return this.#store.refund(charges);
  }

  /**
   * Gives a client its own limit, from now on. What the client has spent stays spent.
   *
   * @throws RangeError for a limit out of range
   */
  setLimit(clientId: string, limit: number, refillRate: number): void {
    this.#limits.set(clientId, limit, refillRate);
    this.#queue.wake();
  }

  /** Gives a client the usual limit again. Returns whether it had one of its own. */
  unsetLimit(clientId: string): boolean {
    const had = this.#limits.unset(clientId);
    this.#queue.wake();
    return had;
  }

  /** Fills a client's bucket. */
  resetBucket(clientId: string): ReturnType<S['reset']> {
    const key = this.#limits.keyOf(clientId);
    return this.#thenWake(this.#store.reset(key, this.#limits.of(key))) as ReturnType<S['reset']>;
  }

  /**
   * Fills the buckets of all clients, in the shared store too.
   *
   * @throws ResilienceError NOT_CONFIGURED where the store cannot
   */
  resetAll(): ReturnType<S['reset']> {
    if (this.#store.resetAll === undefined) throw cannotResetAll();
    return this.#thenWake(this.#store.resetAll(this.quota.name)) as ReturnType<S['reset']>;
  }

  /**
   * Calls `listener` when the shared store becomes unavailable or available again.
   *
   * @returns a function that stops listening
   */
  on(event: 'store', listener: (change: StoreChange) => unknown): () => void {
    checkValue('RateLimiter.on: event', event, oneOf('store'));
    return this.#store instanceof GuardedStore ? this.#store.onChange(listener) : () => undefined;
  }

  /** Tokens in a client's bucket now, with their fraction. */
  remaining(clientId: string): ReturnType<S['read']> {
    const key = this.#limits.keyOf(clientId);
    return this.#store.read(key, this.#limits.of(key)) as ReturnType<S['read']>;
  }

  /**
   * A live view of a client's bucket. A client never seen has a full one.
   *
   * @throws ResilienceError NOT_CONFIGURED where the store is asynchronous: use `remaining` there
   */
  getBucket(clientId: string): Bucket {
    if (!this.synchronous) {
      throw new ResilienceError('NOT_CONFIGURED', 'RateLimiter.getBucket: the store is asynchronous; use remaining()');
    }
    const key = this.#limits.keyOf(clientId);
    const quota = (): Quota => this.#limits.of(key);
    return liveBucket(this.#store, key, quota, () => this.#queue.wake());
  }

  getStats(): RateLimiterStats {
    return this.#counts.stats(this.#queue.size, storeStats(this.#store));
  }

  /** Rejects every waiting caller with SHUTTING_DOWN, and closes the store if the limiter created it. */
  async shutdown(): Promise<void> {
    this.#queue.close();
    this.#giveNameBack?.();
    if (this.#ownsStore) await this.#store.close();
    else if (this.#store instanceof GuardedStore) await this.#store.release();
  }

  /** The same as `shutdown`. */
  close(): Promise<void> {
    return this.shutdown();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  #thenWake(done: Eventually<void>): Eventually<void> {
    return done === undefined ? this.#queue.wake() : done.then(() => this.#queue.wake());
  }

  /** Refuses without taking, because another caller has waited longer for the same buckets. */
  #awaited(charges: readonly Charge[]): Eventually<boolean> {
    this.#queue.refuse(charges);
    for (const one of charges) {
      one.remaining = this.synchronous ? (this.#store.read(one.key, one.quota) as number) : 0; // not worth asking elsewhere
    }
    return this.synchronous ? false : Promise.resolve(false);
  }

  /** A caller that left while the store decided is not charged. */
  async #stillWanted(charges: readonly Charge[], signal: AbortSignal | undefined): Promise<number> {
    if (signal?.aborted) {
      await this.refund(charges);
      signal.throwIfAborted();
    }
    return 0;
  }
}
