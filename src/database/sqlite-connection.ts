/** A session with a SQLite database . */
import type { SqliteDatabase, SqliteStatement } from '../shared/sqlite-driver.js';
import { LRUCache } from 'lru-cache';
import { sleep, type Clock } from '../shared/clock.js';
import { asError } from '../shared/errors.js';
import type { Bigints } from './bigints.js';
import type { DatabaseConnection, FailedStatement, QueryResult, Row } from './connection.js';
import { exactRowId, readRows } from './sqlite-rows.js';
import type { WriteLock } from './write-lock.js';

/** The shared state of all sessions with one database. */
export interface SqliteSession {
  readonly database: SqliteDatabase;
  readonly lock: WriteLock;
  readonly clock: Clock;
  /** Prepared statements kept. */
  readonly statementCacheSize: number;
  /** Milliseconds a statement waits for another writer's turn to end. */
  readonly busyTimeout: number;
  readonly bigints: Bigints;
  /** Several sessions speak through this one handle: they take turns for everything, and none may close it. */
  readonly isShared: boolean;
}

/** The statements allowed after the database has ended a transaction by itself. */
export const ENDS_TRANSACTION = /^\s*(?:rollback|commit|end)\b(?!\s+(?:transaction\s+)?to\b)/i;

function abortedError({ error }: FailedStatement): Error {
  const aborted = new Error('the transaction has been ended by a failure: nothing is done until ROLLBACK', {
    cause: error,
  });
  return Object.assign(aborted, { code: 'SQLITE_ABORT_ROLLBACK' });
}

const FIRST_BUSY_WAIT = 1;
const LONGEST_BUSY_WAIT = 25;

/**
 * Converts a value to one that SQLite can bind: a boolean to 0 or 1, a date to its ISO text, undefined to NULL. Other
 * drivers do the same.
 */
export function toBindable(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Date) return value.toISOString();
  return value;
}

/** Whether another process holds the lock, so that waiting helps. A stale snapshot does not get fresher by waiting. */
function isBusy(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && code.startsWith('SQLITE_BUSY') && code !== 'SQLITE_BUSY_SNAPSHOT';
}

function busyError(timeout: number): Error {
  const error = new Error(`database is locked: another connection kept writing for ${timeout} ms`);
  return Object.assign(error, { code: 'SQLITE_BUSY' });
}

/**
 * One SQLite session. Reads run at once; writes take their turn among the sessions of this process, and wait without
 * blocking the event loop while another process writes.
 *
 * @example
 * import { ConnectionPool, sqliteConnections } from '@tooloo/resilience';
 *
 * const pool = new ConnectionPool({ factory: sqliteConnections('./data/orders.db') });
 * await pool.use(({ connection }) => connection.database.pragma('optimize'));
 */
export class SqliteConnection implements DatabaseConnection {
  readonly dialect = 'sqlite';
  readonly #session: SqliteSession;
  readonly #statements: LRUCache<string, SqliteStatement<unknown[]>>;
  #isClosed = false;
  /** Whether a transaction was open after the last statement that may open or end one. */
  #wasInTransaction = false;
  #failed: FailedStatement | undefined;

  constructor(session: SqliteSession) {
    this.#session = session;
    this.#statements = new LRUCache({ max: session.statementCacheSize });
  }

  /** The driver's handle, for features beyond SQL statements (functions, pragmas). Synchronous. */
  get database(): SqliteDatabase {
    return this.#session.database;
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.#session.database.open;
  }

  get isDirty(): boolean {
    return this.#failed !== undefined || this.#isOpenTransaction();
  }

