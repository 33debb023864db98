/** Redis stops, restarts, hangs, is full, is read-only or never started: clients get answers, never errors. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { spawnSync } from 'node:child_process';
import { Redis, type RedisOptions } from 'ioredis';
import { compose, rateLimit, type RateLimitMiddleware } from '../../src/middleware/index.js';
import { charge, type Charge, type RateLimitStore } from '../../src/rate-limiting/index.js';
import { CUT_OFF_AFTER, OPEN_FOR } from '../../src/rate-limiting/store-outage.js';
import { RedisStore, type RedisStoreOptions } from '../../src/redis.js';
import { FakeClock } from '../../src/testing.js';
import { PATIENT } from '../support/eventually.js';
import { RedisServer } from '../support/redis-server.js';

jest.setTimeout(60_000); // processes start, stop and reconnect in real time

const isInstalled = spawnSync('redis-server', ['--version']).status === 0;
const suite = isInstalled || process.env.CI_REQUIRE_SERVICES === '1' ? describe : describe.skip;

/** Counts what the store decided itself, and what it failed to. */
class Counted extends RedisStore {
  decided = 0;
  admitted = 0;
  failed = 0;

  override async take(charges: readonly Charge[]): Promise<boolean> {
    try {
      const allowed = await super.take(charges);
      this.decided++;
      if (allowed) this.admitted++;
      return allowed;
    } catch (error) {
      this.failed++;
      throw error;
    }
  }
}

/** Tokens of `left` that a process admits before it knows it is cut off: a tenth, divided among the other three. */
const atFirst = (left: number): number => Math.floor(left / 30 + 1e-9);

