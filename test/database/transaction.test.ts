import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ConnectionPool,
  sqliteConnections,
  sqliteThreadConnections,
  type ConnectionFactory,
  type DatabaseConnection,
  type PooledConnection,
} from '../../src/index.js';
import { postgresConnections } from '../../src/postgres.js';
import { describeWith, postgresService } from '../support/services.js';

type Create = () => ConnectionFactory<DatabaseConnection>;

const SCHEMA = `transaction_test_${process.pid}`;

let folder: string;
let pool: ConnectionPool;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'transaction-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

let files = 0;
const SQLITE: Readonly<Record<string, Create>> = {
  'SQLite in memory': () => sqliteConnections(':memory:'),
  'SQLite file': () => sqliteConnections(join(folder, `${++files}.db`)),
  'SQLite thread': () => sqliteThreadConnections(join(folder, `${++files}.db`)),
};

type Connection = PooledConnection;
const add = (connection: Connection, name: string): Promise<unknown> =>
  connection.query(`INSERT INTO names VALUES ('${name}')`);

async function names(): Promise<unknown[]> {
  const { rows } = await pool.use((connection) => connection.query('SELECT name FROM names ORDER BY name'));
  return rows.map(({ name }) => name);
}

function transactions(dialect: string, create: Create): void {
  const isPostgres = dialect === 'PostgreSQL';

  beforeEach(async () => {
    pool = new ConnectionPool({ factory: create(), minConnections: 0, maxConnections: 4 });
    await pool.use((connection) => connection.query('DROP TABLE IF EXISTS names'));
    await pool.use((connection) => connection.query('CREATE TABLE names (name TEXT PRIMARY KEY)'));
  });
  afterEach(() => pool.close());

  test('an inner transaction is kept only if the outer one commits', async () => {
    const failing = pool.transaction(async (connection) => {
      await add(connection, 'a');
      await connection.transaction((inner) => add(inner, 'b'));
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await names()).toEqual([]);
  });

  test('an inner transaction that fails is undone alone', async () => {
    await pool.transaction(async (connection) => {
      await add(connection, 'a');
      const failing = connection.transaction(async (inner) => {
        await add(inner, 'b');
        await inner.transaction((innermost) => add(innermost, 'c'));
        await add(inner, 'a');
      });
      await expect(failing).rejects.toThrow();
      await connection.transaction((inner) => add(inner, 'd'));
    });
    expect(await names()).toEqual(['a', 'd']);
  });

  test('transactions side by side on one connection run one after the other', async () => {
    await pool.use(async (connection) => {
      const outcomes = await Promise.allSettled(
        ['a', 'b', 'c', 'd'].map((name) =>
          connection.transaction(async () => {
            await add(connection, name);
            await Promise.all([
              connection.query('SELECT 1'),
              connection.transaction(() => add(connection, `${name}2`)),
            ]);
            if (name === 'b' || name === 'd') throw new Error('no');
          }),
        ),
      );
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected']);
    });
    expect(await names()).toEqual(['a', 'a2', 'c', 'c2']);
  });

  test('an inner transaction that is not awaited ends before the outer one commits', async () => {
    await pool.transaction((connection) => {
      void connection.transaction((inner) => add(inner, 'a'));
    });
    expect(await names()).toEqual(['a']);
  });

  test('begun by hand, a transaction is one too', async () => {
    await pool.use(async (connection) => {
      await connection.query('BEGIN');
      await connection.transaction((inner) => add(inner, 'a'));
      await connection.query('ROLLBACK');
    });
    expect(await names()).toEqual([]);
  });

  test('success is only reported of what the database kept', async () => {
    const outcome = await pool
      .transaction(async (connection) => {
        await add(connection, 'a');
        await add(connection, 'a').catch(() => undefined);
        await add(connection, 'b').catch(() => undefined);
      })
      .catch((error: unknown) => error);
    if (!isPostgres) return expect(await names()).toEqual(['a', 'b']);
    expect(outcome).toMatchObject({
      code: 'TRANSACTION_ROLLED_BACK',
      message: 'the transaction was rolled back, because a statement in it had failed: insert into names values (?)',
      cause: { code: '23505' },
    });
    expect(await names()).toEqual([]);
  });

  test('an inner transaction reports a failure that its work hides', async () => {
    const outcome = pool.transaction((connection) =>
      connection.transaction(async (inner) => {
        await add(inner, 'a');
        await inner.query('SELECT * FROM nowhere').catch(() => undefined);
      }),
    );
    if (!isPostgres) return outcome;
    await expect(outcome).rejects.toMatchObject({ code: 'TRANSACTION_ROLLED_BACK', cause: { code: '42P01' } });
    expect(await names()).toEqual([]);
  });

  test('work that ends the transaction itself is no success', async () => {
    const ended = pool.transaction(async (connection) => {
      await add(connection, 'a');
      await connection.query('ROLLBACK');
    });
    await expect(ended).rejects.toMatchObject({ code: 'TRANSACTION_ROLLED_BACK' });
    expect(await names()).toEqual([]);
  });

  test('a read-only transaction refuses writes, and the next one does not', async () => {
    const writing = pool.transaction((connection) => add(connection, 'a'), { readOnly: true });
    await expect(writing).rejects.toThrow(/read.?only/i);
    await pool.transaction((connection) => add(connection, 'b'));
    expect(await names()).toEqual(['b']);
  });

  test('an inner transaction cannot ask for what the outer one does not have', async () => {
    const nested = pool.transaction((connection) => connection.transaction(() => 1, { readOnly: true }));
    await expect(nested).rejects.toThrow("transaction: option 'readOnly': a transaction inside another one has");
    await expect(pool.transaction(() => 1, { isolation: 'dirty' as never })).rejects.toThrow(/isolation/);
  });
}

describe.each(Object.entries(SQLITE))('%s', transactions);

describeWith(postgresService, 'PostgreSQL', (url) => {
  afterAll(async () => {
    const admin = new ConnectionPool({ factory: postgresConnections(url), minConnections: 0, maxConnections: 1 });
    await admin.use((connection) => connection.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`));
    await admin.close();
  });
  transactions('PostgreSQL', () => postgresConnections(url, { schema: SCHEMA }));
});

describe('SQLite', () => {
  test.each<[string, Create]>([
    ['file', () => sqliteConnections(join(folder, `${++files}.db`))],
    ['thread', () => sqliteThreadConnections(join(folder, `${++files}.db`))],
    ['memory', () => sqliteConnections(':memory:')],
  ])('of a transaction that the database has ended nothing is kept, nor what came after (%s)', async (_, create) => {
    pool = new ConnectionPool({ factory: create(), minConnections: 0, maxConnections: 1 });
    await pool.use((connection) => connection.query('CREATE TABLE names (name TEXT PRIMARY KEY)'));
    const outcome = pool.transaction(async (connection) => {
      await add(connection, 'a');
      await connection.query("INSERT OR ROLLBACK INTO names VALUES ('a')").catch(() => undefined);
      await add(connection, 'b').catch(() => undefined);
    });
    await expect(outcome).rejects.toMatchObject({ code: 'TRANSACTION_ROLLED_BACK' });
    expect(await names()).toEqual([]);
    await pool.transaction((connection) => add(connection, 'c'));
    expect(await names()).toEqual(['c']);
    await pool.close();
  });
});

describeWith(postgresService, 'PostgreSQL alone', (url) => {
  test('retries what failed to serialize, in full', async () => {
    pool = new ConnectionPool({ factory: postgresConnections(url, { schema: SCHEMA }), minConnections: 2 });
    await pool.use((connection) => connection.query('DROP TABLE IF EXISTS counter'));
    await pool.use((connection) => connection.query('CREATE TABLE counter AS SELECT 0 AS n'));
    let runs = 0;
    const increment = (): Promise<unknown> =>
      pool.transaction(
        async (connection) => {
          runs++;
          const { rows } = await connection.query<{ n: number }>('SELECT n FROM counter');
          await connection.query('UPDATE counter SET n = $1', [rows[0]!.n + 1]);
        },
        { isolation: 'serializable', retries: 50 },
      );
    await Promise.all([increment(), increment(), increment(), increment()]);
    const { rows } = await pool.use((connection) => connection.query('SELECT n FROM counter'));
    expect(rows).toEqual([{ n: 4 }]);
    expect(runs).toBeGreaterThan(4);
    await pool.close();
  });

  test('says that the outcome is unknown when the connection is lost during COMMIT', async () => {
    pool = new ConnectionPool({ factory: postgresConnections(url, { schema: SCHEMA }), minConnections: 0 });
    const lost = pool.transaction(async (connection) => {
      const { rows } = await connection.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await pool.use((other) => other.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]));
    });
    await expect(lost).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await pool.close();
  });
});
