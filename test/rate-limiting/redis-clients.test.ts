/** RedisStore over the clients that are in use beside ioredis. */
import { randomUUID } from 'node:crypto';
import { Redis as Valkey } from 'iovalkey';
import { createClient } from 'redis';
import { charge, resolveQuota } from '../../src/rate-limiting/index.js';
import { RedisStore, type RedisStoreOptions } from '../../src/redis.js';
import { FakeClock, rateLimitStoreCases, type RateLimitStoreFixture } from '../../src/testing.js';
import { PATIENT } from '../support/eventually.js';
import { describeWith, redisService } from '../support/services.js';

const once = resolveQuota('once', { rateLimit: 10, refillRate: 0 });

interface Opened {
  readonly client: RedisStoreOptions['client'];
  readonly keys: (pattern: string) => Promise<string[]>;
  readonly remove: (keys: string[]) => Promise<unknown>;
  readonly close: () => unknown;
}

async function openNodeRedis(url: string): Promise<Opened> {
  const client = createClient({ url });
  client.on('error', () => undefined);
  await client.connect();
  return {
    client,
    keys: (pattern) => client.keys(pattern),
    remove: (keys) => client.del(keys),
    close: () => client.destroy(),
  };
}

async function openValkey(url: string): Promise<Opened> {
  const client = new Valkey(url);
  await client.ping();
  return {
    client,
    keys: (pattern) => client.keys(pattern),
    remove: (keys) => client.del(...keys),
    close: () => client.disconnect(),
  };
}

describeWith(redisService, 'RedisStore', (url) => {
  describe.each([
    ['node-redis', openNodeRedis],
    ['iovalkey', openValkey],
  ])('over %s', (_name, open) => {
    let opened: Opened;
    const run = randomUUID();

    beforeAll(async () => {
      opened = await open(url);
    });
    afterAll(async () => {
      const left = await opened.keys(`?clients-${run}*`);
      if (left.length > 0) await opened.remove(left);
      await opened.close();
    });

    function create(): RateLimitStoreFixture {
      const clock = new FakeClock();
      const prefix = `{clients-${run}-${randomUUID()}}:`;
      const store = new RedisStore({ client: opened.client, prefix, clock, timeout: PATIENT, instances: 1 });
      return {
        store,
        advance: (ms) => clock.tick(ms),
        setBack: (ms) => clock.set(clock.now() - ms),
        close: () => store.close(),
      };
    }

    test.each(rateLimitStoreCases)('$name', ({ run: check }) => check(create));

    test('resetAll deletes every bucket of the policy, even if names contain special characters', async () => {
      const prefix = `{clients-${run}-x*?[a]\\}:`;
      const store = new RedisStore({ client: opened.client, prefix, timeout: PATIENT, instances: 1 });
      const other = resolveQuota('on', { rateLimit: 10, refillRate: 0 });
      const keys = Array.from({ length: 3_000 }, (_, i) => `k${i}`);
      await Promise.all(keys.map((key) => store.take([charge(key, once), charge(key, other)])));
      await store.resetAll('once');
      expect(await store.read('k7', once)).toBe(10);
      expect((await opened.keys(`?clients-${run}-x*b:once:*`)).length).toBe(0);
      expect(await store.read('k7', other)).toBe(9);
      await store.resetAll('on');
    });
  });

  test('what a node-redis client would queue is refused at once', async () => {
    const client = createClient({ url });
    const store = new RedisStore({ client, timeout: PATIENT, instances: 1 });
    await expect(store.take([charge('a', once)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(store.resetAll('once')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});
