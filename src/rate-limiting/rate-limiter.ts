/** Token buckets a client, decided at once or waited for fairly: the engine behind the `rateLimit` middleware. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { hiddenKey } from '../shared/hidden-key.js';
import { startSpan } from '../shared/instrumentation.js';
import { checkOptions, checkValue, string } from '../shared/options.js';
import { BusiestKeys } from './busiest-keys.js';
import { FairQueue, type Ticket } from './fair-queue.js';
import { GuardedStore, type OnStoreError } from './guarded-store.js';
import { compactKey } from './keys.js';
import {
  checkRequest,
  LIMITER_OPTIONS,
  liveBucket,
  refuseHopeless,
  refuseUnpayable,
  storeStats,
  type Acquired,
  type Bucket,
  type Decision,
  type RateLimiterOptions,
  type RateLimiterStats,
  type WaitOptions,
} from './limiter-options.js';
import { MemoryStore } from './memory-store.js';
import { resolveQuota, type Quota } from './quota.js';
import { bucketId, charge, type Charge, type Eventually, type RateLimitStore } from './store.js';

function guarded(store: RateLimitStore, policy: OnStoreError, clock: Clock): RateLimitStore {
  return store.synchronous === true ? store : new GuardedStore(store, policy, clock);
}

/**
 * Limits clients by token buckets: each may spend `rateLimit` tokens at once, and `refillRate` return each second. A
 * refusal is never charged. Clients are told apart by an id of the caller's choice.
 */
export class RateLimiter<S extends RateLimitStore = MemoryStore> {
  readonly #store: RateLimitStore;
  readonly #ownsStore: boolean;
  readonly #queue: FairQueue;
  readonly #quota: Quota;
  readonly #overrides = new Map<string, Quota>();
  readonly #fair: boolean;
  readonly #maxWaitTime: number;
  readonly #busiest = new BusiestKeys();
  readonly #hideKeys: boolean;
  readonly #single: Charge[];
  #allowed = 0;
  #denied = 0;
  #queued = 0;

