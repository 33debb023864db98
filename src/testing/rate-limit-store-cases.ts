/** What every rate limit store must do, as cases a user can run on their own. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { resolveQuota } from '../rate-limiting/quota.js';
import { charge, type RateLimitStore } from '../rate-limiting/store.js';
import type { ConformanceCase } from './conformance-case.js';

export interface RateLimitStoreFixture {
  /** Empty. */
  readonly store: RateLimitStore;
  /** Lets time pass for the store. */
  readonly advance: (ms: number) => void | Promise<void>;
  /** Moves the store's clock back, as a correction does; the case is left out where that cannot be done. */
  readonly setBack?: (ms: number) => void | Promise<void>;
  /** Runs after the case, whatever it found. */
  readonly close: () => void | Promise<void>;
}

type Check = (store: RateLimitStore, fixture: RateLimitStoreFixture) => Promise<void>;

const TEN_PER_SECOND = resolveQuota('client', { rateLimit: 10, refillRate: 10 });
const SERVICE = resolveQuota('service', { rateLimit: 3, refillRate: 1 });
const SPENT_FOR_GOOD = resolveQuota('once', { rateLimit: 2, refillRate: 0 });
const THIRDS = resolveQuota('thirds', { rateLimit: 1, refillRate: 1 / 3 });

/** How many of `attempts` requests the store admits. */
async function admitted(store: RateLimitStore, attempts: number, key = 'a', quota = TEN_PER_SECOND): Promise<number> {
  let count = 0;
  for (let i = 0; i < attempts; i++) if (await store.take([charge(key, quota)])) count++;
  return count;
}

const CHECKS: Readonly<Record<string, Check>> = {
  'admits as many as the bucket holds, and no more': async (store) => {
    strictEqual(await admitted(store, 15), 10);
  },
  'refills at the rate, up to the capacity': async (store, { advance }) => {
    await admitted(store, 10);
    await advance(350);
    strictEqual(await admitted(store, 15), 3);
    await advance(60_000);
    strictEqual(await admitted(store, 15), 10);
  },
  'keeps what a refusal left: a token that is half there is whole a moment later': async (store, { advance }) => {
    await admitted(store, 10);
    await advance(50);
    strictEqual(await admitted(store, 3), 0);
    await advance(50);
    strictEqual(await admitted(store, 3), 1);
  },
  'admits at the microsecond that the token is there, with a rate that is no whole number': async (store, f) => {
    strictEqual(await admitted(store, 1, 'a', THIRDS), 1);
    await f.advance(2_999);
    const early = charge('a', THIRDS);
    strictEqual(await store.take([early]), false);
    strictEqual(early.retryAfter, 1);
    await f.advance(1);
    strictEqual(await admitted(store, 2, 'a', THIRDS), 1);
  },
  'says what remains and when to come back': async (store) => {
    const first = charge('a', TEN_PER_SECOND, 4);
    strictEqual(await store.take([first]), true);
    deepStrictEqual([first.remaining, first.retryAfter], [6, 0]);
    const second = charge('a', TEN_PER_SECOND, 8);
    strictEqual(await store.take([second]), false);
    deepStrictEqual([second.remaining, second.retryAfter], [6, 200]);
  },
  'does not charge a refusal': async (store) => {
    await store.take([charge('a', TEN_PER_SECOND, 9)]);
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 2)]), false);
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 1)]), true);
  },
  'keeps clients apart, and policies too': async (store) => {
    await admitted(store, 10, 'a');
    strictEqual(await admitted(store, 10, 'b'), 10);
    strictEqual(await admitted(store, 5, 'a', SERVICE), 3);
  },
  'takes from every bucket or from none': async (store) => {
    await admitted(store, 3, 'all', SERVICE);
    const own = charge('a', TEN_PER_SECOND);
    const shared = charge('all', SERVICE);
    strictEqual(await store.take([own, shared]), false);
    deepStrictEqual([own.remaining, own.retryAfter], [10, 0]);
    deepStrictEqual([shared.remaining, shared.retryAfter > 0], [0, true]);
    strictEqual(await admitted(store, 15), 10);
  },
  'resolves costs to a part of a token': async (store) => {
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 9.5)]), true);
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 0.75)]), false);
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 0.5)]), true);
    strictEqual(await store.take([charge('a', TEN_PER_SECOND, 0)]), true);
  },
  'never admits a cost above the capacity, and says that waiting is in vain': async (store) => {
    const tooMuch = charge('a', TEN_PER_SECOND, 11);
    strictEqual(await store.take([tooMuch]), false);
    deepStrictEqual([tooMuch.remaining, tooMuch.retryAfter], [10, Infinity]);
  },
  'never gives back what has no refill rate': async (store, { advance }) => {
    strictEqual(await admitted(store, 5, 'a', SPENT_FOR_GOOD), 2);
    await advance(10_000_000);
    const later = charge('a', SPENT_FOR_GOOD);
    strictEqual(await store.take([later]), false);
    strictEqual(later.retryAfter, Infinity);
  },
  'gives back what is refunded, never above the capacity': async (store) => {
    const both = [charge('a', TEN_PER_SECOND, 3), charge('all', SERVICE, 3)];
    await store.take(both);
    await store.refund(both);
    await store.refund(both);
    strictEqual(await store.read('a', TEN_PER_SECOND), 10);
    strictEqual(await store.read('all', SERVICE), 3);
  },
  'reads without taking, and a bucket nobody touched is full': async (store, { advance }) => {
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
  'adds nothing when the clock goes back, and counts on from there': async (store, { advance, setBack }) => {
    if (setBack === undefined) return;
    await admitted(store, 10);
    await setBack(3_600_000);
    strictEqual(await admitted(store, 5), 0);
    await advance(100);
    strictEqual(await admitted(store, 5), 1);
  },
  'decides requests that come together as if one after the other': async (store) => {
    const takes = Array.from({ length: 50 }, async () => store.take([charge('a', TEN_PER_SECOND)]));
    const outcomes = await Promise.all(takes);
    strictEqual(outcomes.filter(Boolean).length, 10);
  },
  'takes any text as a key': async (store) => {
    for (const key of ['', 'a b', 'a:b', '{a}', '{}', 'é\n\u0000', '\ud800', 'x'.repeat(10_000)]) {
      strictEqual(await admitted(store, 12, key), 10, JSON.stringify(key.slice(0, 20)));
    }
  },
  'keeps keys apart that differ only in their separators': async (store) => {
    await admitted(store, 10, 'a:b');
    ok(await store.take([charge('a}b', TEN_PER_SECOND)]));
    ok(await store.take([charge('b', resolveQuota('client:a', TEN_PER_SECOND))]));
  },
  'closes twice without complaint': async (store) => {
    await store.close();
    await store.close();
  },
};

/** The suite. Cases are independent of each other. */
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
