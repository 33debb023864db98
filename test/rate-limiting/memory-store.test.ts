import fc from '../support/fast-check.js';
import { MemoryStore, charge, resolveQuota, type Quota } from '../../src/rate-limiting/index.js';
import { FakeClock, rateLimitStoreCases, type RateLimitStoreFixture } from '../../src/testing.js';
import { ExactBucket } from './exact-bucket.js';

function create(): RateLimitStoreFixture {
  const clock = new FakeClock();
  return {
    store: new MemoryStore({ clock }),
    advance: (ms) => clock.tick(ms),
    setBack: (ms) => clock.set(clock.now() - ms),
    close: () => undefined,
  };
}

describe('conformance', () => {
  test.each(rateLimitStoreCases)('$name', ({ run }) => run(create));
});

describe('exactness', () => {
  const client = fc.constantFrom('a', 'b', 'c');
  /** A step: the clock moves (in µs, also back), then somebody asks one bucket, or both policies' at once. */
  const step = fc.record({
    move: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 0, max: 2_000_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: -10_000_000, max: 0 }) },
      { weight: 1, arbitrary: fc.constant(100_000_000) },
    ),
    client,
    policies: fc.constantFrom<readonly number[]>([0], [1], [0, 1]),
    cost: fc.integer({ min: 0, max: 6 }),
  });
  const limit = fc.record({
    capacity: fc.integer({ min: 1, max: 50 }),
    numerator: fc.integer({ min: 1, max: 200 }),
    denominator: fc.constantFrom(1, 3, 7, 60, 3_600, 86_400),
  });

  test('under any movement of the clock, admits no token too many, and refuses none that is available', () => {
    fc.assert(
      fc.property(fc.tuple(limit, limit), fc.array(step, { maxLength: 60 }), (limits, steps) => {
        const clock = new FakeClock();
        let wall = clock.now() * 1000;
        let now = 0n;
        const store = new MemoryStore({ clock });
        const quotas: Quota[] = limits.map(({ capacity, numerator, denominator }, i) =>
          resolveQuota(`p${i}`, { rateLimit: capacity, refillRate: numerator / denominator }),
        );
        const exact = new Map<string, ExactBucket>();
        const bucket = (i: number, key: string): ExactBucket => {
          const { capacity, numerator, denominator } = limits[i]!;
          const rate = [BigInt(numerator), BigInt(denominator)] as const;
          const id = `${i}/${key}`;
          if (!exact.has(id)) exact.set(id, new ExactBucket({ capacity: BigInt(capacity), rate }, now));
          return exact.get(id)!;
        };
        for (const { move, client: key, policies, cost } of steps) {
          wall += move;
          clock.set(wall / 1000);
          if (move > 0) now += BigInt(move); // what goes back does not count
          // A bucket first made now has seen no time before: exactly what an absent one means.
          const expected = policies.map((i) => bucket(i, key).canPay(BigInt(cost), now)).every(Boolean);
          if (expected) policies.forEach((i) => bucket(i, key).take(BigInt(cost), now));
          expect(store.take(policies.map((i) => charge(key, quotas[i]!, cost)))).toBe(expected);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('what `retryAfter` says is the first moment that would do, to the microsecond', () => {
    fc.assert(
      fc.property(limit, fc.integer({ min: 1, max: 50 }), ({ capacity, numerator, denominator }, wanted) => {
        const cost = Math.min(wanted, capacity);
        const quota = resolveQuota('p', { rateLimit: capacity, refillRate: numerator / denominator });
        const clock = new FakeClock(0);
        const store = new MemoryStore({ clock });
        store.write('a', quota, 0);
        const refused = charge('a', quota, cost);
        expect(store.take([refused])).toBe(false);
        const wait = refused.retryAfter;
        clock.set(wait - 0.001);
        expect(store.take([charge('a', quota, cost)])).toBe(false);
        clock.set(wait);
        expect(store.take([charge('a', quota, cost)])).toBe(true);
      }),
    );
  });

  test.each(['fixed-window', 'sliding-window'] as const)(
    'what `retryAfter` says of a %s is the first moment that would do, and no window admits more than the limit',
    (algorithm) => {
      const steps = fc.array(
        fc.record({ wait: fc.integer({ min: 0, max: 1_500_000 }), cost: fc.integer({ min: 0, max: 7 }) }),
        { minLength: 1, maxLength: 30 },
      );
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 20 }), fc.constantFrom(1, 3, 7), steps, (limit, seconds, given) => {
          const quota = resolveQuota('w', { rateLimit: limit, refillRate: limit / seconds, algorithm });
          const clock = new FakeClock(0);
          const store = new MemoryStore({ clock });
          const admitted = new Map<number, number>();
          let now = 0;
          for (const { wait, cost } of given) {
            now += wait;
            clock.set(now / 1000);
            const one = charge('a', quota, cost);
            const window = Math.floor(now / quota.window);
            if (store.take([one])) admitted.set(window, (admitted.get(window) ?? 0) + cost);
            else if (cost > limit) expect(one.retryAfter).toBe(Infinity);
            else {
              const first = now + Math.round(one.retryAfter * 1000);
              clock.set((first - 1) / 1000);
              expect(store.take([charge('a', quota, cost)])).toBe(false);
              clock.set(first / 1000);
              expect(store.take([charge('a', quota, cost)])).toBe(true);
              const then = Math.floor(first / quota.window);
              admitted.set(then, (admitted.get(then) ?? 0) + cost);
              now = first;
            }
            for (const count of admitted.values()) expect(count).toBeLessThanOrEqual(limit);
          }
        }),
        { numRuns: 300 },
      );
    },
  );

  test('a window below a second holds', () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ clock });
    const quota = resolveQuota('p', { rateLimit: 5, refillRate: 50 });
    let admitted = 0;
    for (let ms = 0; ms < 1000; ms++) {
      for (let i = 0; i < 10; i++) if (store.take([charge('a', quota)])) admitted++;
      clock.tick(1);
    }
    expect(admitted).toBe(5 + 49); // the burst, and a token every 20 ms after
  });
});

