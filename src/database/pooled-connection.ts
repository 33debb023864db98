/** The connection that a borrower holds. After its return, every use is an error. */
import { ResilienceError } from '../shared/errors.js';
import type { DatabaseConnection, Dialect, Queryable, QueryResult, Row } from './connection.js';
import { checkTransactionOptions, inTransaction, type TransactionOptions } from './transaction.js';

/** The code and the request that borrowed a connection, for a leak report. */
export interface BorrowOrigin {
  /** Holds the stack of the `acquire` call, if it was captured. */
  readonly holder: { readonly stack?: string };
  /** Route template of the request that was being served. */
  readonly route: string | undefined;
  readonly traceId: string | undefined;
}

/** The pool's side of a borrowing. */
export interface Lender<C extends DatabaseConnection> {
  giveBack(borrowed: PooledConnection<C>): void;
}

/**
 * A connection on loan. Every borrowing has its own, so that giving back twice, or speaking after giving back, can
 * never touch the connection of the next borrower.
 *
 * @example
 * await using connection = await pool.acquire();
 * const { rows } = await connection.query('SELECT name FROM users WHERE id = ?', [42]);
 */
export class PooledConnection<C extends DatabaseConnection = DatabaseConnection> implements Queryable {
  /** Number of the connection underneath; the same number means the same session. */
  readonly id: number;
  readonly dialect: Dialect;
  /** When it was borrowed, by the pool's clock. */
  readonly since: number;
  /** @internal */
  readonly origin: BorrowOrigin | undefined;
  /** @internal */
  isReported = false;
  readonly #lender: Lender<C>;
  #connection: C | undefined;

  /** @internal */
  constructor(lender: Lender<C>, id: number, connection: C, since: number, origin: BorrowOrigin | undefined) {
    this.#lender = lender;
    this.id = id;
    this.dialect = connection.dialect;
    this.since = since;
    this.origin = origin;
    this.#connection = connection;
  }

  /** Whether it was given back, or taken back by a pool that closed. */
  get isReleased(): boolean {
    return this.#connection === undefined;
  }

  /**
   * The connection itself, for what is special to its kind. Do not keep it beyond the borrowing.
   *
   * @throws ResilienceError INTERNAL after it was given back
   */
  get connection(): C {
    if (this.#connection === undefined) {
      throw new ResilienceError('INTERNAL', `connection ${this.id} was already given back to its pool`);
    }
    return this.#connection;
  }

  query<R = Row>(sql: string, params?: readonly unknown[]): Promise<QueryResult<R>> {
    if (this.#connection !== undefined) return this.#connection.query<R>(sql, params);
    return Promise.reject(new ResilienceError('INTERNAL', `connection ${this.id} was already given back to its pool`));
  }

  /**
   * Runs `work` in a transaction on this connection: committed when it returns, rolled back when it throws. Inside another
   * transaction it is a savepoint: rolled back alone when it throws, kept only if the outermost commits.
   *
   * @throws ResilienceError TRANSACTION_ROLLED_BACK when the database kept nothing, although `work` returned; CONNECTION_LOST
   *   when the connection was lost during COMMIT, so that its outcome is unknown
   */
  async transaction<T>(work: (connection: this) => Promise<T> | T, options?: TransactionOptions): Promise<T> {
    const checked = options === undefined ? undefined : checkTransactionOptions('transaction', options);
    return inTransaction(this, this.connection, () => work(this), checked);
  }

  /** Returns the connection. A second call has no effect. */
  release(): void {
    this.#lender.giveBack(this);
  }

  /** @internal Ends the loan: the connection, or undefined when it had ended before. */
  revoke(): C | undefined {
    const connection = this.#connection;
    this.#connection = undefined;
    return connection;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release();
    return Promise.resolve();
  }
}
