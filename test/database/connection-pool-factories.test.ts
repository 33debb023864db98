/** Both factories on the one suite, and what is special to each. */
import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ConnectionPool, sqliteConnections, sqliteThreadConnections } from '../../src/database/index.js';
import { postgresConnections } from '../../src/postgres.js';
import { openSqlite, sqliteDriver } from '../../src/shared/sqlite-driver.js';
import { connectionFactoryCases, type ConnectionFactoryFixture } from '../../src/testing/connection-factory-cases.js';
import { describeWith, postgresService } from '../support/services.js';

const folder = mkdtempSync(join(tmpdir(), 'pool-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newPath = (): string => join(folder, `${++files}.db`);
const signal = (): AbortSignal => new AbortController().signal;

function conformance(create: () => ConnectionFactoryFixture | Promise<ConnectionFactoryFixture>): void {
  test.each(connectionFactoryCases)('$name', ({ run }) => run(create));
}

const nothing = (): void => undefined;

describe('SQLite in memory', () => {
  conformance(() => ({ factory: sqliteConnections(':memory:'), close: nothing }));

  test('is one database, however many connections', async () => {
    await using pool = new ConnectionPool();
    await pool.use((connection) => connection.query('CREATE TABLE t (a)'));
    const all = await Promise.all(Array.from({ length: 10 }, () => pool.acquire()));
    await Promise.all(all.map((connection, i) => connection.query('INSERT INTO t VALUES (?)', [i])));
    expect((await all[3]!.query('SELECT a FROM t')).rowCount).toBe(10);
    all.forEach((connection) => connection.release());
  });
});

describe('SQLite file', () => {
  conformance(() => ({ factory: sqliteConnections(newPath()), close: nothing }));

  test('runs in WAL mode, with foreign keys, in folders it creates', async () => {
    const path = join(folder, 'a', 'b', 'c.db');
    const connection = await sqliteConnections(path).create(signal());
    expect(existsSync(path)).toBe(true);
    expect(connection.database.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(connection.database.pragma('foreign_keys', { simple: true })).toBe(1);
    connection.close();
  });

  test('refuses a wrong option by its name', () => {
    expect(() => sqliteConnections('')).toThrow("sqliteConnections: 'path'");
    expect(() => sqliteConnections('a', { synchronous: 'off' as never })).toThrow("option 'synchronous'");
  });

  test('binds booleans and dates', async () => {
    const connection = await sqliteConnections(':memory:').create(signal());
    const { rows } = await connection.query('SELECT ? AS yes, ? AS no, ? AS at', [true, false, new Date(0)]);
    expect(rows).toEqual([{ yes: 1, no: 0, at: '1970-01-01T00:00:00.000Z' }]);
  });

  test('opened for reading only, reads beside a writer and cannot write', async () => {
    const path = newPath();
    const writer = await sqliteConnections(path).create(signal());
    await writer.query('CREATE TABLE t (a)');
    const reader = await sqliteConnections(path, { readOnly: true }).create(signal());
    await writer.query('BEGIN IMMEDIATE');
    await writer.query('INSERT INTO t VALUES (1)');
    expect((await reader.query('SELECT * FROM t')).rowCount).toBe(0);
    await writer.query('COMMIT');
    expect((await reader.query('SELECT * FROM t')).rowCount).toBe(1);
    await expect(reader.query('INSERT INTO t VALUES (2)')).rejects.toThrow('readonly');
    reader.close();
    writer.close();
  });

  test('opened for reading only, a file that is not there is an error', async () => {
    const missing = sqliteConnections(newPath(), { readOnly: true });
    await expect(missing.create(signal())).rejects.toMatchObject({ code: 'SQLITE_CANTOPEN' });
  });

  test('a read goes on while another connection holds the write lock', async () => {
    const factory = sqliteConnections(newPath());
    const [writer, reader] = [await factory.create(signal()), await factory.create(signal())];
    await writer.query('CREATE TABLE t (a)');
    await writer.query('BEGIN IMMEDIATE');
    expect((await reader.query('SELECT * FROM t')).rowCount).toBe(0);
    await writer.query('ROLLBACK');
    writer.close();
    reader.close();
  });

  test('a write that waits too long fails as busy, and its turn is not lost for others', async () => {
    const factory = sqliteConnections(newPath(), { busyTimeout: 30 });
    const [one, other] = [await factory.create(signal()), await factory.create(signal())];
    await one.query('CREATE TABLE t (a)');
    await one.query('BEGIN IMMEDIATE');
    await expect(other.query('INSERT INTO t VALUES (1)')).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
    await one.query('COMMIT');
    await other.query('INSERT INTO t VALUES (1)');
    one.close();
    other.close();
  });

  test('a transaction whose statement does not parse keeps its turn and can end', async () => {
    const factory = sqliteConnections(newPath());
    const [one, other] = [await factory.create(signal()), await factory.create(signal())];
    await one.query('CREATE TABLE t (a)');
    await one.query('BEGIN IMMEDIATE');
    await expect(one.query('INSERT INTO nowhere VALUES (1)')).rejects.toThrow('nowhere');
    const waiting = other.query('INSERT INTO t VALUES (1)');
    await one.query('COMMIT');
    expect((await waiting).rowCount).toBe(1);
    await expect(other.query('INSERT INTO nowhere VALUES (1)')).rejects.toThrow('nowhere');
    await one.query('INSERT INTO t VALUES (2)');
    one.close();
    other.close();
  });
});

describe('SQLite in threads', () => {
  conformance(() => ({ factory: sqliteThreadConnections(newPath()), close: nothing }));

  test('the event loop turns while a statement runs', async () => {
    const connection = await sqliteThreadConnections(newPath()).create(signal());
    let isRunning = true;
    const sum = connection
      .query(
        'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT sum(i) AS s FROM n',
      )
      .finally(() => (isRunning = false));
    let turns = 0;
    for (; isRunning; turns++) await new Promise((resolve) => setImmediate(resolve));
    expect((await sum).rows).toEqual([{ s: 2_000_001_000_000 }]);
    expect(turns).toBeGreaterThan(100); // a statement that blocked it would leave one or two
    await connection.close();
  });

  test('carry buffers, big integers and dates', async () => {
    const connection = await sqliteThreadConnections(newPath()).create(signal());
    const { rows } = await connection.query('SELECT ? AS b, ? AS at, ? AS yes', [Buffer.from('é'), new Date(0), true]);
    expect(Buffer.isBuffer(rows[0]!.b) && rows[0]!.b.toString()).toBe('é');
    expect(rows[0]).toMatchObject({ at: '1970-01-01T00:00:00.000Z', yes: 1 });
    await connection.close();
  });

  test('what is running when its connection is given back is waited for', async () => {
    await using pool = new ConnectionPool({ factory: sqliteThreadConnections(newPath()), maxConnections: 1 });
    const connection = await pool.acquire();
    const running = connection.query("SELECT 'late' AS word");
    void connection.query('BEGIN IMMEDIATE');
    connection.release();
    expect((await pool.use((one) => one.query("SELECT 'next' AS word"))).rows[0]!.word).toBe('next');
    expect((await running).rows[0]!.word).toBe('late');
    expect(pool.getStats()).toMatchObject({ dirtyReturns: 1, created: 1 });
  });

  test('beside connections of the main thread, on one file', async () => {
    const path = newPath();
    await using main = new ConnectionPool({ database: path });
    await using threads = new ConnectionPool({ factory: sqliteThreadConnections(path) });
    await main.use((one) => one.query('CREATE TABLE t (a)'));
    const write = (pool: ConnectionPool) => (i: number) =>
      pool.transaction((one) => one.query('INSERT INTO t VALUES (?)', [i]));
    const numbers = Array.from({ length: 20 }, (_, i) => i);
    await Promise.all([...numbers.map(write(main)), ...numbers.map(write(threads))]);
    expect((await threads.use((one) => one.query('SELECT * FROM t'))).rowCount).toBe(40);
  });

  test('refuse a database in memory, and a file that cannot be opened', async () => {
    expect(() => sqliteThreadConnections(':memory:')).toThrow('the path of a file');
    expect(() => sqliteThreadConnections('a', { setup: 1 } as never)).toThrow("unknown option 'setup'");
    const missing = sqliteThreadConnections(newPath(), { readOnly: true });
    await expect(missing.create(signal())).rejects.toMatchObject({ code: 'SQLITE_CANTOPEN' });
  });
});

/** Holds the write lock of a file in another process until it receives a message. */
const LOCKER = `
  const open = eval(process.argv[2]);
  const db = open(process.argv[3]);
  db.exec('BEGIN IMMEDIATE');
  process.send('locked');
  process.once('message', () => { db.exec('COMMIT'); db.close(); process.disconnect(); });
`;

describe('SQLite shared by processes', () => {
  let locker: ChildProcess;

  async function lock(path: string): Promise<void> {
    const script = join(folder, 'locker.cjs');
    writeFileSync(script, LOCKER);
    locker = fork(script, [sqliteDriver().expression, path]);
    await once(locker, 'message');
  }

  afterEach(async () => {
    if (locker.exitCode === null) {
      const exited = once(locker, 'exit');
      locker.kill('SIGKILL');
      await exited;
    }
  });

  test('a write waits for another process without blocking the event loop', async () => {
    const path = newPath();
    const connection = await sqliteConnections(path).create(signal());
    await connection.query('CREATE TABLE t (a)');
    await lock(path);
    const written = connection.query('INSERT INTO t VALUES (1)');
    // The event loop turns while the write waits: were it blocked, none of these turns would come before the write.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    const exited = once(locker, 'exit');
    locker.send('let go');
    await exited;
    expect((await written).rowCount).toBe(1);
    connection.close();
  });

  test('opens a file another process is writing to', async () => {
    const path = newPath();
    const setup = openSqlite(path);
    setup.pragma('journal_mode = WAL');
    setup.close();
    await lock(path);
    const connection = await sqliteConnections(path).create(signal());
    expect(await connection.ping()).toBe(true);
    connection.close();
  });
});

describeWith(postgresService, 'PostgreSQL', (url) => {
  const admin = new pg.Client({ connectionString: url });
  beforeAll(() => admin.connect());
  afterAll(() => admin.end());

  /** A schema of its own, so that suites can run side by side. */
  function fixture(): ConnectionFactoryFixture {
    const schema = `pool_${randomBytes(6).toString('hex')}`;
    return {
      factory: postgresConnections(url, { schema }),
      close: async () => void (await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)),
    };
  }

  conformance(fixture);

  test('a connection that the server ends is replaced, and no caller gets it', async () => {
    await using pool = new ConnectionPool({ factory: postgresConnections(url), maxConnections: 1 });
    const pid = (): Promise<unknown> =>
      pool.use(async (connection) => (await connection.query('SELECT pg_backend_pid() AS pid')).rows[0]!.pid);
    const first = await pid();
    const ended = new Promise<void>((resolve) => pool.connections[0]!.client.once('end', resolve));
    await admin.query('SELECT pg_terminate_backend($1)', [first]);
    await ended;
    expect(await pid()).not.toBe(first);
    expect(pool.getStats()).toMatchObject({ created: 2, poolSize: 1 });
  });

  test('a statement still running when its connection is given back is waited for', async () => {
    await using pool = new ConnectionPool({ factory: postgresConnections(url), maxConnections: 1 });
    const connection = await pool.acquire();
    const running = connection.query("SELECT pg_sleep(0.05), 'late' AS word");
    connection.release();
    const next = await pool.use((one) => one.query("SELECT 'next' AS word"));
    expect((await running).rows[0]!.word).toBe('late');
    expect(next.rows[0]!.word).toBe('next');
  });

  test('a bigint is a number where it can be', async () => {
    const { factory, close } = fixture();
    const connection = await factory.create(signal());
    const { rows } = await connection.query('SELECT 42::int8 AS small, 9007199254740993::int8 AS large');
    expect(rows).toEqual([{ small: 42, large: 9007199254740993n }]);
    await connection.close();
    await close();
  });

  test('a wrong password, port or database is a failure to connect that names no secret', async () => {
    const wrong = new URL(url);
    wrong.password = 'top-secret';
    wrong.port = '1';
    await using pool = new ConnectionPool({ factory: postgresConnections(wrong.href), connectionTimeout: 300 });
    const error = await pool.initialize().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(JSON.stringify(error) + String(error)).not.toContain('top-secret');
  });
});
