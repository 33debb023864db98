/**
 * What a pool pools: a session with a database, and the factory that opens one. Two come with the kit,
 * `sqliteConnections` and `postgresConnections`; anything that keeps these promises can be a third, and the
 * conformance suite of `@tooloo/resilience/testing` proves it.
 */

/** The SQL a connection speaks, as far as the layer above must know: placeholders, `BEGIN`, `EXPLAIN`. */
export type Dialect = 'sqlite' | 'postgres';

/** A row, column names to values. */
export type Row = Record<string, unknown>;

/** What a statement gave. */
export interface QueryResult<R = Row> {
  /** Rows of a query, and of a write with `RETURNING`; empty for every other statement. */
  readonly rows: R[];
  /** Rows returned, or, for a write without `RETURNING`, rows inserted, updated or deleted. */
  readonly rowCount: number;
  /** SQLite only: the row id of the last insert on this connection, after a write without `RETURNING`. */
  readonly lastInsertId?: number | bigint;
}

/** What can run a statement: a connection, a borrowed connection, an optimizer. */
export interface Queryable {
  /**
   * Runs one statement. Placeholders are those of the dialect: `?` in SQLite, `$1` in PostgreSQL.
   *
   * @returns always a promise, also where the driver underneath is synchronous; a failure is a rejection, never a throw
   */
  query<R = Row>(sql: string, params?: readonly unknown[]): Promise<QueryResult<R>>;
}

/** One session with a database. The pool owns it; borrowers see it through a `PooledConnection`. */
export interface DatabaseConnection extends Queryable {
  readonly dialect: Dialect;
  /** False once it is known to be dead: closed, or its socket ended. */
  readonly isOpen: boolean;
  /** Whether a borrower left something behind: a transaction not ended, a statement still running. */
  readonly isDirty: boolean;
  /** Rolls back what a borrower left behind. Rejects where that is not possible: the pool then closes the connection. */
  reset(): Promise<void>;
  /** Whether the database answers on this connection. May reject instead of telling false. */
  ping(): Promise<boolean>;
  /** Ends the session; an open transaction is rolled back. Closing again does nothing. */
  close(): void | Promise<void>;
}

/** Opens connections for a pool. */
export interface ConnectionFactory<C extends DatabaseConnection = DatabaseConnection> {
  readonly dialect: Dialect;
  /**
   * Opens one connection.
   *
   * @param signal aborts when the pool no longer waits; what is delivered after that is closed at once
   */
  create(signal: AbortSignal): C | Promise<C>;
  /** Called once when the pool has ended: releases what the connections shared. */
  close?(): void | Promise<void>;
}

/** How a transaction begins where it is going to write. */
export function beginStatement(dialect: Dialect): string {
  // A deferred SQLite transaction that reads and then writes fails at once when another wrote in between
  // (SQLITE_BUSY_SNAPSHOT, which no waiting cures); asking for the write lock first makes it wait its turn.
  return dialect === 'sqlite' ? 'BEGIN IMMEDIATE' : 'BEGIN';
}

/**
 * Runs `work` between `BEGIN` and `COMMIT` on this connection, or `ROLLBACK` when it throws.
 *
 * @returns what `work` returned; its error is thrown again, unchanged, after the rollback
 */
export async function inTransaction<T>(
  connection: Queryable,
  dialect: Dialect,
  work: () => Promise<T> | T,
): Promise<T> {
  await connection.query(beginStatement(dialect));
  try {
    const result = await work();
    await connection.query('COMMIT');
    return result;
  } catch (error) {
    // A dead connection cannot roll back; the database does it for us, and the first error is the one that tells.
    await connection.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
