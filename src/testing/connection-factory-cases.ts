/** The requirements on every connection factory, as cases that users can run on their own factories. */
import { ok, rejects, strictEqual } from 'node:assert/strict';
import type { ConnectionFactory, DatabaseConnection } from '../database/connection.js';
import { beginStatement, inTransaction } from '../database/transaction.js';
import type { ConformanceCase } from './conformance-case.js';

/** The factory under test. */
export interface ConnectionFactoryFixture {
  /** Opens connections to one empty database. */
  readonly factory: ConnectionFactory;
  /** Runs after the case, even if it failed; the case has closed its connections by then. */
  readonly close: () => void | Promise<void>;
}

type Open = () => Promise<DatabaseConnection>;
type Check = (open: Open) => Promise<void>;

/**
 * Compares as JSON, because under some test frameworks a native driver's rows are arrays and objects of its own realm.
 */
function same(actual: unknown, expected: unknown): void {
  strictEqual(JSON.stringify(actual), JSON.stringify(expected));
}

/** Placeholders of the dialect, numbered from 1. */
function marks(connection: DatabaseConnection, count: number): string {
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  return numbers.map((number) => (connection.dialect === 'postgres' ? `$${number}` : '?')).join(', ');
}

async function createTable(connection: DatabaseConnection): Promise<void> {
  await connection.query('CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, amount INTEGER)');
}

async function insert(connection: DatabaseConnection, id: number, name: string | null, amount = 0): Promise<void> {
  await connection.query(`INSERT INTO items (id, name, amount) VALUES (${marks(connection, 3)})`, [id, name, amount]);
}

async function ids(connection: DatabaseConnection): Promise<unknown[]> {
  const { rows } = await connection.query<{ id: number }>('SELECT id FROM items ORDER BY id');
  return rows.map(({ id }) => id);
}

