/** What a borrower holds: a connection until it is given back, and an error after that. */
import { ResilienceError } from '../shared/errors.js';
import type { DatabaseConnection, Dialect, Queryable, QueryResult, Row } from './connection.js';
import { inTransaction } from './connection.js';

/** Where and for whom a connection was borrowed: what a leak report says. */
export interface BorrowOrigin {
  /** Holds the stack of the `acquire` call, where it was taken. */
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

  /** Runs `work` in a transaction on this connection: committed when it returns, rolled back when it throws. */
  transaction<T>(work: (connection: this) => Promise<T> | T): Promise<T> {
    return inTransaction(this, this.dialect, () => work(this));
  }

  /** Gives the connection back. Doing so again does nothing. */
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