  /** @throws TypeError, RangeError for an option that is unknown, mistyped or out of range */
  constructor(options?: RateLimiterOptions<S>) {
    const checked: RateLimiterOptions<RateLimitStore> = checkOptions('RateLimiter', options, LIMITER_OPTIONS as never);
    const { rateLimit = 100, refillRate = 10, name = 'default', clock = monotonicClock, store } = checked;
    this.#quota = resolveQuota(name, { rateLimit, refillRate }, 'RateLimiter');
    this.#ownsStore = store === undefined;
    this.#store = guarded(store ?? new MemoryStore({ clock }), checked.onStoreError ?? 'local', clock);
    this.#maxWaitTime = checked.maxWaitTime ?? 30_000;
    this.#fair = checked.fairQueueing ?? true;
    this.#hideKeys = checked.hideKeys ?? false;
    this.#single = [charge('', this.#quota)];
    this.#queue = new FairQueue({
      clock,
      take: (charges) => this.#store.take(charges),
      refund: (charges) => this.#store.refund(charges),
      maxQueue: checked.maxQueue ?? 1_000,
    });
  }

  /** Whether decisions are made without a promise. */
  get synchronous(): boolean {
    return this.#store.synchronous === true;
  }

  /** The limit of clients that have none of their own. */
  get quota(): Quota {
    return this.#quota;
  }

  /** The limit that holds for a client. */
  quotaFor(clientId: string): Quota {
    return this.#overrides.size === 0 ? this.#quota : (this.#overrides.get(compactKey(clientId)) ?? this.#quota);
  }

  /**
   * Takes tokens from the client's bucket if they are there now and nobody waits for them. A refusal takes nothing.
   *
   * @param tokens cost of the request; 1 unless told
   * @throws ResilienceError STORE_UNAVAILABLE (as a rejection) where `onStoreError` is 'deny'
   */
  isAllowed(clientId: string, tokens = 1): Decision<S> {
    checkRequest('isAllowed', clientId, tokens);
    const key = compactKey(clientId);
    const quota = this.quotaFor(clientId);
    if (!this.synchronous) return this.take(key, [charge(key, quota, tokens)]) as Decision<S>;
    const only = this.#single[0]!; // nothing else can run meanwhile, so that one serves every decision
    only.key = key;
    only.quota = quota;
    only.cost = tokens;
    return this.take(key, this.#single) as Decision<S>;
  }

  /**
   * Takes tokens from the client's bucket, waiting for them in turn with the other clients.
   *
   * @param options.signal leaves the queue when it aborts; the promise rejects with its reason
   * @throws ResilienceError (as a rejection) ACQUIRE_TIMEOUT after `maxWaitTime`, COST_ABOVE_CAPACITY, QUEUE_FULL,
   *   SHUTTING_DOWN, STORE_UNAVAILABLE
   */
  async acquire(clientId: string, tokens = 1, options: { signal?: AbortSignal } = {}): Promise<Acquired> {
    checkRequest('acquire', clientId, tokens);
    const own = charge(compactKey(clientId), this.quotaFor(clientId), tokens);
    const waitTime = await this.wait(own.key, [own], { maxWait: this.#maxWaitTime, ...options });
    return { acquired: true, waitTime, remaining: Math.floor(own.remaining) };
  }

  /**
   * Decides on several buckets as one: all are charged or none. For callers that have more than the client's bucket.
   * Returns a promise where the store is asynchronous.
   *
   * @param flow who asks: what takes turns in the queue, and what the statistics count
   */
  take(flow: string, charges: readonly Charge[]): Eventually<boolean> {
    const allowed = this.attempt(flow, charges);
    if (typeof allowed !== 'boolean') return allowed.then((outcome) => outcome || this.#deny(flow));
    return allowed || this.#deny(flow);
  }

  /** As `take`, for one who will `wait` when refused: the refusal is not counted. */
  attempt(flow: string, charges: readonly Charge[]): Eventually<boolean> {
    if (this.#queue.size > 0 && this.#queue.isAwaited(this.#flow(flow, charges), charges)) {
      return this.#awaited(charges);
    }
    const allowed = this.#store.take(charges);
    if (typeof allowed !== 'boolean') return allowed.then((outcome) => outcome && this.#allow(flow));
    return allowed && this.#allow(flow);
  }

  /**
   * As `take`, but waits until the buckets can pay. Resolves with the milliseconds waited; rejects as `acquire` does.
   *
   * @param options.maxWait milliseconds
   * @param options.failFast rejects with ACQUIRE_TIMEOUT at once where the buckets cannot pay within `maxWait`
   */
  async wait(flow: string, charges: readonly Charge[], options: WaitOptions): Promise<number> {
    const { maxWait, signal, failFast = false } = options;
    signal?.throwIfAborted();
    try {
      refuseUnpayable(charges);
      if (await this.attempt(flow, charges)) return await this.#stillWanted(charges, signal);
      if (failFast) refuseHopeless(charges, maxWait);
      const waited = await this.#inQueue(this.#queue.join(this.#flow(flow, charges), charges, maxWait), signal);
      this.#allow(flow);
      return waited;
    } catch (error) {
      this.#deny(flow);
      throw error;
    }
  }

  /** Gives back what a request was charged that was not served after all. */
  refund(charges: readonly Charge[]): Eventually<void> {
    return this.#store.refund(charges);
  }

  /**
   * Gives a client its own limit, from now on. What the client has spent stays spent.
   *
   * @throws RangeError for a limit out of range
   */
  setLimit(clientId: string, limit: number, refillRate: number): void {
    checkValue('RateLimiter.setLimit: client id', clientId, string);
    const own = resolveQuota(this.#quota.name, { rateLimit: limit, refillRate }, 'RateLimiter.setLimit');
    this.#overrides.set(compactKey(clientId), own);
    this.#queue.wake();
  }

  /** Fills a client's bucket. */
  resetBucket(clientId: string): ReturnType<S['reset']> {
    const done = this.#store.reset(compactKey(clientId), this.quotaFor(clientId));
    const wake = (): void => this.#queue.wake();
    return (done === undefined ? wake() : done.then(wake)) as ReturnType<S['reset']>;
  }

  /** Tokens in a client's bucket now, with their fraction. */
  remaining(clientId: string): ReturnType<S['read']> {
    return this.#store.read(compactKey(clientId), this.quotaFor(clientId)) as ReturnType<S['read']>;
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
    const key = compactKey(clientId);
    const read = (quota: Quota): number => this.#store.read(key, quota) as number;
    const write = (quota: Quota, tokens: number): void => {
      void this.#store.write(key, quota, tokens);
      this.#queue.wake();
    };
    return liveBucket(() => this.quotaFor(clientId), read, write);
  }

  getStats(): RateLimiterStats {
    const decided = this.#allowed + this.#denied;
    return {
      totalRequests: decided + this.#queue.size,
      allowedRequests: this.#allowed,
      deniedRequests: this.#denied,
      queuedRequests: this.#queued,
      waitingRequests: this.#queue.size,
      allowRate: decided === 0 ? 1 : this.#allowed / decided,
      busiest: this.#busiest.top().map((busy) => (this.#hideKeys ? { ...busy, key: hiddenKey(busy.key) } : busy)),
      store: storeStats(this.#store),
    };
  }

  /** Refuses everybody who waits with SHUTTING_DOWN and closes the store, if it is the limiter's own. */
  async shutdown(): Promise<void> {
    this.#queue.close();
    if (this.#ownsStore) await this.#store.close();
  }

  /** The same as `shutdown`. */
  close(): Promise<void> {
    return this.shutdown();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  /** What takes turns: who asks, or, where turns are not wanted, nobody but the order for the same buckets. */
  #flow(flow: string, charges: readonly Charge[]): string {
    return this.#fair ? flow : charges.map(bucketId).join('\n');
  }

  /** Whoever waits came first: refused without taking, whatever the buckets hold. */
  #awaited(charges: readonly Charge[]): Eventually<boolean> {
    this.#queue.refuse(charges);
    for (const one of charges) {
      const tokens = this.synchronous ? this.#store.read(one.key, one.quota) : 0; // not worth asking elsewhere
      one.remaining = tokens as number;
    }
    return this.synchronous ? false : Promise.resolve(false);
  }

  #allow(flow: string): true {
    this.#allowed++;
    this.#busiest.record(flow, false);
    return true;
  }

  #deny(flow: string): false {
    this.#denied++;
    this.#busiest.record(flow, true);
    return false;
  }

  /** Whoever left while the store decided is not charged. */
  async #stillWanted(charges: readonly Charge[], signal: AbortSignal | undefined): Promise<number> {
    if (signal?.aborted) {
      await this.refund(charges);
      signal.throwIfAborted();
    }
    return 0;
  }

  async #inQueue(ticket: Ticket, signal: AbortSignal | undefined): Promise<number> {
    this.#queued++;
    const span = startSpan('rate_limit.wait');
    const leave = (): void => ticket.cancel(signal!.reason);
    if (signal?.aborted) leave();
    else signal?.addEventListener('abort', leave, { once: true });
    try {
      const waited = await ticket.granted;
      span?.end();
      return waited;
    } catch (error) {
      span?.end(error);
      throw error;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }
}
