/** The interface of the stores that hold buckets. All stores, and a user's own, pass one conformance suite. */
import { refillTime, tokensLeft, unitsOf, type Algorithm, type Quota } from './quota.js';
import { windowReset, windowWait, type WindowState } from './windows.js';

/**
 * One bucket's part of a decision. The caller fills the first three members, the store the rest; a caller of a
 * synchronous store may use the same objects again for the next decision.
 */
export interface Charge {
  /** Whose bucket: unique within the quota's name. */
  key: string;
  quota: Quota;
  /** Tokens, at least 0. */
  cost: number;
  /** Out: tokens in the bucket after the decision, with their fraction. */
  remaining: number;
  /** Out: milliseconds until this bucket could pay; 0 when it can, Infinity when it never will. */
  retryAfter: number;
  /** Out, where the quota has windows: milliseconds until the whole capacity is there again. */
  resetAfter?: number;
}

/**
 * A new part of a decision, to be passed to `RateLimitStore.take`.
 *
 * @example
 * import { charge, MemoryStore, resolveQuota } from '@tooloo/resilience';
 *
 * const quota = resolveQuota('uploads', { rateLimit: 10, refillRate: 1 });
 * const isAllowed = new MemoryStore().take([charge('user-42', quota, 2)]);
 */
export function charge(key: string, quota: Quota, cost = 1): Charge {
  return { key, quota, cost, remaining: 0, retryAfter: 0 };
}

/**
 * Fills a decision's results.
 *
 * @param state the bucket after the decision, in the store's own time. The caller may use it again
 * @param taken whether the cost was charged
 */
export function describeDecision(one: Charge, state: WindowState, taken: boolean): void {
  const { quota, cost } = one;
  const units = unitsOf(quota, cost);
  const short = taken || units === 0 ? 0 : state.debt + units - quota.capacity;
  const isPayable = units <= quota.capacity;
  one.remaining = tokensLeft(quota, state.debt);
  if (quota.window === 0) {
    one.retryAfter = short > 0 && !isPayable ? Infinity : refillTime(quota, short);
    return;
  }
  one.resetAfter = windowReset(state) / 1000;
  if (short <= 0) one.retryAfter = 0;
  else one.retryAfter = isPayable ? windowWait(state, quota, units) / 1000 : Infinity;
}

/** Names the bucket among all of a store. */
export function bucketId({ quota, key }: Charge): string {
  return `${quota.name}\n${key}`; // a policy's name has no line break
}

/** A value, or the promise of one from a store that has to ask elsewhere. */
export type Eventually<T> = T | Promise<T>;

/**
 * Keeps token buckets. An unused bucket is full. Operations on one store are atomic, also between processes that share it.
 * A failed operation rejects or throws: a failure is never reported as "limited".
 *
 * @example
 * import { MemoryStore, RateLimiter, type RateLimitStore } from '@tooloo/resilience';
 *
 * const store: RateLimitStore = new MemoryStore(); // or your own class
 * const limiter = new RateLimiter({ store });
 */
export interface RateLimitStore {
  /** True when every method returns its value itself, never a promise: limiters then take a path without promises. */
  readonly synchronous?: boolean;
  /** How many processes share the store, if it knows. While the store fails, each process applies its share of the limits. */
  readonly instances?: number;
  /** The algorithms that the store has. Default: token buckets alone. */
  readonly algorithms?: readonly Algorithm[];
  /** The object that two stores share if they use the same buckets. Default: the store itself. */
  readonly namespace?: object;
  /** Takes every cost, or none if one bucket cannot pay: a refusal charges no bucket. The quota names are distinct. */
  take(charges: readonly Charge[]): Eventually<boolean>;
  /**
   * Charges every cost, even if the buckets cannot pay: it was admitted elsewhere. Fills
   * `remaining`. A store without it is charged by `take`, in as many parts as the bucket can pay.
   */
  spend?(charges: readonly Charge[]): Eventually<void>;
  /** Gives back what `take` took: the request was not served after all. Never above the capacity. */
  refund(charges: readonly Charge[]): Eventually<void>;
  /** Tokens in the bucket now. */
  read(key: string, quota: Quota): Eventually<number>;
  /** Sets the tokens in the bucket, within 0 and the capacity. */
  write(key: string, quota: Quota, tokens: number): Eventually<void>;
  /** Forgets the bucket: it is full again. */
  reset(key: string, quota: Quota): Eventually<void>;
  /**
   * Notes that this process uses a limit. Returns how many different limits of that name processes have used in the
   * last minutes: more than 1 means that they share buckets of different sizes.
   */
  declare?(quota: Quota): Eventually<number>;
  /** Forgets all buckets of a policy. */
  resetAll?(policy: string): Eventually<void>;
  /** Releases what the store holds. Closing again does nothing. */
  close(): Eventually<void>;
}
