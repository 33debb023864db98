/** Takes any store made for express-rate-limit: fixed windows, counted in whole requests. */
import { wallClock, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { checkOptions, clock as clockCheck, having, number, positive, type OptionChecks } from '../shared/options.js';
import { withinTimeout } from './answer-timeout.js';
import type { Quota } from './quota.js';
import { cannotResetAll } from './store-faults.js';
import type { Charge, Eventually, RateLimitStore } from './store.js';

/** The answer of such a store about a key. */
export interface ExpressRateLimitHits {
  readonly totalHits: number;
  readonly resetTime: Date | undefined;
}

/**
 * The interface `Store` of express-rate-limit 6 and later, as far as it is used.
 *
 * @example
 * import { MemoryStore } from 'express-rate-limit';
 * import type { ExpressRateLimitStoreLike } from '@tooloo/resilience';
 *
 * const store: ExpressRateLimitStoreLike = new MemoryStore();
 */
export interface ExpressRateLimitStoreLike {
  init?(options: never): Eventually<void>;
  get?(key: string): Eventually<ExpressRateLimitHits | undefined>;
  increment(key: string): Eventually<ExpressRateLimitHits>;
  decrement(key: string): Eventually<void>;
  resetKey(key: string): Eventually<void>;
  resetAll?(): Eventually<void>;
  /** True for a store in this process' memory. */
  readonly localKeys?: boolean;
}

/** The store and its window. */
export interface ExpressRateLimitStoreOptions {
  /** The caller's store. It is initialized here, and never shut down. */
  readonly store: ExpressRateLimitStoreLike;
  /** Length of a window in milliseconds. It must be `rateLimit` ÷ `refillRate` seconds for every limit. */
  readonly windowMs: number;
  /** Milliseconds after which a call fails. Default 1,000. */
  readonly timeout?: number;
  /** The clock by which a window ends. Default `wallClock`. */
  readonly clock?: Clock;
}

const OPTIONS: OptionChecks<ExpressRateLimitStoreOptions> = {
  store: having('a store of express-rate-limit', 'increment', 'decrement', 'resetKey'),
  windowMs: number({ min: 1 }),
  timeout: positive,
  clock: clockCheck,
};

/** A cost is that many increments. */
const LARGEST_COST = 100;

/**
 * Counts requests in a store of express-rate-limit. Limits on it need `algorithm: 'fixed-window'` and whole costs up to
 * 100. A refused request is counted back. Windows begin when the store says, usually with a client's first request.
 *
 * @example
 * import { MemoryStore as PeerStore } from 'express-rate-limit';
 * import { ExpressRateLimitStore, rateLimit } from '@tooloo/resilience';
 *
 * const store = new ExpressRateLimitStore({ store: new PeerStore(), windowMs: 60_000 });
 * app.use(rateLimit({ store, algorithm: 'fixed-window', rateLimit: 100, refillRate: 100 / 60 }));
 */
export class ExpressRateLimitStore implements RateLimitStore {
  readonly algorithms = ['fixed-window'] as const;
  readonly #store: ExpressRateLimitStoreLike;
  readonly #windowMs: number;
  readonly #timeout: number;
  readonly #clock: Clock;
  readonly #ready: Promise<void>;
  /** The call before, where the store is in memory. */
  #last: Promise<unknown> = Promise.resolve();
  readonly namespace: object;

  /** @throws TypeError, RangeError for an option that is missing, unknown, mistyped or out of range */
  constructor(options: ExpressRateLimitStoreOptions) {
    const checked = checkOptions('ExpressRateLimitStore', options, OPTIONS);
    const { store, windowMs, timeout = 1_000, clock = wallClock } = checked;
    if (store === undefined) throw new TypeError("ExpressRateLimitStore: option 'store' is required");
    if (windowMs === undefined) throw new TypeError("ExpressRateLimitStore: option 'windowMs' is required");
    this.#store = store;
    this.#windowMs = windowMs;
    this.#timeout = timeout;
    this.#clock = clock;
    this.namespace = store;
    this.#ready = Promise.resolve(store.init?.({ windowMs } as never));
    this.#ready.catch(() => undefined); // each call reports it
  }

  async take(charges: readonly Charge[]): Promise<boolean> {
    for (const one of charges) this.#check(one);
    const counted = await this.#settled(charges.map((one) => this.#count(one)));
    const allowed = charges.every((one, i) => one.cost === 0 || counted[i]!.totalHits <= one.quota.rateLimit);
    if (!allowed) await this.#settled(charges.map((one, i) => this.#countBack(one, counted[i])));
    charges.forEach((one, i) => this.#describe(one, counted[i]!, allowed));
    return allowed;
  }

  async refund(charges: readonly Charge[]): Promise<void> {
    for (const one of charges) this.#check(one);
    await this.#settled(charges.map((one) => this.#countBack(one)));
  }

  async read(key: string, quota: Quota): Promise<number> {
    const { totalHits } = await this.#hits(nameOf(key, quota));
    return Math.max(0, quota.rateLimit - totalHits);
  }

  /** Counts up from 0, in whole requests. */
  async write(key: string, quota: Quota, tokens: number): Promise<void> {
    const name = nameOf(key, quota);
    await this.#ask(() => this.#store.resetKey(name));
    const spent = Math.ceil(quota.rateLimit - Math.min(quota.rateLimit, Math.max(0, tokens)));
    for (let i = 0; i < spent; i++) await this.#increment(name);
  }

  async reset(key: string, quota: Quota): Promise<void> {
    await this.#ask(() => this.#store.resetKey(nameOf(key, quota)));
  }

  /** Forgets the keys of all policies: the store does not tell them apart. */
  async resetAll(): Promise<void> {
    if (this.#store.resetAll === undefined) throw cannotResetAll("express-rate-limit's store has no resetAll()");
    await this.#ask(() => this.#store.resetAll!());
  }

  /** Does nothing: the store is the caller's. */
  close(): void {
    return undefined;
  }

  #check({ quota, cost }: Charge): void {
    if (quota.window / 1000 !== this.#windowMs) {
      throw new RangeError(
        `ExpressRateLimitStore: '${quota.name}' has a window of ${quota.window / 1000} ms and the store one of ` +
          `${this.#windowMs}; set 'refillRate' to 'rateLimit' per window`,
      );
    }
    if (!Number.isInteger(cost) || cost > LARGEST_COST) {
      throw new RangeError(`ExpressRateLimitStore: a cost must be a whole number up to ${LARGEST_COST}, got ${cost}`);
    }
  }

  /** A cost above the limit is not counted: it could never be paid. */
  async #count({ key, quota, cost }: Charge): Promise<ExpressRateLimitHits> {
    const name = nameOf(key, quota);
    if (cost === 0) return this.#hits(name);
    if (cost > quota.rateLimit) {
      const { totalHits, resetTime } = await this.#hits(name);
      return { totalHits: totalHits + cost, resetTime };
    }
    let hits: ExpressRateLimitHits | undefined;
    for (let i = 0; i < cost; i++) hits = await this.#increment(name);
    return hits!;
  }

  /** Requests of a window that has ended no longer count. Counting them back would refund them twice. */
  async #countBack({ key, quota, cost }: Charge, hits?: ExpressRateLimitHits): Promise<void> {
    if (cost > quota.rateLimit) return;
    if (hits?.resetTime !== undefined && hits.resetTime.getTime() <= this.#clock.now()) return;
    for (let i = 0; i < cost; i++) await this.#ask(() => this.#store.decrement(nameOf(key, quota)));
  }

  /** A store without `get` is asked by counting up and back. */
  async #hits(name: string): Promise<ExpressRateLimitHits> {
    if (this.#store.get !== undefined) {
      const none = { totalHits: 0, resetTime: undefined };
      return this.#ask(async () => snapshot((await this.#store.get!(name)) ?? none));
    }
    const { totalHits, resetTime } = await this.#increment(name);
    await this.#ask(() => this.#store.decrement(name));
    return { totalHits: totalHits - 1, resetTime };
  }

  #describe(one: Charge, { totalHits, resetTime }: ExpressRateLimitHits, allowed: boolean): void {
    const { quota, cost } = one;
    const used = allowed ? totalHits : totalHits - cost;
    const rest = resetTime === undefined ? this.#windowMs : Math.max(0, resetTime.getTime() - this.#clock.now());
    const isShort = cost > 0 && totalHits > quota.rateLimit;
    one.remaining = Math.max(0, quota.rateLimit - used);
    one.resetAfter = used > 0 ? rest : 0;
    if (!isShort) one.retryAfter = 0;
    else one.retryAfter = cost > quota.rateLimit ? Infinity : Math.max(1, rest);
  }

  /** All are waited for, so that nothing is counted after a failure was reported. */
  async #settled<T>(work: ReadonlyArray<Promise<T>>): Promise<T[]> {
    const outcomes = await Promise.allSettled(work);
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  async #increment(name: string): Promise<ExpressRateLimitHits> {
    return this.#ask(async () => snapshot(await this.#store.increment(name)));
  }

  /**
   * Stores in memory hand out the object that they go on counting in, so that they are called one after the other:
   * else each of many requests would see what all of them counted.
   */
  async #ask<T>(operation: () => Eventually<T>): Promise<T> {
    const before = this.#store.localKeys === true ? this.#last : undefined;
    const work = withinTimeout(
      Promise.all([this.#ready, before]).then(() => operation()),
      this.#timeout,
      () => unavailable(`no answer within ${this.#timeout} ms`),
    );
    if (before !== undefined) this.#last = work.catch(() => undefined);
    try {
      return await work;
    } catch (error) {
      throw unavailable('the store failed', error);
    }
  }
}

function snapshot({ totalHits, resetTime }: ExpressRateLimitHits): ExpressRateLimitHits {
  return { totalHits, resetTime };
}

function nameOf(key: string, quota: Quota): string {
  return `${encodeURIComponent(quota.name)}:${key}`;
}

function unavailable(why: string, cause?: unknown): ResilienceError {
  if (ResilienceError.is(cause)) return cause;
  return new ResilienceError('STORE_UNAVAILABLE', `ExpressRateLimitStore: ${why}`, { cause });
}