describe('memory', () => {
  const quota = resolveQuota('p', { rateLimit: 10, refillRate: 1 });

  test('is bounded for any number of keys, and a client that is limited stays limited', () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ maxKeys: 2_000, clock });
    for (let i = 0; i < 10; i++) store.take([charge('attacker', quota)]);
    for (let i = 0; i < 50_000; i++) {
      store.take([charge(`key-${i}`, quota)]);
      if (i % 100 === 0) expect(store.take([charge('attacker', quota)])).toBe(false);
    }
    expect(store.size).toBe(2_000);
    expect(store.evictions).toBe(48_001);
    expect(store.take([charge('attacker', quota)])).toBe(false);
  });

  test.each([true, false])('warns once when it gives up buckets in use, if asked to (%p)', (warnings) => {
    const given = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const own = resolveQuota(`evicting ${warnings}`, { rateLimit: 10, refillRate: 1 });
    const store = new MemoryStore({ maxKeys: 10, clock: new FakeClock(), warnings });
    for (let i = 0; i < 10; i++) store.take([charge(`key-${i}`, own)]);
    expect(given).not.toHaveBeenCalled();
    for (let i = 10; i < 50; i++) store.take([charge(`key-${i}`, own)]);
    const codes = given.mock.calls.map(([text, options]) => [text, (options as { code?: string }).code]);
    given.mockRestore();
    const expected = [expect.stringContaining(`'evicting true'`), 'TOOLOO_LIMIT_EVICTIONS'];
    expect(codes).toEqual(warnings ? [expected] : []);
  });

  test('lets refilled buckets go as new keys come', () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ clock });
    for (let i = 0; i < 100_000; i++) {
      store.take([charge(`key-${i}`, quota)]);
      clock.tick(1); // each bucket is full again after a second, that is a thousand keys later
    }
    expect(store.size).toBeLessThan(2_500);
    expect(store.evictions).toBe(0);
  });

  test('is given back after an attack, also when no new key comes', () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ clock });
    for (let i = 0; i < 20_000; i++) store.take([charge(`key-${i}`, quota)]);
    expect(store.size).toBe(20_000);
    clock.tick(60_000);
    for (let i = 0; i < 20_000 * 8; i++) store.take([charge('steady', quota, 0)]);
    expect(store.size).toBeLessThan(10);
  });
});

test.each([
  [{ maxKeys: 0 }, RangeError],
  [{ maxKeys: '5' }, TypeError],
  [{ maxkeys: 5 }, TypeError],
  [{ clock: {} }, TypeError],
])('refuses the options %p', (options, error) => {
  expect(() => new MemoryStore(options as never)).toThrow(error);
});

test('limits above what can be counted exactly are refused', () => {
  expect(() => resolveQuota('p', { rateLimit: 1e10, refillRate: 1 })).toThrow(RangeError);
  expect(() => resolveQuota('p', { rateLimit: 1, refillRate: -1 })).toThrow(RangeError);
  expect(() => resolveQuota('p\n', { rateLimit: 1, refillRate: 1 })).toThrow(RangeError);
});

describe('in a loop, where decisions share readings of the clock', () => {
  test('a refusal is never of a time that has passed: a loop that waits for its token gets it', () => {
    const store = new MemoryStore();
    const quota = resolveQuota('spin', { rateLimit: 1, refillRate: 1_000 });
    for (let i = 0; i < 20; i++) while (!store.take([charge('a', quota)]));
    expect(store.size).toBe(1);
  });

  test('what is admitted stays within the limit and what returned meanwhile', () => {
    const store = new MemoryStore();
    const quota = resolveQuota('loop', { rateLimit: 100, refillRate: 5_000 });
    const start = performance.now();
    let admitted = 0;
    for (let i = 0; i < 200_000; i++) if (store.take([charge('a', quota)])) admitted++;
    const elapsed = performance.now() - start;
    expect(admitted).toBeGreaterThanOrEqual(100);
    expect(admitted).toBeLessThanOrEqual(100 + (elapsed / 1_000) * 5_000);
  });
});