suite('an outage of Redis', () => {
  const cleanup: (() => unknown)[] = [];
  let redis: RedisServer;
  /** Of the limiter: it decides when the store is tried again, and when the process is cut off. */
  let clock: FakeClock;

  beforeEach(async () => {
    clock = new FakeClock();
    redis = await RedisServer.absent();
    cleanup.push(() => redis.stop());
  });
  afterEach(async () => {
    for (const undo of cleanup.splice(0).reverse()) await undo();
  });

  function connect(port = redis.port, options: RedisOptions = {}): Redis {
    const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 20, ...options });
    client.on('error', () => undefined);
    cleanup.push(() => client.disconnect());
    return client;
  }

  /** A server that admits 400 requests, 100 of them for this process' part, behind which nothing returns. */
  async function serve(store: RateLimitStore): Promise<{ url: string; limit: RateLimitMiddleware; server: Server }> {
    const limit = rateLimit({ rateLimit: 400, refillRate: 0, store, clock });
    const server = createServer(compose(limit, (_req, res) => void res.end('served'))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanup.push(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, limit, server };
  }

  function store(options: Partial<RedisStoreOptions> & Pick<RedisStoreOptions, 'client'>): Counted {
    return new Counted({ instances: 4, timeout: 500, ...options });
  }

  async function ready(client: Redis): Promise<void> {
    if (client.status !== 'ready') await once(client, 'ready');
  }

  const ask = async (url: string): Promise<number> => {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.status;
  };

  async function askMany(url: string, count: number): Promise<Record<number, number>> {
    const statuses: Record<number, number> = {};
    for (let left = count; left > 0; left -= 20) {
      for (const status of await Promise.all(Array.from({ length: Math.min(20, left) }, () => ask(url)))) {
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    }
    return statuses;
  }

  /** Asks until the store decides again. */
  async function untilShared(url: string, counted: Counted): Promise<void> {
    const before = counted.decided;
    while (counted.decided === before) {
      clock.tick(OPEN_FOR);
      expect([200, 429]).toContain(await ask(url));
    }
  }

  /** Asks until the outage counts as long. Returns how many were admitted meanwhile. */
  async function untilCutOff(url: string): Promise<number> {
    let admitted = 0;
    for (let passed = 0; passed < CUT_OFF_AFTER; passed += OPEN_FOR) {
      clock.tick(OPEN_FOR);
      if ((await ask(url)) === 200) admitted++;
    }
    return admitted;
  }

  /** Without a store from the start, this process admits a small part, and after a while its quarter. */
  async function localLimits(url: string): Promise<void> {
    const first = await askMany(url, 40);
    expect(first).toEqual({ 200: atFirst(400), 429: 40 - atFirst(400) });
    const later = await untilCutOff(url);
    const rest = 100 - first[200]! - later;
    expect(await askMany(url, 120)).toEqual({ 200: rest, 429: 120 - rest });
  }

  test('killed and restarted under load: no errors, local limits meanwhile, no double charges after', async () => {
    await redis.start();
    const client = connect();
    await ready(client);
    const counted = store({ client });
    const { url, limit } = await serve(counted);
    expect(await askMany(url, 60)).toEqual({ 200: 60 });

    const load = askMany(url, 700); // more than Redis would admit
    await redis.kill(); // with requests under way
    const statuses = await load;
    expect(Object.keys(statuses).every((status) => status === '200' || status === '429')).toBe(true);
    expect(counted.failed).toBeGreaterThan(0);
    // Requests that Redis admitted before it died, and a small part of the tokens that were left then.
    const left = 400 - counted.admitted;
    expect(statuses[200]).toBe(counted.admitted - 60 + atFirst(left));
    expect(limit.limiter.getStats().store).toMatchObject({ available: false });
    // After a while, this process' quarter.
    const later = (await untilCutOff(url)) + ((await askMany(url, 120))[200] ?? 0);
    const local = atFirst(left) + later;
    expect(local).toBe(Math.floor(left / 4));

    await redis.start();
    const failedBefore = counted.failed;
    counted.admitted = 0;
    await untilShared(url, counted);
    await askMany(url, 60);
    const quota = limit.limiter.quota;
    const debt = 400 - (await counted.read('127.0.0.1', quota));
    // The restarted server is empty: it is charged what was admitted meanwhile and since, and nothing resent from before.
    expect(debt).toBeGreaterThanOrEqual(counted.admitted);
    expect(debt).toBeLessThanOrEqual(counted.admitted + local + counted.failed - failedBefore);
    expect(limit.limiter.getStats().store.available).toBe(true);
  });

  test('hanging: the wait is bounded, and what it did not do in time it never does', async () => {
    await redis.start();
    const client = connect();
    await ready(client);
    const counted = store({ client, timeout: 50 });
    const { url, limit } = await serve(counted);
    await untilShared(url, counted);
    redis.pause();
    const statuses = await askMany(url, 200);
    expect(statuses).toEqual({ 200: atFirst(399), 429: 200 - atFirst(399) });
    const later = (await untilCutOff(url)) + ((await askMany(url, 120))[200] ?? 0);
    redis.resume();
    expect(statuses[200]! + later).toBe(99); // a quarter of the 399 that were left
    await client.ping(); // behind everything that was sent meanwhile
    const fresh = new RedisStore({ client, timeout: PATIENT });
    expect(400 - (await fresh.read('127.0.0.1', limit.limiter.quota))).toBe(counted.admitted);
    await untilShared(url, counted);
    // Requests admitted meanwhile are charged once the server answers.
    const spent = async (): Promise<number> => 400 - (await fresh.read('127.0.0.1', limit.limiter.quota));
    while ((await spent()) < counted.admitted + 99) await ask(url);
    expect(await spent()).toBe(counted.admitted + 99);
  });

  test('absent at boot: local limits, and shared ones as soon as it is there', async () => {
    const client = connect();
    const counted = store({ client });
    const { url } = await serve(counted);
    await localLimits(url);
    await redis.start();
    await untilShared(url, counted);
    expect(counted.admitted).toBe(1);
  });

  test('a client that connects lazily is connected by the first decision', async () => {
    await redis.start();
    const counted = store({ client: connect(redis.port, { lazyConnect: true }) });
    const { url } = await serve(counted);
    await untilShared(url, counted);
  });

  test('out of memory: local limits', async () => {
    await redis.start('--maxmemory', '100kb', '--maxmemory-policy', 'noeviction');
    const client = connect();
    await ready(client);
    const { url, limit } = await serve(store({ client }));
    await localLimits(url);
    expect(limit.limiter.getStats().store.lastError).toMatch(/OOM/);
  });

  test('a read-only replica: local limits', async () => {
    await redis.start();
    const replica = await RedisServer.start('--replicaof', `127.0.0.1 ${redis.port}`);
    cleanup.push(() => replica.stop());
    const client = connect(replica.port);
    await ready(client);
    const { url, limit } = await serve(store({ client }));
    await localLimits(url);
    expect(limit.limiter.getStats().store.lastError).toMatch(/READONLY/);
  });

  test('MONITOR shows one round trip per decision for any number of policies', async () => {
    await redis.start();
    const client = connect();
    await ready(client);
    const shared = store({ client });
    const limit = rateLimit({
      rateLimit: 400,
      refillRate: 1,
      store: shared,
      policies: [{ name: 'service', rateLimit: 1_000, refillRate: 5 }],
    });
    const quota = limit.limiter.quota;
    await shared.take([charge('warm-up', quota, 0)]); // loads the script
    const monitor = await connect().monitor();
    cleanup.push(() => monitor.disconnect());
    const seen: string[] = [];
    monitor.on('monitor', (_time: string, args: string[], source: string) => {
      if (source !== 'lua') seen.push(args[0]!.toLowerCase());
    });
    for (let i = 0; i < 10; i++) {
      const charges = [charge('a', quota), charge('a', { ...quota, name: 'service' })];
      expect(await limit.limiter.take('a', charges)).toBe(true);
    }
    const ended = once(monitor, 'monitor');
    await client.echo('end');
    await ended;
    while (!seen.includes('echo')) await once(monitor, 'monitor');
    expect(seen.filter((command) => command !== 'echo')).toEqual(Array<string>(10).fill('evalsha'));
  });
});
