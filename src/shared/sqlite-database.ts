/**
 * The part of a SQLite driver that this package uses: a subset of better-sqlite3's interface, which its objects satisfy
 * unchanged.
 */

export interface SqliteOpenOptions {
  /** Open for reading only. Default false. */
  readonly readonly?: boolean;
  /** Fail where the file does not exist. Default false. */
  readonly fileMustExist?: boolean;
  /** Milliseconds a statement waits, blocking, for another connection's lock. Default 5000. */
  readonly timeout?: number;
}

/** The result of a statement that returns no rows. */
export interface SqliteRunResult {
  /** Rows that the statement changed. */
  readonly changes: number;
  readonly lastInsertRowid: number | bigint;
}

/**
 * A prepared statement. Parameters are given one by one, as one array, or as one object of named ones.
 *
 * @example
 * import type { SqliteDatabase } from '@tooloo/resilience';
 *
 * export const countOrders = (database: SqliteDatabase): unknown =>
 *   database.prepare('SELECT count(*) FROM orders').pluck().get();
 */
export interface SqliteStatement<P extends unknown[] | object = unknown[], R = unknown> {
  /** Whether it returns rows. */
  readonly reader: boolean;
  /** Whether the statement leaves the database unchanged. */
  readonly readonly: boolean;
  run(...params: P extends unknown[] ? P : [P]): SqliteRunResult;
  /** The first row; undefined if there are no rows. */
  get(...params: P extends unknown[] ? P : [P]): R | undefined;
  all(...params: P extends unknown[] ? P : [P]): R[];
  /** From now on rows are arrays. Returns the statement. */
  raw(): this;
  /** From now on a row is the value of its first column. Returns the statement. */
  pluck(): this;
  /** Whether integers arrive as BigInts from now on, each exact. Returns the statement. */
  safeIntegers(isOn: boolean): this;
}

/** A function that runs in a transaction, in a savepoint where one is under way. `immediate` takes the write lock first. */
export type SqliteTransaction<F> = F & { readonly immediate: F };

/**
 * An open database. Calls are synchronous. Errors carry a `code`: SQLITE_BUSY, SQLITE_CONSTRAINT_UNIQUE, …
 *
 * @example
 * import { sqliteConnections } from '@tooloo/resilience';
 *
 * const connection = await sqliteConnections('./data/orders.db').create(AbortSignal.timeout(1000));
 * connection.database.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY)');
 */
export interface SqliteDatabase {
  readonly open: boolean;
  readonly inTransaction: boolean;
  prepare<P extends unknown[] | object = unknown[], R = unknown>(sql: string): SqliteStatement<P, R>;
  /** Runs statements that need no parameters and return nothing. */
  exec(sql: string): unknown;
  /** Runs `PRAGMA <sql>`. With `simple` the answer is the first column of the first row, else all rows. */
  pragma(sql: string, options?: { readonly simple?: boolean }): unknown;
  transaction<A extends unknown[], R>(work: (...args: A) => R): SqliteTransaction<(...args: A) => R>;
  /** Makes a function callable from SQL. */
  function(name: string, work: (...args: never[]) => unknown): unknown;
  close(): unknown;
}

export type SqliteOpener = (path: string, options?: SqliteOpenOptions) => SqliteDatabase;
