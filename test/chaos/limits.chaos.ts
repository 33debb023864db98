/**
 * The requests that a shared limit admits while its Redis fails. Each fault has servers of its own. Run with
 * `npm run test:chaos`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { RateLimiter, type RateLimitStore } from '../../src/rate-limiting/index.js';
import { RedisStore } from '../../src/redis.js';
import { until } from '../support/eventually.js';
import { RedisServer } from '../support/redis-server.js';
import { FaultyLink } from './faulty-link.js';

jest.setTimeout(120_000);

/** The limit is far below what the processes ask for. */
const LIMIT = 1_000;
const PER_SECOND = 100;
const PROCESSES = 4;
/** Milliseconds: of the fault, and of load after it. */
const FAULT = 3_000;
const AFTER = 2_000;

interface Row {
  readonly fault: string;
  readonly asked: number;
  readonly failed: number;
  readonly slowest: number;
  readonly admitted: number;
  /** The most that a limiter in one process would have admitted. */
  readonly entitled: number;
}

const rows: Row[] = [];

/** A process of its own as far as limits go: a client, a store and a limiter. */
class Asker {
  asked = 0;
  admitted = 0;
  failed = 0;
  slowest = 0;
  readonly #client: Redis;
  readonly #limiter: RateLimiter<RateLimitStore>;
  #isEnding = false;
  #hasSeenEmpty = false;

