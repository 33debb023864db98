/** The layer in Redis: the conformance suite on a real server, and its behaviour when that server is unavailable. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { compilePattern } from '../../src/caching/key-pattern.js';
import { MultiLayerCacheManager } from '../../src/index.js';
import { RedisCacheLayer } from '../../src/redis.js';
import { FakeClock, cacheLayerCases, type CacheLayerFixture } from '../../src/testing.js';
import fc from '../support/fast-check.js';
import { describeWith, redisService } from '../support/services.js';
import { RedisServer } from '../support/redis-server.js';
import { PATIENT, until } from '../support/eventually.js';

const MINUTE = 60_000;

describeWith(redisService, 'RedisCacheLayer', (url) => {
  let client: Redis;
  const prefixes: string[] = [];

  beforeAll(async () => {
    client = new Redis(url);
    await client.ping();
  });

  afterAll(async () => {
    for (const prefix of prefixes) {
      const keys = await client.keys(`${prefix}*`);
      if (keys.length > 0) await client.del(keys);
    }
    await client.quit();
  });

  const newPrefix = (): string => {
    const prefix = `cache-test-${randomUUID()}:`;
    prefixes.push(prefix);
    return prefix;
  };

  /** Lets time pass in Redis: what has not as long to live goes, the rest has less. */
  async function advance(prefix: string, ms: number): Promise<void> {
    for (const key of await client.keys(`${prefix}*`)) {
      const left = await client.pttl(key);
      if (left === -1) continue;
      if (left <= ms) await client.del(key);
      else await client.pexpire(key, left - ms);
    }
  }

  function create(options = {}): CacheLayerFixture {
    const prefix = newPrefix();
    const layer = new RedisCacheLayer({ client, prefix, defaultTTL: MINUTE, timeout: PATIENT, ...options });
    return { layer, advance: (ms) => advance(prefix, ms), close: () => layer.destroy() };
  }

  describe.each([
    ['as it is', () => create()],
    ['compressing everything', () => create({ compressionThreshold: 0 })],
  ])('%s', (_name, make) => {
    test.each(cacheLayerCases.map(({ name, run }) => [name, run] as const))('%s', (_case, run) => run(make));
  });

  test('entries outlive neither their lifetime nor their tags in Redis itself', async () => {
    const prefix = newPrefix();
    const layer = new RedisCacheLayer({ client, prefix, timeout: PATIENT });
    await layer.write('a', { value: 1, ttl: 20_000, grace: 10_000, tags: ['t'] });
    const [entry = '', tag = ''] = [`${prefix}e:{.a}`, `${prefix}t:{.t}`];
    expect(await client.pttl(entry)).toBeGreaterThan(15_000);
    expect(await client.pexpiretime(tag)).toBeGreaterThanOrEqual(await client.pexpiretime(entry));
    await layer.write('b', { value: 1, ttl: 60_000, grace: 0, tags: ['t'] });
    expect(await client.pttl(tag)).toBeGreaterThan(50_000);
    await layer.write('c', { value: 1, ttl: Infinity, grace: 0, tags: ['t'] });
    expect(await client.pttl(tag)).toBe(-1);
  });

  test('a tag whose record Redis evicted covers what it was on', async () => {
    const prefix = newPrefix();
    const layer = new RedisCacheLayer({ client, prefix, timeout: PATIENT });
    await layer.write('a', { value: 1, ttl: MINUTE, grace: 0, tags: ['t'] });
    await layer.invalidateTag('u');
    await client.del(`${prefix}t:{.t}`);
    expect(await layer.get('a')).toBeUndefined();
    await layer.write('b', { value: 1, ttl: MINUTE, grace: 0, tags: ['t'] });
    expect([await layer.get('a'), await layer.get('b')]).toEqual([undefined, 1]);
    await client.del(`${prefix}generation`);
    await layer.invalidateTag('t');
    expect(await layer.get('b')).toBeUndefined();
  });

  test('an entry and its lease share a cluster slot for any key', async () => {
    const layer = new RedisCacheLayer({ client, prefix: newPrefix(), timeout: PATIENT });
    for (const key of ['', '{}', '}{', 'a{b}c', '{a', '%', 'a\ud800']) {
      await layer.set(key, key);
      expect(await layer.get(key)).toBe(key);
      expect(await layer.invalidatePattern(`${key}*`)).toContain(key);
      await layer.clear();
    }
    await layer.set('a\ud800', 1);
    expect(await layer.get('a\ud801')).toBeUndefined();
    expect(await layer.get('a\ufffd')).toBeUndefined();
  });

  test('keys, patterns and prefixes with the special characters of Redis globs are literal, but for the star', async () => {
    const part = fc.constantFrom('[', ']', '*', '?', '\\', '^', '-', '%', '{', '}', '.', 'a', 'b', 'é');
    const text = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(''));
    const keys = fc.uniqueArray(text, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(keys, text, text, async (names, pattern, begin) => {
        const prefix = `${newPrefix()}${begin}`;
        const { layer } = create({ prefix });
        for (const name of names) await layer.set(name, name);
        const { matches } = compilePattern(pattern);
        expect([...(await layer.invalidatePattern(pattern))].sort()).toEqual(names.filter(matches).sort());
        for (const name of names) expect(await layer.get(name)).toBe(matches(name) ? undefined : name);
        expect(await layer.invalidatePattern('*')).toHaveLength(names.filter((name) => !matches(name)).length);
        await client.del(`${prefix}generation`);
      }),
      { numRuns: 20 },
    );
  });

  test('a reply that arrives while the event loop is blocked is in time', async () => {
    const clock = new FakeClock();
    const { layer } = create({ clock, timeout: 50 });
    await layer.set('a', 1);
    const other = client.duplicate();
    client.stream.pause();
    const reply = layer.get('a');
    // Redis writes the replies of one round before it reads the commands of the next.
    await other.ping();
    await other.ping();
    await new Promise<void>((resolve) => {
      // Node runs timers, and so the timeout, before it reads sockets.
      setTimeout(() => {
        client.stream.resume();
        clock.tick(50);
        resolve();
      }, 0);
    });
    expect(await reply).toBe(1);
    other.disconnect();
  });

  test('two managers share loads and values, and an invalidation of one fences the other', async () => {
    const prefix = newPrefix();
    const managers = [1, 2].map(() => {
      return new MultiLayerCacheManager({ redis: new RedisCacheLayer({ client, prefix, timeout: PATIENT }) });
    });
    const [a, b] = managers as [MultiLayerCacheManager, MultiLayerCacheManager];
    let finish!: (value: string) => void;
    const loader = jest.fn(() => new Promise<string>((resolve) => (finish = resolve)));
    const asked = [a, b].flatMap((cache) => Array.from({ length: 50 }, () => cache.getOrSet('k', loader)));
    await until(() => loader.mock.calls.length > 0, 'the load');
    finish('once');
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['once']));
    expect(loader).toHaveBeenCalledTimes(1);
    const late = a.getOrSet('other', loader);
    await until(() => loader.mock.calls.length > 1, 'the second load');
    await b.invalidate('other');
    finish('outdated');
    expect(await late).toBe('outdated');
    expect(await a.get('other')).toBeUndefined();
    expect(await b.get('other')).toBeUndefined();
    for (const cache of managers) cache.destroy();
  });

  test('options are checked', () => {
    expect(() => new RedisCacheLayer({} as never)).toThrow("'client' is missing");
    expect(() => new RedisCacheLayer({ client, timeout: 0 })).toThrow(RangeError);
  });
});

