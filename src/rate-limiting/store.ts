/** What a limiter asks of the place where its buckets are. Both stores, and a user's own, pass one conformance suite. */
import type { Quota } from './quota.js';

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
}

/** A new part of a decision, to be passed to `RateLimitStore.take`. */
export function charge(key: string, quota: Quota, cost = 1): Charge {
  return { key, quota, cost, remaining: 0, retryAfter: 0 };
}

/** Names the bucket among all of a store. */
export function bucketId({ quota, key }: Charge): string {
  return `${quota.name}\n${key}`; // a policy's name has no line break
}

/** A value, or the promise of one from a store that has to ask elsewhere. */
export type Eventually<T> = T | Promise<T>;

/**
 * Keeps token buckets. A bucket nobody has touched is full. Operations on one store are atomic, also between
 * processes where the store is shared. What fails rejects (or throws): a failure is never reported as "limited".
 */
export interface RateLimitStore {
  /** True when every method returns its value itself, never a promise: limiters then take a path without promises. */
  readonly synchronous?: boolean;
  /** How many processes share the store, where it knows: on its failure each limits to that part alone. */
  readonly instances?: number;
  /** Takes every cost, or none where one bucket cannot pay: a refusal charges nobody. The quota names are distinct. */
  take(charges: readonly Charge[]): Eventually<boolean>;
  /** Gives back what `take` took: the request was not served after all. Never above the capacity. */
  refund(charges: readonly Charge[]): Eventually<void>;
  /** Tokens in the bucket now. */
  read(key: string, quota: Quota): Eventually<number>;
  /** Sets the tokens in the bucket, within 0 and the capacity. */
  write(key: string, quota: Quota, tokens: number): Eventually<void>;
  /** Forgets the bucket: it is full again. */
  reset(key: string, quota: Quota): Eventually<void>;
  /** Releases what the store holds. Closing again does nothing. */
  close(): Eventually<void>;
}