  constructor(port: number) {
    this.#client = new Redis(port, '127.0.0.1', { retryStrategy: () => 50 });
    this.#client.on('error', () => undefined);
    const store = new RedisStore({ client: this.#client, instances: PROCESSES });
    const limit = { rateLimit: LIMIT, refillRate: PER_SECOND };
    this.#limiter = new RateLimiter({ ...limit, name: 'chaos', store, warnings: false });
  }

  get isShared(): boolean {
    return this.#limiter.getStats().store.available;
  }

  /** Whether Redis answers and has refused a request. */
  get knowsOfSpent(): boolean {
    return this.isShared && this.#hasSeenEmpty;
  }

  async run(): Promise<void> {
    while (!this.#isEnding) {
      const start = performance.now();
      this.asked++;
      try {
        if (await this.#limiter.isAllowed('client')) this.admitted++;
        else if (this.isShared) this.#hasSeenEmpty = true;
      } catch {
        this.failed++;
      }
      this.slowest = Math.max(this.slowest, performance.now() - start);
      await pause(2);
    }
    await this.#limiter.shutdown();
    this.#client.disconnect();
  }

  end(): void {
    this.#isEnding = true;
  }
}

/**
 * Four processes ask for far more than the limit, before, during and after the fault. It begins when the bucket is empty and
 * all of them know, because the excess then is that of the fault and not that of the start.
 */
async function suffer(fault: string, port: number, run: () => Promise<void>, recovers = true): Promise<Row> {
  const askers = Array.from({ length: PROCESSES }, () => new Asker(port));
  const start = performance.now();
  const running = askers.map((asker) => asker.run());
  if (recovers) await until(() => askers.every((asker) => asker.knowsOfSpent), 'the bucket is not empty');
  await run();
  await pause(AFTER);
  if (recovers) await until(() => askers.every((asker) => asker.isShared), 'the store is not used again');
  for (const asker of askers) asker.end();
  await Promise.all(running);
  const elapsed = performance.now() - start;
  const sum = (of: (asker: Asker) => number): number => askers.reduce((total, asker) => total + of(asker), 0);
  const row = {
    fault,
    asked: sum((asker) => asker.asked),
    failed: sum((asker) => asker.failed),
    slowest: Math.max(...askers.map((asker) => asker.slowest)),
    admitted: sum((asker) => asker.admitted),
    entitled: LIMIT + (PER_SECOND * elapsed) / 1_000,
  };
  rows.push(row);
  expect(row.failed).toBe(0);
  return row;
}

const open: Array<{ stop(): Promise<void> } | { close(): Promise<void> }> = [];

function toClose<T extends (typeof open)[number]>(one: T): T {
  open.push(one);
  return one;
}

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await ('stop' in one ? one.stop() : one.close());
});

afterAll(() => {
  const head = ['fault', 'asked', 'failed', 'slowest decision', 'admitted', 'entitled', 'part'];
  const lines = rows.map(({ fault, asked, failed, slowest, admitted, entitled }) => {
    const part = `${(admitted / entitled).toFixed(2)} ×`;
    return [fault, asked, failed, `${slowest.toFixed(0)} ms`, admitted, entitled.toFixed(0), part];
  });
  const table = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`);
  process.stdout.write(`\n${table.join('\n')}\n`);
});

/** The bound that docs/rate-limiting.md states. */
const WITHIN = 1.1;

test('Redis freezes for 3 s', async () => {
  const redis = toClose(await RedisServer.start());
  const row = await suffer('Redis freezes for 3 s (SIGSTOP)', redis.port, async () => {
    redis.pause();
    await pause(FAULT);
    redis.resume();
  });
  expect(row.admitted).toBeLessThanOrEqual(row.entitled * WITHIN);
});

/** A primary and its replica, which has all data. */
async function replicated(): Promise<{ primary: RedisServer; replica: RedisServer; link: FaultyLink }> {
  const primary = toClose(await RedisServer.start());
  const replica = toClose(await RedisServer.start('--replicaof', `127.0.0.1 ${primary.port}`));
  const client = new Redis(replica.port, '127.0.0.1');
  await until(
    async () => (await client.info('replication')).includes('master_link_status:up'),
    'it does not replicate',
  );
  client.disconnect();
  return { primary, replica, link: toClose(await FaultyLink.to(primary.port)) };
}

test('the primary fails and its replica takes over', async () => {
  const { primary, replica, link } = await replicated();
  const row = await suffer(
    'failover: the primary is killed, its replica is promoted 3 s later',
    link.port,
    async () => {
      await primary.kill();
      await pause(FAULT);
      const client = new Redis(replica.port, '127.0.0.1');
      await client.replicaof('NO', 'ONE');
      client.disconnect();
      link.redirect(replica.port);
    },
  );
  expect(row.admitted).toBeLessThanOrEqual(row.entitled * WITHIN);
});

test('Redis has no memory left', async () => {
  const redis = toClose(await RedisServer.start('--maxmemory-policy', 'noeviction'));
  const client = new Redis(redis.port, '127.0.0.1');
  const row = await suffer('Redis has no memory left for 3 s (maxmemory)', redis.port, async () => {
    await client.config('SET', 'maxmemory', '1');
    await pause(FAULT);
    await client.config('SET', 'maxmemory', '0');
  });
  client.disconnect();
  expect(row.admitted).toBeLessThanOrEqual(row.entitled * WITHIN);
});

test('a read-only replica answers', async () => {
  const { primary, replica, link } = await replicated();
  const row = await suffer('a read-only replica answers for 3 s', link.port, async () => {
    link.redirect(replica.port);
    await pause(FAULT);
    link.redirect(primary.port);
  });
  expect(row.admitted).toBeLessThanOrEqual(row.entitled * WITHIN);
});

test('Redis is killed and has lost its data', async () => {
  const redis = toClose(await RedisServer.start());
  const row = await suffer('Redis is killed and returns after 3 s without its data (SIGKILL)', redis.port, async () => {
    await redis.kill();
    await pause(FAULT);
    await redis.start();
  });
  // Tokens whose use Redis forgot can be spent again, once.
  expect(row.admitted).toBeLessThanOrEqual((row.entitled + LIMIT) * WITHIN);
});

test('Redis is unavailable from the start', async () => {
  const redis = toClose(await RedisServer.absent());
  const row = await suffer('Redis is unavailable from the start', redis.port, () => pause(FAULT), false);
  expect(row.admitted).toBeLessThanOrEqual(row.entitled * WITHIN);
});
