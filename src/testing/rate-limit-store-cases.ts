/** The requirements on every rate limit store, as cases that users can run on their own stores. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { resolveQuota } from '../rate-limiting/quota.js';
import { charge } from '../rate-limiting/store.js';
import type { ConformanceCase } from './conformance-case.js';
import { admitted, TEN_PER_SECOND, type RateLimitCheck, type RateLimitStoreFixture } from './rate-limit-check.js';
import { WINDOW_CHECKS } from './rate-limit-window-cases.js';

const SERVICE = resolveQuota('service', { rateLimit: 3, refillRate: 1 });
const SPENT_FOR_GOOD = resolveQuota('once', { rateLimit: 2, refillRate: 0 });
const THIRDS = resolveQuota('thirds', { rateLimit: 1, refillRate: 1 / 3 });

const CHECKS: Readonly<Record<string, RateLimitCheck>> = {
  'admits as many requests as the bucket holds, and no more': async (store) => {
    strictEqual(await admitted(store, 15), 10);
  },
  'refills at the rate, up to the capacity': async (store, { advance }) => {
    await admitted(store, 10);
    await advance(350);
    strictEqual(await admitted(store, 15), 3);
    await advance(60_000);
    strictEqual(await admitted(store, 15), 10);
  },
  'a rejection keeps a partial token, which is whole a moment later': async (store, { advance }) => {
    await admitted(store, 10);
    await advance(50);
    strictEqual(await admitted(store, 3), 0);
    await advance(50);
    strictEqual(await admitted(store, 3), 1);
  },
  'admits in the microsecond when the token is available, with a fractional rate': async (store, f) => {
    strictEqual(await admitted(store, 1, 'a', THIRDS), 1);
    await f.advance(2_999);
    const early = charge('a', THIRDS);
    strictEqual(await store.take([early]), false);
    strictEqual(early.retryAfter, 1);
    await f.advance(1);
    strictEqual(await admitted(store, 2, 'a', THIRDS), 1);
  },
  'reports the remaining tokens and when to retry': async (store) => {
    const first = charge('a', TEN_PER_SECOND, 4);
    strictEqual(await store.take([first]), true);
    deepStrictEqual([first.remaining, first.retryAfter], [6, 0]);
    const second = charge('a', TEN_PER_SECOND, 8);
    strictEqual(await store.take([second]), false);
    deepStrictEqual([second.remaining, second.retryAfter], [6, 200]);
  },
  'does not charge a rejected request': async (store) => {
    await store.take([charge('a', TEN_PER_SECOND, 9)]);
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 2)]), false);
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 1)]), true);
  },
  'keeps clients apart, and policies too': async (store) => {
    await admitted(store, 10, 'a');
    strictEqual(await admitted(store, 10, 'b'), 10);
    strictEqual(await admitted(store, 5, 'a', SERVICE), 3);
  },
  'charges every bucket or no bucket': async (store) => {
    await admitted(store, 3, 'all', SERVICE);
    const own = charge('a', TEN_PER_SECOND);
    const shared = charge('all', SERVICE);
    strictEqual(await store.take([own, shared]), false);
    deepStrictEqual([own.remaining, own.retryAfter], [10, 0]);
    deepStrictEqual([shared.remaining, shared.retryAfter > 0], [0, true]);
    strictEqual(await admitted(store, 15), 10);
  },
  'supports costs of a fraction of a token': async (store) => {
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 9.5)]), true);
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 0.75)]), false);
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 0.5)]), true);
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 0)]), true);
  },
  'never admits a cost above the capacity, and reports that waiting is useless': async (store) => {
    const tooMuch = charge('a', TEN_PER_SECOND, 11);
    strictEqual(await store.take([tooMuch]), false);
    deepStrictEqual([tooMuch.remaining, tooMuch.retryAfter], [10, Infinity]);
  },
  'never refills a bucket without a refill rate': async (store, { advance }) => {
    strictEqual(await admitted(store, 5, 'a', SPENT_FOR_GOOD), 2);
    await advance(10_000_000);
    const later = charge('a', SPENT_FOR_GOOD);
    strictEqual(await store.take([later]), false);
    strictEqual(later.retryAfter, Infinity);
  },
  'returns refunded tokens, never above the capacity': async (store) => {
    const both = [charge('a', TEN_PER_SECOND, 3), charge('all', SERVICE, 3)];
    await store.take(both);
    await store.refund(both);
    await store.refund(both);
    strictEqual(await store.read('a', TEN_PER_SECOND), 10);
    strictEqual(await store.read('all', SERVICE), 3);
  },
  'reads without charging, and an unused bucket is full': async (store, { advance }) => {
    strictEqual(await store.read('a', TEN_PER_SECOND), 10);
    await admitted(store, 10);
    await advance(250);
    strictEqual(await store.read('a', TEN_PER_SECOND), 2.5);
    strictEqual(await store.read('a', TEN_PER_SECOND), 2.5);
  },
  'sets the tokens, within 0 and the capacity': async (store) => {
    await store.write('a', TEN_PER_SECOND, 2);
    strictEqual(await admitted(store, 5), 2);
    await store.write('a', TEN_PER_SECOND, 1_000);
    strictEqual(await store.read('a', TEN_PER_SECOND), 10);
    await store.write('a', TEN_PER_SECOND, -5);
    strictEqual(await store.read('a', TEN_PER_SECOND), 0);
  },
  'fills a bucket that is reset': async (store) => {
    await admitted(store, 10);
    await store.reset('a', TEN_PER_SECOND);
    strictEqual(await admitted(store, 15), 10);
  },
  'keeps what is spent when the limit changes': async (store) => {
    await admitted(store, 4);
    const raised = resolveQuota('client', { rateLimit: 20, refillRate: 1 / 3 });
    strictEqual(await store.read('a', raised), 16);
    strictEqual(await admitted(store, 20, 'a', raised), 16);
    const lowered = resolveQuota('client', { rateLimit: 2, refillRate: 5 });
    strictEqual(await store.read('a', lowered), 0);
  },
  'restores no tokens if a smaller limit is used in between': async (store) => {
    const small = resolveQuota('once', { rateLimit: 1, refillRate: 0 });
    const large = resolveQuota('once', { rateLimit: 9, refillRate: 0 });
    strictEqual(await admitted(store, 12, 'a', large), 9);
    for (let round = 0; round < 3; round++) {
      const refused = charge('a', small);
      strictEqual(await store.take([refused]), false);
      deepStrictEqual([refused.remaining, refused.retryAfter], [0, Infinity]);
      strictEqual(await store.read('a', small), 0);
      strictEqual(await admitted(store, 3, 'a', large), 0);
    }
    strictEqual(await store.take([charge('a', small, 0)]), true);
  },
  'refills at the rate of the limit that was in force': async (store, { advance }) => {
    const still = resolveQuota('client', { rateLimit: 10, refillRate: 0 });
    strictEqual(await admitted(store, 10, 'a', still), 10);
    await advance(5_000);
    strictEqual(await admitted(store, 10), 0); // nothing was refilled in the meantime; from here on at ten per second
    await advance(500);
    strictEqual(await admitted(store, 10), 5);
  },
  'charges tokens spent elsewhere, even beyond the capacity': async (store, { advance }) => {
    if (store.spend === undefined) return;
    const spent = charge('a', TEN_PER_SECOND, 4);
    await store.spend([spent]);
    strictEqual(spent.remaining, 6);
    await store.spend([charge('a', TEN_PER_SECOND, 16)]);
    await advance(1_000);
    strictEqual(await admitted(store, 5), 0);
    await advance(100);
    strictEqual(await admitted(store, 5), 1);
  },
  'adds no tokens when the clock goes back, and refills from there': async (store, { advance, setBack }) => {
    if (setBack === undefined) return;
    await admitted(store, 10);
    await setBack(3_600_000);
    strictEqual(await admitted(store, 5), 0);
    await advance(100);
    strictEqual(await admitted(store, 5), 1);
  },
  'decides concurrent requests as if they arrived one after the other': async (store) => {
    const takes = Array.from({ length: 50 }, async () => store.take([charge('a', TEN_PER_SECOND)]));
    const outcomes = await Promise.all(takes);
    strictEqual(outcomes.filter(Boolean).length, 10);
  },
  'accepts any text as a key': async (store) => {
    for (const key of ['', 'a b', 'a:b', '{a}', '{}', 'é\n\u0000', '\ud800', 'x'.repeat(10_000)]) {
      strictEqual(await admitted(store, 12, key), 10, JSON.stringify(key.slice(0, 20)));
    }
  },
  'distinguishes keys that differ only in their separators': async (store) => {
    await admitted(store, 10, 'a:b');
    ok(await store.take([charge('a}b', TEN_PER_SECOND)]));
    ok(await store.take([charge('b', resolveQuota('client:a', TEN_PER_SECOND))]));
  },
  ...WINDOW_CHECKS,
  'counts the different limits in use under one name': async (store) => {
    if (store.declare === undefined) return;
    const other = resolveQuota('client', { rateLimit: 20, refillRate: 10 });
    strictEqual(await store.declare(TEN_PER_SECOND), 1);
    strictEqual(await store.declare(TEN_PER_SECOND), 1);
    strictEqual(await store.declare(other), 2);
    strictEqual(await store.declare(TEN_PER_SECOND), 2);
    strictEqual(await store.declare(SERVICE), 1);
    strictEqual(await admitted(store, 12), 10);
  },
  'forgets the buckets of one policy': async (store) => {
    if (store.resetAll === undefined) return;
    await store.take([charge('a', TEN_PER_SECOND, 5), charge('all', SERVICE)]);
    await store.take([charge('b', TEN_PER_SECOND, 5)]);
    await store.resetAll('client');
    strictEqual(await store.read('a', TEN_PER_SECOND), 10);
    strictEqual(await store.read('b', TEN_PER_SECOND), 10);
    strictEqual(await store.read('all', SERVICE), 2);
  },
  'can be closed twice': async (store) => {
    await store.close();
    await store.close();
  },
};

/**
 * The suite. Cases are independent of each other.
 *
 * @example
 * import { test } from 'node:test';
 * import { MemoryStore } from '@tooloo/resilience';
 * import { FakeClock, rateLimitStoreCases } from '@tooloo/resilience/testing';
 *
 * for (const { name, run } of rateLimitStoreCases) {
 *   const clock = new FakeClock();
 *   const store = new MemoryStore({ clock }); // your store
 *   test(name, () => run(() => ({ store, advance: (ms) => clock.advance(ms), close: () => store.close() })));
 * }
 */
export const rateLimitStoreCases: ReadonlyArray<ConformanceCase<RateLimitStoreFixture>> = Object.entries(CHECKS).map(
  ([name, check]) => ({
    name,
    run: async (create) => {
      const fixture = await create();
      try {
        await check(fixture.store, fixture);
      } finally {
        await fixture.close();
      }
    },
  }),
);
