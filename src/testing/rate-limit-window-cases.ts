/** The requirements on rate limit stores that have fixed or sliding windows. A store without them passes. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { resolveQuota, type Algorithm, type Quota } from '../rate-limiting/quota.js';
import { charge, type RateLimitStore } from '../rate-limiting/store.js';
import { admitted, TEN_PER_SECOND, type RateLimitCheck, type RateLimitStoreFixture } from './rate-limit-check.js';

const FIXED = resolveQuota('fixed', { rateLimit: 10, refillRate: 10, algorithm: 'fixed-window' });
const SLIDING = resolveQuota('sliding', { rateLimit: 10, refillRate: 10, algorithm: 'sliding-window' });

function has(store: RateLimitStore, algorithm: Algorithm): boolean {
  return (store.algorithms ?? ['token-bucket']).includes(algorithm);
}

/** Moves the clock to the beginning of the next window, regardless of the store's start time. */
async function toWindowStart(
  store: RateLimitStore,
  quota: Quota,
  advance: RateLimitStoreFixture['advance'],
): Promise<void> {
  const probe = charge('probe', quota);
  await store.take([probe]);
  await advance(probe.resetAfter! % 1_000);
}

export const WINDOW_CHECKS: Readonly<Record<string, RateLimitCheck>> = {
  'a fixed window starts again at a multiple of its length': async (store, { advance }) => {
    if (!has(store, 'fixed-window')) return;
    const first = charge('a', FIXED, 4);
    strictEqual(await store.take([first]), true);
    deepStrictEqual([first.remaining, first.retryAfter], [6, 0]);
    strictEqual(await admitted(store, 10, 'a', FIXED), 6);
    const refused = charge('a', FIXED);
    strictEqual(await store.take([refused]), false);
    ok(refused.retryAfter > 0 && refused.retryAfter <= 1_000, `retryAfter ${refused.retryAfter}`);
    strictEqual(refused.resetAfter, refused.retryAfter);
    await advance(refused.retryAfter - 1);
    strictEqual(await admitted(store, 3, 'a', FIXED), 0);
    await advance(1);
    strictEqual(await admitted(store, 15, 'a', FIXED), 10);
    const tooMuch = charge('a', FIXED, 11);
    strictEqual(await store.take([tooMuch]), false);
    strictEqual(tooMuch.retryAfter, Infinity);
  },
  'a sliding window reduces the weight of the previous window gradually': async (store, { advance }) => {
    if (!has(store, 'sliding-window')) return;
    await toWindowStart(store, SLIDING, advance);
    strictEqual(await admitted(store, 15, 'a', SLIDING), 10);
    const refused = charge('a', SLIDING);
    strictEqual(await store.take([refused]), false);
    deepStrictEqual([refused.retryAfter, refused.resetAfter], [1_100, 2_000]);
    await advance(1_099);
    strictEqual(await admitted(store, 2, 'a', SLIDING), 0);
    await advance(1);
    strictEqual(await admitted(store, 2, 'a', SLIDING), 1);
    await advance(400);
    strictEqual(await admitted(store, 9, 'a', SLIDING), 4);
    await advance(2_000);
    strictEqual(await admitted(store, 15, 'a', SLIDING), 10);
  },
  'a shorter window forgives nothing that a longer one counted': async (store, { advance }) => {
    for (const algorithm of ['fixed-window', 'sliding-window'] as const) {
      if (!has(store, algorithm)) continue;
      const long = resolveQuota(algorithm, { rateLimit: 10, refillRate: 1, algorithm });
      const short = resolveQuota(algorithm, { rateLimit: 2, refillRate: 2, algorithm });
      const probe = charge('probe', long);
      await store.take([probe]);
      await advance(probe.resetAfter! % 10_000);
      strictEqual(await admitted(store, 12, 'a', long), 10);
      for (let second = 0; second < 4; second++) {
        strictEqual(await admitted(store, 1, 'a', short), 0);
        strictEqual(await admitted(store, 1, 'a', long), 0);
        await advance(1_500);
      }
      await advance(20_000);
      strictEqual(await admitted(store, 12, 'a', short), 2);
    }
  },
  'what is spent after a refund counts in the current window': async (store, { advance }) => {
    if (!has(store, 'sliding-window')) return;
    await toWindowStart(store, SLIDING, advance);
    const all = charge('a', SLIDING, 10);
    await store.take([all]);
    await advance(1_000);
    await store.refund([all]);
    strictEqual(await admitted(store, 12, 'a', SLIDING), 10);
    await advance(500);
    strictEqual(await admitted(store, 1, 'a', SLIDING), 0);
    await advance(600);
    strictEqual(await admitted(store, 2, 'a', SLIDING), 1);
  },
  'windows give back, set, reset and charge all or none': async (store) => {
    for (const quota of [FIXED, SLIDING]) {
      if (!has(store, quota.algorithm)) continue;
      strictEqual(await admitted(store, 12, 'b', quota), 10);
      await store.refund([charge('b', quota, 3)]);
      strictEqual(await admitted(store, 5, 'b', quota), 3);
      const own = charge('c', TEN_PER_SECOND);
      strictEqual(await store.take([charge('b', quota), own]), false);
      strictEqual(own.remaining, 10);
      await store.reset('b', quota);
      strictEqual(await store.read('b', quota), 10);
      await store.write('b', quota, 2);
      strictEqual(await admitted(store, 5, 'b', quota), 2);
    }
  },
};
