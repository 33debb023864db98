import { randomUUID } from 'node:crypto';
import { PATIENT, until } from '../support/eventually.js';
import fc from '../support/fast-check.js';
import { Redis } from 'ioredis';
import { charge, RateLimiter, resolveQuota } from '../../src/rate-limiting/index.js';
import { RedisStore, type RedisScriptClient } from '../../src/redis.js';
import { FakeClock, rateLimitStoreCases, type RateLimitStoreFixture } from '../../src/testing.js';
import { describeWith, redisService } from '../support/services.js';
import { ExactBucket } from './exact-bucket.js';
import { storedBucket } from './stored-bucket.js';

const once = resolveQuota('once', { rateLimit: 10, refillRate: 0 });

describeWith(redisService, 'RedisStore', (url) => {
  let client: Redis;
  let prefix: string;

  beforeAll(() => {
    client = new Redis(url);
  });
  beforeEach(() => {
    prefix = `{test-${randomUUID()}}:`;
  });
  afterEach(async () => {
    const keys = await client.keys(`${prefix.replace(/[{}]/g, '?')}*`);
    if (keys.length > 0) await client.del(...keys);
  });
  afterAll(() => client.disconnect());

  /** The real client behind hooks: evalsha goes through `before`. */
  function watched(before: (args: readonly unknown[]) => unknown, isCluster = false): RedisScriptClient {
    return {
      isCluster,
      eval: (script, keys, ...args) => client.eval(script, keys, ...args),
      evalsha: async (sha, keys, ...args) => {
        await before(args);
        return client.evalsha(sha, keys, ...args);
      },
    };
  }

  function create(): RateLimitStoreFixture {
    const clock = new FakeClock();
    const store = new RedisStore({ client, prefix: `{test-${randomUUID()}}:`, clock, timeout: PATIENT, instances: 1 });
    return {
      store,
      advance: (ms) => clock.tick(ms),
      setBack: (ms) => clock.set(clock.now() - ms),
      close: () => store.close(),
    };
  }

  describe('conformance', () => {
    beforeAll(async () => {
      await client.ping();
    });
    test.each(rateLimitStoreCases)('$name', ({ run }) => run(create));
    afterAll(async () => {
      const left = await client.keys('?test-*');
      if (left.length > 0) await client.del(...left);
    });
  });

  test('is exact by the server’s script too, under any movement of the clock', async () => {
    const step = fc.record({
      move: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 0, max: 2_000_000 }) },
        { weight: 1, arbitrary: fc.integer({ min: -10_000_000, max: 0 }) },
      ),
      cost: fc.integer({ min: 0, max: 6 }),
    });
    const limit = fc.record({
      capacity: fc.integer({ min: 1, max: 50 }),
      numerator: fc.integer({ min: 1, max: 200 }),
      denominator: fc.constantFrom(1, 3, 7, 60, 3_600, 86_400),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(limit, fc.array(step, { maxLength: 40 }), async (given, steps) => {
        const { capacity, numerator, denominator } = given;
        const clock = new FakeClock();
        const store = new RedisStore({ client, prefix, clock, timeout: PATIENT, instances: 1 });
        const quota = resolveQuota(`p${run++}`, { rateLimit: capacity, refillRate: numerator / denominator });
        let now = BigInt(clock.now()) * 1000n;
        const rate = [BigInt(numerator), BigInt(denominator)] as const;
        const exact = new ExactBucket({ capacity: BigInt(capacity), rate }, now);
        for (const { move, cost } of steps) {
          now += BigInt(move);
          clock.set(Number(now) / 1000);
          expect(await store.take([charge('a', quota, cost)])).toBe(exact.take(BigInt(cost), now));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('by the server’s clock, admits what the bucket held and what returned meanwhile, to the token', async () => {
    const quota = resolveQuota('p', { rateLimit: 100, refillRate: 300 });
    const store = new RedisStore({ client, prefix, timeout: PATIENT });
    const key = `${prefix}b:p:a`;
    await store.write('a', quota, 0);
    const { time: began } = await storedBucket(client, key);
    let admitted = 0;
    for (let round = 0; round < 20; round++) {
      const batch = await Promise.all(Array.from({ length: 100 }, () => store.take([charge('a', quota)])));
      admitted += batch.filter(Boolean).length;
    }
    const { debt, time: ended } = await storedBucket(client, key);
    const returned = (ended - began) * quota.unitsPerMicrosecond;
    expect(quota.capacity + admitted * quota.unitsPerToken - returned).toBe(debt);
  });

  test('one script call serves all decisions of a turn, and a decision is never more than one', async () => {
    const calls = jest.spyOn(client, 'evalsha');
    const store = new RedisStore({ client, prefix, timeout: PATIENT, instances: 1 });
    await store.take([charge('warm', once)]);
    calls.mockClear();
    const takes = Array.from({ length: 50 }, (_, i) => store.take([charge(`k${i % 4}`, once), charge('all', once, 0)]));
    expect((await Promise.all(takes)).filter(Boolean)).toHaveLength(40);
    expect(calls).toHaveBeenCalledTimes(1);
    await store.take([charge('a', once), charge('b', once), charge('c', once)]);
    expect(calls).toHaveBeenCalledTimes(2);
    calls.mockRestore();
  });

  test('buckets expire once they are full, and leave no key', async () => {
    const store = new RedisStore({ client, prefix, timeout: PATIENT, instances: 1 });
    const quota = resolveQuota('p', { rateLimit: 10, refillRate: 2 });
    await store.take([charge('a', quota, 4)]);
    const ttl = await client.pttl(`${prefix}b:p:a`);
    expect(ttl).toBeGreaterThan(55_000);
    expect(ttl).toBeLessThanOrEqual(62_000);
    await store.reset('a', quota);
    await store.take([charge('a', quota, 0)]);
    expect(await client.exists(`${prefix}b:p:a`)).toBe(0);
    await store.take([charge('a', once)]);
    expect(await client.pttl(`${prefix}b:once:a`)).toBe(-1); // nothing returns: forgetting would
  });

  test('a script the server does not know is loaded, once', async () => {
    await client.script('FLUSH');
    const loads = jest.spyOn(client, 'eval');
    const store = new RedisStore({ client, prefix, timeout: PATIENT, instances: 1 });
    expect(await store.take([charge('a', once)])).toBe(true);
    expect(await store.read('a', once)).toBe(9);
    expect(loads).toHaveBeenCalledTimes(1);
    loads.mockRestore();
  });

  test('counts the processes that share it', async () => {
    const stores = Array.from(
      { length: 3 },
      () => new RedisStore({ client, prefix, timeout: PATIENT, maxInstances: 1 }),
    );
    for (const store of stores) await store.take([charge('a', once)]);
    await client.ping(); // the counts travel behind the decisions
    expect(stores[2]!.instances).toBe(3);
    expect(new RedisStore({ client, prefix, instances: 7 }).instances).toBe(7);
    expect(new RedisStore({ client, prefix, maxInstances: 9 }).instances).toBe(9); // until they have been counted
  });

  test('a command that arrives after its time does nothing', async () => {
    let hold: Promise<void> | undefined;
    const slow = watched(() => hold);
    const store = new RedisStore({ client: slow, prefix, timeout: 100, instances: 1 });
    const patient = new RedisStore({ client, prefix, timeout: PATIENT, instances: 1 });
    // The first answer in time has the server's time. On a busy machine others may be late before it.
    await until(() => store.read('a', once).then(Number.isFinite, () => false));
    const before = await patient.read('a', once);
    let letGo!: () => void;
    hold = new Promise((resolve) => (letGo = resolve));
    await expect(store.take([charge('a', once)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    letGo();
    hold = undefined;
    await client.ping();
    expect(await patient.read('a', once)).toBe(before);
  });

  test('a cluster gets the keys in one slot, or, spread, one decision a call', async () => {
    const sent: unknown[][] = [];
    const cluster = watched((args) => sent.push([...args]), true);
    const bare = prefix.replace(/[{}]/g, '#');
    const take = (given: string, spread = false): Promise<unknown> => {
      const store = new RedisStore({ client: cluster, prefix: given, spread, timeout: PATIENT, instances: 1 });
      return Promise.all(['a', 'b', 'c'].map((key) => store.take([charge(key, once)])));
    };
    await take(prefix);
    expect(sent).toHaveLength(1);
    await take(bare);
    expect(sent).toHaveLength(2);
    expect(sent[1]![0]).toBe(`{${bare}}b:once:a`);
    await take(bare, true);
    expect(sent).toHaveLength(5);
    expect(sent[4]![0]).toBe(`${bare}b:once:c`);
    await client.del(...(await client.keys(`*${bare}*`)));
  });

  test('the limiter and the middleware run on it unchanged', async () => {
    const store = new RedisStore({ client, prefix, timeout: PATIENT });
    const limiter = new RateLimiter({ rateLimit: 3, refillRate: 0, store });
    const decisions = await Promise.all(Array.from({ length: 5 }, () => limiter.isAllowed('a')));
    expect(decisions).toEqual([true, true, true, false, false]);
    expect(limiter.getStats().store.available).toBe(true);
    await limiter.close();
  });
});

const anyClient = { eval: jest.fn(), evalsha: jest.fn() };

test.each<[object, RegExp]>([
  [{}, /'client' is required/],
  [{ client: {} }, /'client'/],
  [{ client: anyClient, timeout: 0 }, /'timeout'/],
  [{ client: anyClient, instances: 'many' }, /'instances'/],
  [{ client: anyClient, prefix: '' }, /'prefix'/],
])('refuses the options %#', (options, message) => {
  expect(() => new RedisStore(options as never)).toThrow(message);
});
