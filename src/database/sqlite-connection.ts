/** A session with a SQLite database through better-sqlite3. */
import type Database from 'better-sqlite3';
import { LRUCache } from 'lru-cache';
import { sleep, type Clock } from '../shared/clock.js';
import { asError } from '../shared/errors.js';
import type { DatabaseConnection, QueryResult, Row } from './connection.js';
import type { WriteLock } from './write-lock.js';

/** What sessions with one database have in common. */
export interface SqliteSession {
  readonly database: Database.Database;
  readonly lock: WriteLock;
  readonly clock: Clock;
  /** Prepared statements kept. */
  readonly statementCacheSize: number;
  /** Milliseconds a statement waits for another writer's turn to end. */
  readonly busyTimeout: number;
  /** Several sessions speak through this one handle: they take turns for everything, and none may close it. */
  readonly isShared: boolean;
}

const FIRST_BUSY_WAIT = 1;
const LONGEST_BUSY_WAIT = 25;

/** What SQLite can bind: a boolean becomes 0 or 1, a date its ISO text, undefined NULL, as other drivers do. */
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
 */
export class SqliteConnection implements DatabaseConnection {
  readonly dialect = 'sqlite';
  readonly #session: SqliteSession;
  readonly #statements: LRUCache<string, Database.Statement<unknown[]>>;
  #isClosed = false;

  constructor(session: SqliteSession) {
    this.#session = session;
    this.#statements = new LRUCache({ max: session.statementCacheSize });
  }

  /** The better-sqlite3 handle, for what SQL cannot say (functions, backup). Synchronous. */
  get database(): Database.Database {
    return this.#session.database;
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.#session.database.open;
  }

  get isDirty(): boolean {
    const { database, isShared, lock } = this.#session;
    return this.isOpen && database.inTransaction && (!isShared || lock.isHeldBy(this));
  }

  query<R = Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<R>> {
    // Most statements find nobody in their way: they run here and now, without an async function's machinery.
    try {
      const statement = this.#prepare(sql);
      if (!this.#needsTurn(statement)) return Promise.resolve(this.#run<R>(statement, params));
      if (this.#session.lock.tryTake(this)) return Promise.resolve(this.#runHoldingTurn<R>(statement, params));
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
        return this.#run<R>(this.#prepare(sql), params);
      } catch (error) {
        if (!isBusy(error) || clock.now() >= deadline) throw error;
      } finally {
        if (needsTurn) this.#endTurnOutsideTransaction();
      }
      await sleep(clock, wait / 2 + (Math.random() * wait) / 2, undefined, true); // somebody awaits the answer
    }
  }

  #needsTurn(statement: Database.Statement<unknown[]>): boolean {
    return this.#session.isShared || !statement.readonly;
  }

  #runHoldingTurn<R>(statement: Database.Statement<unknown[]>, params: readonly unknown[]): QueryResult<R> {
    try {
      return this.#run<R>(statement, params);
    } finally {
      this.#endTurnOutsideTransaction();
    }
  }

  #run<R>(statement: Database.Statement<unknown[]>, params: readonly unknown[]): QueryResult<R> {
    const values = params.map(toBindable);
    if (statement.reader) {
      const rows = statement.all(values) as R[];
      return { rows, rowCount: rows.length };
    }
    const { changes, lastInsertRowid } = statement.run(values);
    if (statement.readonly) this.#endTurnOutsideTransaction(); // COMMIT and ROLLBACK are "read-only" to SQLite
    return { rows: [], rowCount: changes, lastInsertId: lastInsertRowid };
  }

  #endTurnOutsideTransaction(): void {
    if (!this.#session.database.inTransaction) this.#session.lock.release(this);
  }

  #prepare(sql: string): Database.Statement<unknown[]> {
    if (this.#isClosed) throw Object.assign(new Error('the connection is closed'), { code: 'SQLITE_MISUSE' });
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#session.database.prepare<unknown[]>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  reset(): Promise<void> {
    this.#rollback();
    return Promise.resolve();
  }

  #rollback(): void {
    if (this.isDirty) this.#session.database.exec('ROLLBACK');
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
