/** Both SQLite drivers do the same. `node:sqlite` is tested where this Node has it: 22.13 and later. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import {
  betterSqlite3,
  nodeSqlite,
  openSqlite,
  sqliteDriver,
  unfitness,
  type SqliteDatabase,
  type SqliteDriver,
} from '../../src/shared/sqlite-driver.js';

function driverOf(load: () => SqliteDriver): SqliteDriver | undefined {
  try {
    return load();
  } catch {
    return undefined;
  }
}

const drivers = [driverOf(betterSqlite3), driverOf(nodeSqlite)].filter((driver) => driver !== undefined);

const folder = mkdtempSync(join(tmpdir(), 'sqlite-driver-'));
afterAll(() => rmSync(folder, { recursive: true }));

function codeOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
}

test('there is a driver, and it is one of those tested', () => {
  expect(drivers.map(({ name }) => name)).toContain(sqliteDriver().name);
  const database = openSqlite(':memory:');
  expect(database.pragma('user_version', { simple: true })).toBe(0);
  database.close();
});

test('a version of better-sqlite3 that would end the process is not loaded', () => {
  const fits = (version: string, major: number, minor: number): boolean =>
    unfitness(version, [major, minor]) === undefined;
  expect([fits('12.11.1', 20, 19), fits('12.11.1', 24, 18), fits('12.11.1', 24, 19), fits('12.0.0', 26, 0)]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect([fits('13.2.0', 20, 19), fits('13.2.0', 22, 13), fits('13.2.0', 24, 19)]).toEqual([false, true, true]);
});

describe.each(drivers.map((driver) => [driver.name, driver] as const))('%s', (_name, driver) => {
  let database: SqliteDatabase;
  let path: string;
  let files = 0;
  beforeEach(() => {
    path = join(folder, `${driver.name.replace(':', '-')}-${files++}.db`);
    database = driver.open(path, { timeout: 5 });
    database.pragma('journal_mode = WAL');
    database.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v, u UNIQUE)');
  });
  afterEach(() => database.close());

  test('values are returned as they were stored, and buffers as buffers', () => {
    const put = database.prepare<unknown[]>('INSERT INTO t (v) VALUES (?) RETURNING id');
    const read = database.prepare<unknown[], { v: unknown }>('SELECT v FROM t WHERE id = ?');
    const values = [null, 1, -1.5, 2 ** 40, 2 ** 53, '', 'ключ 🔑', Buffer.from([0, 255]), Buffer.alloc(0)];
    for (const value of values) {
      const { id } = put.get(value) as { id: number };
      const row = read.get(id)!;
      expect(row).toStrictEqual({ v: value });
      expect(Buffer.isBuffer(row.v)).toBe(Buffer.isBuffer(value));
    }
    expect(database.prepare<[], unknown>('SELECT 9007199254740993 AS big').pluck().get()).toBe(9007199254740992);
  });

  test('rows are objects, arrays or one value; parameters come one by one, as an array, or by name', () => {
    database.prepare('INSERT INTO t VALUES (?, ?, ?)').run(1, 'a', null);
    database.prepare<[unknown[]]>('INSERT INTO t VALUES (?, ?, ?)').run([2, 'b', null]);
    database.prepare<{ id: number; v: string }>('INSERT INTO t VALUES (@id, @v, NULL)').run({ id: 3, v: 'c' });
    const all = 'SELECT id, v FROM t ORDER BY id';
    expect(database.prepare(all).all()[0]).toStrictEqual({ id: 1, v: 'a' });
    expect(database.prepare(all).raw().all()).toStrictEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
    expect(database.prepare(all).pluck().all()).toStrictEqual([1, 2, 3]);
    expect(database.prepare('SELECT v FROM t WHERE id = 9').get()).toBeUndefined();
    expect(database.prepare('SELECT v FROM t WHERE id = 9').raw().get()).toBeUndefined();
  });

  test('changes are those of the statement, and none of a statement that changes no rows', () => {
    expect(database.prepare('INSERT INTO t (v) VALUES (1), (2)').run()).toStrictEqual({
      changes: 2,
      lastInsertRowid: 2,
    });
    expect(database.prepare('UPDATE t SET v = 3 WHERE id > 9').run().changes).toBe(0);
    expect(database.prepare('DELETE FROM t WHERE id = 1').run().changes).toBe(1);
    expect(database.prepare('CREATE TABLE other (a)').run().changes).toBe(0);
    expect(database.prepare('-- why\n/* so */ delete from t').run().changes).toBe(1);
    expect(database.prepare('BEGIN').run().changes).toBe(0);
    database.exec('COMMIT');
  });

  test('statements know whether they return rows, and whether they write', () => {
    const traits = (sql: string): [boolean, boolean] => {
      const statement = database.prepare(sql);
      return [statement.reader, statement.readonly];
    };
    expect(traits('SELECT * FROM t')).toEqual([true, true]);
    expect(traits('INSERT INTO t (v) VALUES (1)')).toEqual([false, false]);
    expect(traits('INSERT INTO t (v) VALUES (?) RETURNING id')).toEqual([true, false]);
    expect(traits('BEGIN')).toEqual([false, true]);
    expect(traits('BEGIN IMMEDIATE')).toEqual([false, false]);
    expect(traits('COMMIT')).toEqual([false, true]);
    expect(traits('CREATE TABLE x (a)')).toEqual([false, false]);
    expect(traits('PRAGMA user_version')).toEqual([true, true]);
    expect(traits('EXPLAIN QUERY PLAN SELECT * FROM t')).toEqual([true, true]);
    expect(traits('-- the program\nexplain INSERT INTO t (v) VALUES (1)')).toEqual([true, false]);
    expect(traits('VACUUM')[1]).toBe(false);
  });

  test('a transaction is kept or undone as a whole, one in another by itself', () => {
    const count = database.prepare<[], number>('SELECT count(*) FROM t').pluck();
    const add = database.transaction((fails: boolean) => {
      database.exec('INSERT INTO t (v) VALUES (1)');
      if (fails) throw new Error('undo');
      return database.inTransaction;
    });
    expect(add(false)).toBe(true);
    expect(() => add.immediate(true)).toThrow('undo');
    const outer = database.transaction(() => {
      add(false);
      expect(() => add(true)).toThrow('undo');
    });
    outer.immediate();
    expect([count.get(), database.inTransaction]).toEqual([2, false]);
  });

  test('errors carry the codes of SQLite', () => {
    database.exec('INSERT INTO t VALUES (1, 1, 1)');
    expect(codeOf(() => database.exec('INSERT INTO t VALUES (1, 2, 2)'))).toBe('SQLITE_CONSTRAINT_PRIMARYKEY');
    expect(codeOf(() => database.prepare('INSERT INTO t VALUES (2, 2, ?)').run(1))).toBe('SQLITE_CONSTRAINT_UNIQUE');
    expect(codeOf(() => database.prepare('SELEC 1'))).toBe('SQLITE_ERROR');
    expect(codeOf(() => driver.open(folder).exec('SELECT 1'))).toMatch(/^SQLITE_CANTOPEN/);
    const other = driver.open(path, { timeout: 5 });
    other.exec('BEGIN IMMEDIATE');
    expect(codeOf(() => database.exec('DELETE FROM t'))).toBe('SQLITE_BUSY');
    other.exec('ROLLBACK');
    database.exec('BEGIN; SELECT * FROM t');
    other.exec('DELETE FROM t');
    expect(codeOf(() => database.exec('DELETE FROM t'))).toBe('SQLITE_BUSY_SNAPSHOT');
    database.exec('ROLLBACK');
    other.close();
    const reader = driver.open(path, { readonly: true });
    expect(codeOf(() => reader.exec('DELETE FROM t'))).toBe('SQLITE_READONLY');
    reader.close();
  });

  test('closing twice does nothing, and a function can be called from SQL', () => {
    database.function('twice', (n: number) => 2 * n);
    expect(database.prepare('SELECT twice(21)').pluck().get()).toBe(42);
    database.close();
    database.close();
    expect(database.open).toBe(false);
  });

  test('its text opens databases where nothing else is known', () => {
    const open = runInNewContext(driver.expression, {
      require,
      process,
      Buffer,
      Object,
      Uint8Array,
    }) as SqliteDriver['open'];
    const other = open(path, { timeout: 5 });
    expect(other.prepare('SELECT count(*) FROM t').pluck().get()).toBe(0);
    other.close();
  });
});
