/** What the cases of the rate limit stores have in common. */
import { resolveQuota } from '../rate-limiting/quota.js';
import { charge, type RateLimitStore } from '../rate-limiting/store.js';

/** The store under test, and its time. */
export interface RateLimitStoreFixture {
  /** Empty. */
  readonly store: RateLimitStore;
  /** Lets time pass for the store. */
  readonly advance: (ms: number) => void | Promise<void>;
  /** Moves the clock of the store back, as a correction does. Without it, cases that need it are left out. */
  readonly setBack?: (ms: number) => void | Promise<void>;
  /** Runs after the case, even if it failed. */
  readonly close: () => void | Promise<void>;
}

/** One requirement: throws if the store does not meet it. */
export type RateLimitCheck = (store: RateLimitStore, fixture: RateLimitStoreFixture) => Promise<void>;

export const TEN_PER_SECOND = resolveQuota('client', { rateLimit: 10, refillRate: 10 });

/** How many of `attempts` requests the store admits. */
export async function admitted(
  store: RateLimitStore,
  attempts: number,
  key = 'a',
  quota = TEN_PER_SECOND,
): Promise<number> {
  let count = 0;
  for (let i = 0; i < attempts; i++) if (await store.take([charge(key, quota)])) count++;
  return count;
}
