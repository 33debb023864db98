import { randomUUID } from 'node:crypto';
import { Pool } from 'pg';
import { charge, RateLimiter, resolveQuota, type Charge } from '../../src/rate-limiting/index.js';
import { PostgresStore, type PostgresStoreOptions } from '../../src/postgres.js';
import { FakeClock, rateLimitStoreCases, type RateLimitStoreFixture } from '../../src/testing.js';
import { PATIENT, until } from '../support/eventually.js';
import { describeWith, postgresService } from '../support/services.js';

const once = resolveQuota('once', { rateLimit: 10, refillRate: 0 });

describeWith(postgresService, 'PostgresStore', (url) => {
  const schema = `limit_${randomUUID().replaceAll('-', '')}`;
  let pool: Pool;
  let tables = 0;

  beforeAll(async () => {
    pool = new Pool({ connectionString: url, max: 8 });
    await pool.query(`CREATE SCHEMA ${schema}`);
  });
  afterAll(async () => {
    await pool.query(`DROP SCHEMA ${schema} CASCADE`);
    await pool.end();
  });

  function open(options: Partial<PostgresStoreOptions> = {}): PostgresStore {
    return new PostgresStore({ pool, table: `${schema}.shared`, timeout: PATIENT, ...options });
  }

  async function create(): Promise<RateLimitStoreFixture> {
    const clock = new FakeClock();
    const store = open({ clock });
    await store.read('a', once);
    await pool.query(`TRUNCATE ${schema}.shared`);
    return {
      store,
      advance: (ms) => clock.tick(ms),
      setBack: (ms) => clock.set(clock.now() - ms),
      close: () => store.close(),
    };
  }

  describe('conformance', () => {
    test.each(rateLimitStoreCases)('$name', ({ run }) => run(create));
  });

  test('processes that start together create the table once and share one limit', async () => {
    const table = `${schema}.t${tables++}`;
    const stores = Array.from({ length: 6 }, () => open({ table }));
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, (_, i) => stores[i % stores.length]!.take([charge('a', once)])),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(10);
  });

  test('decisions on the same buckets in opposite orders never deadlock', async () => {
    const names = ['x', 'y', 'z'].map((name) => resolveQuota(name, { rateLimit: 1_000, refillRate: 0 }));
    const both = (turn: number): Charge[] => {
      const charges = names.map((quota) => charge('all', quota));
      return turn % 2 === 0 ? charges : charges.reverse();
    };
    const store = open();
    const taken = await Promise.all(Array.from({ length: 100 }, (_, turn) => store.take(both(turn))));
    expect(taken.every(Boolean)).toBe(true);
    expect(await Promise.all(names.map((quota) => store.read('all', quota)))).toEqual([900, 900, 900]);
  });

  test('processes with different limits of one name are warned once', async () => {
    const warnings: string[] = [];
    const spy = jest.spyOn(process, 'emitWarning').mockImplementation(((_text: string, { code }: { code: string }) => {
      warnings.push(code);
    }) as never);
    const table = `${schema}.t${tables++}`;
    const clock = new FakeClock();
    // Each store has a pool to itself, as in processes of their own.
    const pools = [pool, new Pool({ connectionString: url, max: 1 })];
    const limiters = pools.map((own, i) => {
      const store = new PostgresStore({ pool: own, table, timeout: PATIENT });
      return new RateLimiter({ name: 'differs', rateLimit: 10 + i, refillRate: 1, store, clock });
    });
    for (let minute = 0; minute < 3; minute++) {
      clock.tick(60_000);
      for (const limiter of limiters) await limiter.isAllowed('a');
    }
    await until(() => warnings.length >= 2);
    expect(warnings).toEqual(['TOOLOO_LIMIT_QUOTA_DIFFERS', 'TOOLOO_LIMIT_QUOTA_DIFFERS']); // one per limiter
    for (const limiter of limiters) await limiter.close();
    await pools[1]!.end();
    spy.mockRestore();
  });

  test('a statement that runs after its time changes nothing', async () => {
    const store = open({ timeout: 300 });
    await store.write('late', once, 10); // learns the server's time
    const holder = await pool.connect();
    await holder.query('BEGIN');
    await holder.query(`SELECT 1 FROM ${schema}.shared WHERE key = 'late' FOR UPDATE`);
    await expect(store.take([charge('late', once)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await holder.query('COMMIT');
    holder.release();
    expect(await open().read('late', once)).toBe(10);
  });

  test('resetAll fills the buckets of its policy only', async () => {
    const store = open();
    const other = resolveQuota('other', { rateLimit: 10, refillRate: 0 });
    await store.take([charge('r1', once), charge('r1', other)]);
    await store.take([charge('r2', once)]);
    await store.resetAll('once');
    expect([await store.read('r1', once), await store.read('r2', once)]).toEqual([10, 10]);
    expect(await store.read('r1', other)).toBe(9);
  });

  test('without createTable says what is missing; a migration may create it', async () => {
    const table = `${schema}.t${tables++}`;
    const store = open({ table, createTable: false });
    await expect(store.take([charge('a', once)])).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      cause: { code: '42883' },
    });
    await pool.query(PostgresStore.schema(table));
    await pool.query(PostgresStore.schema(table));
    expect(await store.take([charge('a', once)])).toBe(true);
  });

  test('a limiter runs on it unchanged, and limits alone while it is away', async () => {
    const limiter = new RateLimiter({ rateLimit: 3, refillRate: 0, store: open(), name: 'plain' });
    const decisions = await Promise.all(Array.from({ length: 5 }, () => limiter.isAllowed('a')));
    expect(decisions.filter(Boolean)).toHaveLength(3);
    await limiter.close();
    const ended = new Pool({ connectionString: url });
    await ended.end();
    const store = open({ pool: ended, instances: 2 });
    const alone = new RateLimiter({ rateLimit: 4, refillRate: 0, store, name: 'alone', warnings: false });
    const outcomes = [];
    for (let i = 0; i < 4; i++) outcomes.push(await alone.isAllowed('a'));
    expect(outcomes).toEqual([true, true, false, false]);
    expect(alone.getStats().store.available).toBe(false);
    await alone.close();
  });
});

const pool = { query: jest.fn() };

test.each<[object, RegExp]>([
  [{}, /'pool' is required/],
  [{ pool: {} }, /'pool'/],
  [{ pool, table: 'a;b' }, /'table'/],
  [{ pool, table: '"a"' }, /'table'/],
  [{ pool, timeout: 0 }, /'timeout'/],
  [{ pool, instances: 0 }, /'instances'/],
])('refuses the options %#', (options, message) => {
  expect(() => new PostgresStore(options as never)).toThrow(message);
});