const CHECKS: Readonly<Record<string, Check>> = {
  'opens a connection that is open and clean, and responds': async (open) => {
    const connection = await open();
    ok(connection.isOpen);
    ok(!connection.isDirty);
    strictEqual(await connection.ping(), true);
  },
  'returns rows by column name, and NULL, text and numbers unchanged': async (open) => {
    const connection = await open();
    await createTable(connection);
    await insert(connection, 1, 'Ünïcödé 🎈 \'"', -5);
    await insert(connection, 2, null, 2_000_000_000);
    const { rows, rowCount } = await connection.query('SELECT id, name, amount AS total FROM items ORDER BY id');
    same(rows, [
      { id: 1, name: 'Ünïcödé 🎈 \'"', total: -5 },
      { id: 2, name: null, total: 2_000_000_000 },
    ]);
    strictEqual(rowCount, 2);
  },
  'returns a count as a number': async (open) => {
    const connection = await open();
    await createTable(connection);
    const { rows } = await connection.query('SELECT COUNT(*) AS n FROM items');
    strictEqual(rows[0]!.n, 0);
  },
  'reads, returns and writes integers beyond 2^53 exactly': async (open) => {
    const connection = await open();
    const values = [
      9_007_199_254_740_993n,
      -9_007_199_254_740_993n,
      9_223_372_036_854_775_807n,
      9_007_199_254_740_991n,
      1n,
    ];
    await connection.query('CREATE TABLE big (id BIGINT PRIMARY KEY, half DOUBLE PRECISION)');
    for (const value of values) {
      const sql = `INSERT INTO big (id, half) VALUES (${marks(connection, 2)}) RETURNING id`;
      const { rows } = await connection.query(sql, [value, 1e300]);
      strictEqual(BigInt(rows[0]!.id as bigint), value);
    }
    const { rows } = await connection.query('SELECT id, half FROM big');
    same(rows.map(({ id }) => String(id)).sort(), values.map(String).sort());
    for (const { id, half } of rows) {
      strictEqual(typeof id, Number.isSafeInteger(Number(id)) ? 'number' : 'bigint');
      strictEqual(half, 1e300);
      strictEqual((await connection.query(`SELECT id FROM big WHERE id = ${marks(connection, 1)}`, [id])).rowCount, 1);
    }
  },
  'writes undefined as NULL': async (open) => {
    const connection = await open();
    await createTable(connection);
    await connection.query(`INSERT INTO items (id, name) VALUES (${marks(connection, 2)})`, [1, undefined]);
    const { rows } = await connection.query('SELECT name FROM items');
    strictEqual(rows[0]!.name, null);
  },
  'reports how many rows a write changed, and returns those of RETURNING': async (open) => {
    const connection = await open();
    await createTable(connection);
    await insert(connection, 1, 'a');
    await insert(connection, 2, 'b');
    const updated = await connection.query('UPDATE items SET amount = 7');
    same({ rows: updated.rows.length, rowCount: updated.rowCount }, { rows: 0, rowCount: 2 });
    const deleted = await connection.query('DELETE FROM items WHERE id = 2 RETURNING amount');
    same({ amount: deleted.rows[0]!.amount, rowCount: deleted.rowCount }, { amount: 7, rowCount: 1 });
  },
  'rejects a failing statement, and keeps working': async (open) => {
    const connection = await open();
    await rejects(connection.query('SELECT * FROM nowhere'), /nowhere/);
    await rejects(connection.query('SELEC 1'));
    strictEqual((await connection.query('SELECT 1 AS one')).rows[0]!.one, 1);
    ok(connection.isOpen && !connection.isDirty);
  },
  'is dirty in a transaction, and clean after it': async (open) => {
    const connection = await open();
    await createTable(connection);
    await connection.query(beginStatement(connection.dialect));
    ok(connection.isDirty);
    await insert(connection, 1, 'a');
    await connection.query('COMMIT');
    ok(!connection.isDirty);
    same(await ids(connection), [1]);
  },
  'reset rolls back, even a transaction with a failed statement': async (open) => {
    const connection = await open();
    await createTable(connection);
    await connection.query(beginStatement(connection.dialect));
    await insert(connection, 1, 'a');
    await rejects(insert(connection, 1, 'again'));
    await connection.reset();
    ok(!connection.isDirty);
    same(await ids(connection), []);
  },
  'reset without a transaction has no effect': async (open) => {
    const connection = await open();
    await connection.reset();
    strictEqual(await connection.ping(), true);
  },
  'another connection sees committed rows': async (open) => {
    const [writer, reader] = [await open(), await open()];
    await createTable(writer);
    await inTransaction(writer, writer, () => insert(writer, 1, 'a'));
    same(await ids(reader), [1]);
  },
  'a rollback of one connection does not affect another one': async (open) => {
    const [one, other] = [await open(), await open()];
    await createTable(one);
    await one.query(beginStatement(one.dialect));
    await insert(one, 1, 'rolled back');
    const written = insert(other, 2, 'kept'); // may have to wait for the transaction
    await one.query('ROLLBACK');
    await written;
    same(await ids(other), [2]);
    ok(!other.isDirty);
  },
  'writers on many connections all succeed': async (open) => {
    const connections = [await open(), await open(), await open(), await open()];
    await createTable(connections[0]!);
    await insert(connections[0]!, 1, 'counter');
    const increment = (connection: DatabaseConnection) => async (): Promise<void> => {
      await connection.query('UPDATE items SET amount = amount + 1');
      await Promise.resolve(); // lets the other writers try
    };
    const work = connections.map(async (connection) => {
      for (let i = 0; i < 10; i++) await inTransaction(connection, connection, increment(connection));
    });
    await Promise.all(work);
    strictEqual((await connections[1]!.query('SELECT amount FROM items')).rows[0]!.amount, 40);
  },
  'closing rolls back an open transaction, and may be repeated': async (open) => {
    const [one, other] = [await open(), await open()];
    await createTable(one);
    await one.query(beginStatement(one.dialect));
    await insert(one, 1, 'a');
    await one.close();
    await one.close();
    ok(!one.isOpen);
    await rejects(one.query('SELECT 1'));
    same(await ids(other), []);
    await insert(other, 2, 'b');
  },
};

/**
 * The suite. A case creates a fixture, opens connections from its factory, and closes all of them again.
 *
 * @example
 * import { test } from 'node:test';
 * import { sqliteConnections } from '@tooloo/resilience';
 * import { connectionFactoryCases } from '@tooloo/resilience/testing';
 *
 * for (const { name, run } of connectionFactoryCases) {
 *   const factory = sqliteConnections(':memory:'); // your factory
 *   test(name, () => run(() => ({ factory, close: () => factory.close?.() })));
 * }
 */
export const connectionFactoryCases: ReadonlyArray<ConformanceCase<ConnectionFactoryFixture>> = Object.entries(
  CHECKS,
).map(([name, check]) => ({
  name,
  run: async (create) => {
    const fixture = await create();
    const connections: DatabaseConnection[] = [];
    try {
      await check(async () => {
        const connection = await fixture.factory.create(new AbortController().signal);
        connections.push(connection);
        return connection;
      });
    } finally {
      for (const connection of connections) await connection.close();
      await fixture.factory.close?.();
      await fixture.close();
    }
  },
}));