  #isOpenTransaction(): boolean {
    const { database, isShared, lock } = this.#session;
    return this.isOpen && database.inTransaction && (!isShared || lock.isHeldBy(this));
  }

  get inTransaction(): boolean {
    return this.#failed === undefined && this.isDirty;
  }

  get failedStatement(): FailedStatement | undefined {
    return this.#failed;
  }

  query<R = Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<R>> {
    // Most statements need not wait: they run synchronously, without the cost of an async function.
    try {
      const statement = this.#prepare(sql);
      if (!this.#needsTurn(statement)) return Promise.resolve(this.#run<R>(sql, statement, params));
      if (this.#session.lock.tryTake(this)) return Promise.resolve(this.#runHoldingTurn<R>(sql, statement, params));
    } catch (error) {
      if (!isBusy(error)) return Promise.reject(asError(error));
    }
    return this.#queryPatiently<R>(sql, params);
  }

  async #queryPatiently<R>(sql: string, params: readonly unknown[]): Promise<QueryResult<R>> {
    const { clock, lock, busyTimeout } = this.#session;
    const deadline = clock.now() + busyTimeout;
    for (let wait = FIRST_BUSY_WAIT; ; wait = Math.min(2 * wait, LONGEST_BUSY_WAIT)) {
      const needsTurn = this.#needsTurn(this.#prepare(sql));
      if (needsTurn && !(await lock.take(this, deadline - clock.now()))) throw busyError(busyTimeout);
      try {
        return this.#run<R>(sql, this.#prepare(sql), params);
      } catch (error) {
        if (!isBusy(error) || clock.now() >= deadline) throw error;
      } finally {
        if (needsTurn) this.#endTurnOutsideTransaction();
      }
      await sleep(clock, wait / 2 + (Math.random() * wait) / 2, undefined, true); // a caller awaits the result
    }
  }

  /**
   * Some failures end the whole transaction (`OR ROLLBACK`, a full disk). What its owner sends after that must not be committed
   * statement by statement.
   */
  #noteFailure(sql: string, cause: unknown): Error {
    const error = asError(cause);
    if (this.#wasInTransaction && !this.#session.database.inTransaction) this.#failed ??= { sql, error };
    this.#wasInTransaction = false;
    return error;
  }

  #needsTurn(statement: SqliteStatement<unknown[]>): boolean {
    return this.#session.isShared || !statement.readonly;
  }

  #runHoldingTurn<R>(sql: string, statement: SqliteStatement<unknown[]>, params: readonly unknown[]): QueryResult<R> {
    try {
      return this.#run<R>(sql, statement, params);
    } finally {
      this.#endTurnOutsideTransaction();
    }
  }

  #run<R>(sql: string, statement: SqliteStatement<unknown[]>, params: readonly unknown[]): QueryResult<R> {
    try {
      return this.#execute<R>(statement, params);
    } catch (error) {
      throw this.#noteFailure(sql, error);
    }
  }

  #execute<R>(statement: SqliteStatement<unknown[]>, params: readonly unknown[]): QueryResult<R> {
    const values = params.map(toBindable);
    const { database, bigints } = this.#session;
    if (statement.reader) {
      const rows = readRows(statement, values, bigints) as R[];
      return { rows, rowCount: rows.length };
    }
    const { changes, lastInsertRowid } = statement.run(values);
    if (statement.readonly) this.#endTurnOutsideTransaction(); // COMMIT and ROLLBACK are "read-only" to SQLite
    return { rows: [], rowCount: changes, lastInsertId: exactRowId(database, lastInsertRowid, bigints) };
  }

  #endTurnOutsideTransaction(): void {
    this.#wasInTransaction = this.#session.database.inTransaction;
    if (!this.#wasInTransaction) this.#session.lock.release(this);
  }

  #prepare(sql: string): SqliteStatement<unknown[]> {
    if (this.#isClosed) throw Object.assign(new Error('the connection is closed'), { code: 'SQLITE_MISUSE' });
    if (this.#failed !== undefined) this.#refuseOrEnd(sql, this.#failed);
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#session.database.prepare<unknown[]>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #refuseOrEnd(sql: string, failed: FailedStatement): void {
    if (!ENDS_TRANSACTION.test(sql)) throw abortedError(failed);
    this.#failed = undefined;
  }

  reset(): Promise<void> {
    this.#rollback();
    if (this.isOpen && !this.#session.isShared) this.#session.database.pragma('query_only = OFF');
    return Promise.resolve();
  }

  #rollback(): void {
    this.#failed = undefined;
    if (this.#isOpenTransaction()) this.#session.database.exec('ROLLBACK');
    this.#wasInTransaction = false;
    this.#session.lock.release(this);
  }

  async ping(): Promise<boolean> {
    // Not through the lock: a session that waits for its turn to write is not a dead one.
    if (this.#session.isShared) return this.isOpen;
    const { rowCount } = await this.query('PRAGMA schema_version'); // reads the file, `SELECT 1` would not
    return rowCount === 1;
  }

  close(): void {
    if (this.#isClosed) return;
    try {
      this.#rollback();
    } finally {
      this.#isClosed = true;
      this.#statements.clear();
      if (!this.#session.isShared) this.#session.database.close();
    }
  }
}
