/** A PostgreSQL that is really stopped and started under the pool. */
import pg from 'pg';
import { ConnectionPool } from '../../src/database/index.js';
import { postgresConnections } from '../../src/postgres.js';
import { ResilienceError } from '../../src/shared/errors.js';
import { PostgresServer } from '../support/postgres-server.js';

const { unavailable } = PostgresServer;
const describeIfPossible = unavailable === undefined ? describe : describe.skip;

describeIfPossible(`an outage${unavailable === undefined ? '' : ` (skipped: ${unavailable})`}`, () => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await PostgresServer.create();
  }, 60_000);
  afterAll(() => server.remove());

  const openPool = (): ConnectionPool =>
    new ConnectionPool({
      factory: postgresConnections(server.url, { applicationName: 'outage' }),
      minConnections: 2,
      maxConnections: 4,
      connectionTimeout: 10_000,
      validateAfterIdle: 0,
    });

  test.each(['fast', 'kill'] as const)(
    'callers fail with a reason while it is down, and are served again after (%s)',
    async (how) => {
      const pool = openPool();
      await pool.initialize();
      const answer = async (timeout?: number): Promise<unknown> =>
        (await pool.use((one) => one.query('SELECT 42 AS answer'), { timeout })).rows[0]!.answer;
      expect(await answer()).toBe(42);

      const running = pool.use((one) => one.query('SELECT pg_sleep(60)')).catch((error: unknown) => error);
      await answer(); // the sleeping one is under way
      await server.stop(how);
      expect(String(await running)).toMatch(/^error: .*(terminat|ECONNRESET)/i);

      const refused = await Promise.allSettled(Array.from({ length: 20 }, () => answer(300)));
      for (const outcome of refused) {
        const { reason } = outcome as PromiseRejectedResult;
        expect(ResilienceError.is(reason) && reason.code).toBe('POOL_TIMEOUT');
        expect((reason as Error).message).toMatch(/ECONNREFUSED|terminated|closed/);
      }
      expect(pool.getStats()).toMatchObject({ poolSize: 0, activeCount: 0, waitingRequests: 0 });

      await server.start();
      // The pool tries at least four times a second while somebody waits; a timeout longer than that must succeed.
      const first = await pool.acquire();
      first.release();
      expect(await Promise.all(Array.from({ length: 20 }, () => answer()))).toEqual(Array(20).fill(42));
      await pool.drain();
      expect(pool.getStats().poolSize).toBe(0);
    },
  );

  test('through restarts under load nothing is leaked and the maximum holds', async () => {
    const pool = openPool();
    const admin = async (): Promise<number> => {
      const client = new pg.Client(server.url);
      await client.connect();
      const { rows } = await client.query<{ n: string }>(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'outage'",
      );
      await client.end();
      return Number(rows[0]!.n);
    };
    let isLoaded = true;
    const outcomes = { served: 0, failed: 0 };
    const work = [
      (): Promise<unknown> => pool.use((one) => one.query('SELECT pg_sleep(0.001)')),
      (): Promise<unknown> => pool.transaction((one) => one.query('SELECT 1')),
      (): Promise<unknown> => pool.use((one) => one.query('BEGIN')), // left open
      async (): Promise<void> => {
        const connection = await pool.acquire({ timeout: 100 });
        connection.release();
        connection.release();
      },
      (): Promise<unknown> => pool.use((one) => one.query('SELECT wrong')).catch(() => undefined),
      (): Promise<unknown> => pool.healthCheck(),
    ];
    const borrower = async (number: number): Promise<void> => {
      for (let i = number; isLoaded; i++) {
        await work[i % work.length]!().then(
          () => outcomes.served++,
          () => outcomes.failed++,
        );
      }
    };
    const borrowers = Array.from({ length: 16 }, (_, number) => borrower(number));
    for (const how of ['fast', 'kill'] as const) {
      await pool.acquire().then((one) => one.release());
      expect(await admin()).toBeLessThanOrEqual(4);
      await server.stop(how);
      await server.start();
    }
    await pool.acquire().then((one) => one.release());
    expect(await admin()).toBeLessThanOrEqual(4);
    isLoaded = false;
    await Promise.all(borrowers);
    expect(outcomes.served).toBeGreaterThan(100);
    expect(pool.getStats()).toMatchObject({ activeCount: 0, waitingRequests: 0 });
    await pool.drain();
    expect(await admin()).toBe(0);
  }, 60_000);
});
