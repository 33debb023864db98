/**
 * The interfaces of a pooled connection: a session with a database, and the factory that opens one. The kit has two
 * factories, `sqliteConnections` and `postgresConnections`. Others can be added; the conformance suite of
 * `@tooloo/resilience/testing` tests them.
 */

/** The SQL a connection speaks, as far as the layer above must know: placeholders, `BEGIN`, `EXPLAIN`. */
export type Dialect = 'sqlite' | 'postgres';

/** A row, column names to values. */
export type Row = Record<string, unknown>;

/** The result of a statement. */
export interface QueryResult<R = Row> {
  /** Rows of a query, and of a write with `RETURNING`; empty for every other statement. */
  readonly rows: R[];
  /** Rows returned, or, for a write without `RETURNING`, rows inserted, updated or deleted. */
  readonly rowCount: number;
  /** SQLite only: the row id of the last insert on this connection, after a write without `RETURNING`. */
  readonly lastInsertId?: number | bigint;
  /**
   * PostgreSQL only: what the server did, after a statement that neither reads nor writes rows. It answers COMMIT with
   * 'ROLLBACK' when a statement of the transaction had failed.
   */
  readonly command?: string;
}

/**
 * Runs statements: a connection, a borrowed connection, an optimizer.
 *
 * @example
 * import type { Queryable } from '@tooloo/resilience';
 *
 * export async function countOrders(database: Queryable): Promise<number> {
 *   const { rows } = await database.query<{ n: number }>('SELECT count(*) AS n FROM orders');
 *   return rows[0]?.n ?? 0;
 * }
 */
export interface Queryable {
  /**
   * Runs one statement. Placeholders are those of the dialect: `?` in SQLite, `$1` in PostgreSQL.
   *
   * @returns always a promise, even if the driver underneath is synchronous; a failure is a rejection, never a throw
   */
  query<R = Row>(sql: string, params?: readonly unknown[]): Promise<QueryResult<R>>;
}

/** A statement that failed, and the database's error. */
export interface FailedStatement {
  readonly sql: string;
  readonly error: unknown;
}

/**
 * One session with a database. The pool owns it; borrowers see it through a `PooledConnection`.
 *
 * @example
 * import type { DatabaseConnection } from '@tooloo/resilience';
 *
 * export async function isUsable(connection: DatabaseConnection): Promise<boolean> {
 *   return connection.isOpen && !connection.isDirty && (await connection.ping());
 * }
 */
export interface DatabaseConnection extends Queryable {
  readonly dialect: Dialect;
  /** False once it is known to be dead: closed, or its socket ended. */
  readonly isOpen: boolean;
  /** Whether a borrower left something behind: a transaction not ended, a statement still running. */
  readonly isDirty: boolean;
  /** Optional. Whether a transaction is open, including one that a failed statement has made unusable. */
  readonly inTransaction?: boolean;
  /** Optional. The statement because of which the database will not commit, or did not commit, the current transaction. */
  readonly failedStatement?: FailedStatement | undefined;
  /**
   * Optional. Resolves when the session no longer exists at the server. With it, the pool counts the connection as open until
   * then; without it, until `close` has settled or taken `validationTimeout`.
   */
  readonly ended?: Promise<void>;
  /**
   * Optional. Cancels the running statement at the server and rejects those behind it. The pool calls it when a statement
   * outlives its borrower.
   */
  cancel?(): Promise<void> | void;
  /**
   * Rolls back an open transaction of the borrower. Rejects if that is not possible: the pool then closes the
   * connection.
   */
  reset(): Promise<void>;
  /** Whether the database answers on this connection. May reject instead of returning false. */
  ping(): Promise<boolean>;
  /** Ends the session; an open transaction is rolled back. Closing again does nothing. */
  close(): void | Promise<void>;
}

/**
 * Opens connections for a pool.
 *
 * @example
 * import { ConnectionPool, sqliteConnections, type ConnectionFactory } from '@tooloo/resilience';
 *
 * const factory: ConnectionFactory = sqliteConnections('./data/orders.db');
 * const pool = new ConnectionPool({ factory });
 */
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
