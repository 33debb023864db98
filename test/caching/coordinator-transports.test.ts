/** The conformance suite, on every transport; and a Redis that becomes unavailable. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { DistributedCacheCoordinator, HttpTransport, MultiLayerCacheManager, compose } from '../../src/index.js';
import { RedisTransport, type RedisTransportOptions } from '../../src/redis.js';
import { coordinatorTransportCases, type TransportFixture } from '../../src/testing.js';
import { RedisServer } from '../support/redis-server.js';
import { describeWith, redisService } from '../support/services.js';
import { until } from '../support/eventually.js';

const cases = coordinatorTransportCases.map(({ name, run }) => [name, run] as const);

async function overHttp(secret?: string): Promise<TransportFixture> {
  const transports = [1, 2, 3].map(
    () => new HttpTransport(secret === undefined ? { control: 'loopback' } : { secret }),
  );
  const servers: Server[] = transports.map(({ router }) => createServer(compose(router)).listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  return {
    transports,
    connect: () => {
      for (const [i, transport] of transports.entries()) {
        for (const [j, port] of ports.entries()) if (i !== j) transport.addPeer(String(j), '127.0.0.1', port);
      }
    },
    close: async () => {
      for (const transport of transports) transport.close();
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      }
    },
  };
}

describe.each([
  ["HttpTransport with control: 'loopback'", () => overHttp()],
  ['HttpTransport with a secret', () => overHttp('secret')],
])('%s', (_name, create) => {
  test.each(cases)('%s', (_case, run) => run(create));
});

describeWith(redisService, 'RedisTransport', (url) => {
  const clients: Redis[] = [];
  const streams: string[] = [];

  afterAll(async () => {
    if (streams.length > 0) await (await connected(url)).del(...streams);
    disconnectAll();
  });

  /** One whose connection is gone already would keep the process alive for two seconds more. */
  function disconnectAll(): void {
    for (const client of clients.splice(0)) if (client.status !== 'end') client.disconnect();
  }

  async function connected(target: string | number): Promise<Redis> {
    const options = { retryStrategy: () => 50 };
    const client = typeof target === 'number' ? new Redis(target, '127.0.0.1', options) : new Redis(target, options);
    client.on('error', () => undefined);
    clients.push(client);
    await client.ping();
    return client;
  }

  async function overRedis(options: Partial<RedisTransportOptions> = {}): Promise<TransportFixture> {
    const client = await connected(url);
    const stream = `cache-test-${randomUUID()}`;
    streams.push(stream);
    await client.xadd(stream, '*', 'm', 'not json'); // what cannot be read is passed over
    const consumers = [1, 2, 3].map(() => randomUUID());
    for (const consumer of consumers) streams.push(`${stream}:position:${consumer}`);
    const transports = consumers.map((consumer) => new RedisTransport({ client, stream, consumer, ...options }));
    const reading = async (): Promise<boolean> =>
      (await client.exists(consumers.map((consumer) => `${stream}:position:${consumer}`))) === 3;
    return {
      transports,
      connect: () => until(reading, 'everybody to read'),
      close: () => {
        for (const transport of transports) transport.close();
        client.disconnect();
      },
    };
  }

  describe.each([
    ['as it is', () => overRedis()],
    ['with a secret', () => overRedis({ secret: 'secret' })],
  ])('%s', (_name, create) => {
    test.each(cases.filter(([name]) => !name.startsWith('repeats')))('%s', (_case, run) => run(create));
    test('repeats what a receiver failed to apply', () =>
      cases.find(([name]) => name.startsWith('repeats'))![1](create));
  });

  test('with a secret, what strangers write is ignored', async () => {
    const [trusted, stranger] = [await connected(url), await connected(url)];
    const stream = `cache-test-${randomUUID()}`;
    streams.push(stream, `${stream}:position:x`);
    const cache = new MultiLayerCacheManager();
    const own = new RedisTransport({ client: trusted, stream, secret: 's', consumer: 'x' });
    const coordinator = new DistributedCacheCoordinator(cache, 'a', { transport: own });
    await until(() => trusted.exists(`${stream}:position:x`), 'reading');
    const other = new MultiLayerCacheManager();
    const forged = new DistributedCacheCoordinator(other, 'b', {
      transport: new RedisTransport({ client: stranger, stream, secret: 'guess' }),
    });
    const honest = new DistributedCacheCoordinator(other, 'c', {
      transport: new RedisTransport({ client: stranger, stream, secret: 's' }),
    });
    await cache.set('forged', 1);
    await cache.set('honest', 1);
    await forged.publishInvalidation('forged');
    await forged.flush();
    await honest.publishInvalidation('honest');
    await until(async () => (await cache.get('honest')) === undefined, 'the honest one');
    expect(await cache.get('forged')).toBe(1);
    for (const one of [coordinator, forged, honest]) one.destroy();
    cache.destroy();
    other.destroy();
  });

  describe('while Redis is away', () => {
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always'];
    let redis: RedisServer;

    beforeEach(async () => {
      redis = await RedisServer.start(...durable);
    });
    afterEach(() => {
      disconnectAll();
      return redis.stop();
    });

    async function service(
      id: string,
      options: Partial<RedisTransportOptions> = {},
    ): Promise<{
      cache: MultiLayerCacheManager;
      coordinator: DistributedCacheCoordinator;
      client: Redis;
    }> {
      const client = await connected(redis.port);
      const cache = new MultiLayerCacheManager();
      const transport = new RedisTransport({ client, consumer: id, ...options });
      const coordinator = new DistributedCacheCoordinator(cache, id, { transport });
      await until(() => client.exists(`${options.stream ?? 'cache:invalidations'}:position:${id}`), 'reading');
      return { cache, coordinator, client };
    }

    test('what was published meanwhile arrives when it is back', async () => {
      const [a, b] = [await service('a'), await service('b')];
      await redis.kill();
      await b.cache.set('k', 'outdated');
      await a.coordinator.publishInvalidation('k');
      expect(a.coordinator.getCoordinationStatus().pendingInvalidations).toBe(1);
      await redis.start(...durable);
      await until(async () => (await b.cache.get('k')) === undefined, 'the invalidation');
      for (const { cache, coordinator } of [a, b]) {
        coordinator.destroy();
        cache.destroy();
      }
    });

    test('a process that was away hears what it missed; one that was away too long forgets everything', async () => {
      const a = await service('a', { maxLength: 200 });
      const first = await service('b');
      first.coordinator.destroy();
      await a.coordinator.publishInvalidation('k');
      await a.coordinator.flush();
      await first.cache.set('k', 'outdated'); // as a layer on disk would have kept it
      await first.cache.set('other', 1);
      const again = new DistributedCacheCoordinator(first.cache, 'b', {
        transport: new RedisTransport({ client: first.client, consumer: 'b' }),
      });
      await until(async () => (await first.cache.get('k')) === undefined, 'catching up');
      expect(await first.cache.get('other')).toBe(1);
      again.destroy();
      for (let i = 0; i < 700; i++) await a.client.xadd('cache:invalidations', 'MAXLEN', 200, '*', 'm', '[]');
      const late = new DistributedCacheCoordinator(first.cache, 'b', {
        transport: new RedisTransport({ client: first.client, consumer: 'b', maxLength: 200 }),
      });
      await until(async () => (await first.cache.get('other')) === undefined, 'forgetting');
      late.destroy();
      a.coordinator.destroy();
      for (const { cache } of [a, first]) cache.destroy();
    });

    test('a Redis that lost its memory: everything may be outdated', async () => {
      const a = await service('a');
      await a.coordinator.publishInvalidation('x');
      const b = await service('b');
      await b.coordinator.publishInvalidation('y');
      await Promise.all([a.coordinator.flush(), b.coordinator.flush()]);
      await until(() => a.coordinator.getCoordinationStatus().stats.received > 0, 'hearing');
      await a.cache.set('k', 'perhaps outdated');
      await a.client.del('cache:invalidations');
      await redis.kill();
      await redis.start(...durable);
      await until(async () => (await a.cache.get('k')) === undefined, 'forgetting');
      for (const { cache, coordinator } of [a, b]) {
        coordinator.destroy();
        cache.destroy();
      }
    });
  });
});
