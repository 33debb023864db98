/** A database that is not there: connections a test can break, hang and watch, for testing what stands on a pool. */
import type { ConnectionFactory, DatabaseConnection, QueryResult } from '../database/connection.js';

/** A connection that answers every statement with no rows. */
export class FakeConnection implements DatabaseConnection {
  readonly dialect = 'sqlite';
  readonly number: number;
  /** Statements it was sent, in order. */
  readonly statements: string[] = [];
  isOpen = true;
  /** Set by `BEGIN`, cleared by `COMMIT` and `ROLLBACK`; or by the test. */
  isDirty = false;
  /** What `ping` answers. */
  isAlive = true;
  /** What `reset` rejects with, if anything. */
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

/** What `create` does: 'open' at once, 'fail', or 'hang' until the test settles it. */
export type CreateBehaviour = 'open' | 'fail' | 'hang';

/** A factory of fake connections. Counts what exists at the "database" at any moment. */
export class FakeConnections implements ConnectionFactory<FakeConnection> {
  readonly dialect = 'sqlite';
  behaviour: CreateBehaviour = 'open';
  /** Attempts to connect so far. */
  attempts = 0;
  /** Connections open now, and the most there ever were at once. */
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

  /** Settles the attempt that has hung longest; false when none hangs. */
  settleOne(behaviour: 'open' | 'fail'): boolean {
    const settle = this.#hanging.shift();
    settle?.(behaviour);
    return settle !== undefined;
  }

  /** Breaks every open connection, as a database that restarts does. */
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