describeWith(redisService, 'RedisCacheLayer while Redis is away', () => {
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always'];
  let redis: RedisServer;
  let client: Redis;
  let warned: jest.SpyInstance;

  beforeAll(async () => {
    warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    redis = await RedisServer.start(...durable);
    client = new Redis(redis.port, '127.0.0.1', { retryStrategy: () => 100 });
    client.on('error', () => undefined);
    await client.ping();
  });

  afterAll(async () => {
    client.disconnect();
    await redis.stop();
    warned.mockRestore();
  });

  test('no call fails, and what was invalidated meanwhile is gone when it is back', async () => {
    const layer = new RedisCacheLayer({ client, timeout: PATIENT });
    const cache = new MultiLayerCacheManager({ redis: layer });
    for (const key of ['a', 'b', 'c:1', 'd', 'e']) await cache.set(key, 'old', { tags: key === 'd' ? ['t'] : [] });
    await redis.kill();
    await until(() => client.status !== 'ready', 'the client to notice');
    await cache.invalidate('a');
    await cache.set('b', 'new');
    await cache.invalidatePattern('c:*');
    await cache.invalidateTag('t');
    expect(await cache.get('a')).toBeUndefined();
    expect(await cache.getOrSet('f', () => 'loaded')).toBe('loaded');
    expect(await cache.get('b')).toBe('new');
    expect(layer.errors).toBeGreaterThan(0);
    await redis.start(...durable);
    await until(() => client.status === 'ready', 'the client to reconnect');
    await until(async () => (await layer.get('e')) === 'old', 'the layer to catch up');
    cache.memory.clear();
    expect(await Promise.all(['a', 'b', 'c:1', 'd', 'e'].map((key) => cache.get(key)))).toEqual([
      undefined,
      undefined, // the write did not arrive: rather nothing than the old value
      undefined,
      undefined,
      'old',
    ]);
    await cache.set('a', 'again');
    cache.memory.clear();
    expect(await cache.get('a')).toBe('again');
    cache.destroy();
  });

  test('a Redis that hangs is waited for briefly, and then not asked for a while', async () => {
    const clock = new FakeClock();
    const layer = new RedisCacheLayer({ client, timeout: 50, clock });
    await layer.set('a', 1);
    redis.pause();
    try {
      for (let i = 0; i < 5; i++) {
        const answer = layer.get('a') as Promise<unknown>;
        await clock.advance(50);
        expect(await answer).toBeUndefined();
      }
      const sent = jest.spyOn(client, 'callBuffer');
      expect(await layer.get('a')).toBeUndefined(); // at once
      expect(sent).not.toHaveBeenCalled();
      sent.mockRestore();
    } finally {
      redis.resume();
    }
    await clock.advance(500);
    await until(async () => (await layer.get('a')) === 1, 'the circuit to close');
    await layer.destroy();
    expect(clock.pendingTimers).toBe(0);
  });

  test('absent when the process starts, it is no crash', async () => {
    await redis.kill();
    const late = new Redis(redis.port, '127.0.0.1', { retryStrategy: () => 50 });
    late.on('error', () => undefined);
    const cache = new MultiLayerCacheManager({ redis: new RedisCacheLayer({ client: late, timeout: PATIENT }) });
    await cache.set('x', 1);
    expect(await cache.get('x')).toBe(1);
    await redis.start(...durable);
    await until(() => late.status === 'ready', 'the client to connect');
    await until(async () => {
      await cache.set('x', 2);
      cache.memory.clear();
      return (await cache.get('x')) === 2;
    }, 'the layer to work');
    cache.destroy();
    late.disconnect();
  });
});
