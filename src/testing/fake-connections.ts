/** A simulated database: connections that a test can break, hang and observe, for testing code that uses a pool. */
import type { ConnectionFactory, DatabaseConnection, QueryResult } from '../database/connection.js';

/**
 * A connection that answers every statement with no rows.
 *
 * @example
 * import { FakeConnections } from '@tooloo/resilience/testing';
 *
 * const connection = await new FakeConnections().create();
 * await connection.query('SELECT 1');
 * console.log(connection.statements); // ['SELECT 1']
 */
export class FakeConnection implements DatabaseConnection {
  readonly dialect = 'sqlite';
  readonly number: number;
  /** The statements it received, in order. */
  readonly statements: string[] = [];
  isOpen = true;
  /** Set by `BEGIN`, cleared by `COMMIT` and `ROLLBACK`; or by the test. */
  isDirty = false;
  /** The result of `ping`. */
  isAlive = true;
  /** The error that `reset` rejects with, if any. */
  resetError: Error | undefined;
  /** How often it was closed. */
  closings = 0;
  readonly #onClose: () => void;

  constructor(number: number, onClose: () => void) {
    this.number = number;
    this.#onClose = onClose;
  }

  query<R>(sql: string): Promise<QueryResult<R>> {
    this.statements.push(sql);
    if (/^begin/i.test(sql)) this.isDirty = true;
    if (/^(commit|rollback)/i.test(sql)) this.isDirty = false;
    return Promise.resolve({ rows: [], rowCount: 0 });
  }

  async reset(): Promise<void> {
    if (this.resetError !== undefined) throw this.resetError;
    await this.query('ROLLBACK');
  }

  ping(): Promise<boolean> {
    return Promise.resolve(this.isAlive && this.isOpen);
  }

  close(): void {
    this.closings++;
    if (this.closings === 1) this.#onClose();
    this.isOpen = false;
  }
}

/** The behaviour of `create`: 'open' at once, 'fail', or 'hang' until the test settles it. */
export type CreateBehaviour = 'open' | 'fail' | 'hang';

/**
 * A factory of fake connections. Counts what exists at the "database" at any moment.
 *
 * @example
 * import { ConnectionPool } from '@tooloo/resilience';
 * import { FakeConnections } from '@tooloo/resilience/testing';
 *
 * const factory = new FakeConnections();
 * const pool = new ConnectionPool({ factory, maxConnections: 2 });
 * await pool.use((connection) => connection.query('SELECT 1'));
 * console.log(factory.mostOpen); // at most 2
 */
export class FakeConnections implements ConnectionFactory<FakeConnection> {
  readonly dialect = 'sqlite';
  behaviour: CreateBehaviour = 'open';
  /** Attempts to connect so far. */
  attempts = 0;
  /** The connections open now, and the most that were open at once. */
  open = 0;
  mostOpen = 0;
  isClosed = false;
  readonly created: FakeConnection[] = [];
  readonly #hanging: Array<(behaviour: 'open' | 'fail') => void> = [];

  create(): Promise<FakeConnection> {
    this.attempts++;
    if (this.behaviour !== 'hang') return this.#settle(this.behaviour);
    return new Promise((resolve) => {
      this.#hanging.push((behaviour) => resolve(this.#settle(behaviour)));
    });
  }

  /** Settles the attempt that has hung longest. Returns false if no attempt hangs. */
  settleOne(behaviour: 'open' | 'fail'): boolean {
    const settle = this.#hanging.shift();
    settle?.(behaviour);
    return settle !== undefined;
  }

  /** Breaks every open connection, as a restarting database does. */
  breakAll(): void {
    for (const connection of this.created) connection.isOpen = false;
  }

  close(): void {
    this.isClosed = true;
  }

  #settle(behaviour: 'open' | 'fail'): Promise<FakeConnection> {
    if (behaviour === 'fail') return Promise.reject(new Error('connection refused'));
    const connection = new FakeConnection(this.created.length + 1, () => this.open--);
    this.created.push(connection);
    this.open++;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    return Promise.resolve(connection);
  }
}
