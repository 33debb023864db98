/** A session with a PostgreSQL database through `pg`. */
import type { Client } from 'pg';
import { monotonicClock, startTimer } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import type { DatabaseConnection, FailedStatement, QueryResult, Row } from './connection.js';
import { cancelStatement } from './postgres-cancel.js';
import { ABORTED } from './transaction.js';
import { WaiterQueue } from '../shared/waiter-queue.js';

/** The server's word on the transaction: idle, in one, in one that has failed (ReadyForQuery in the protocol). */
type TransactionStatus = 'I' | 'T' | 'E';

/** The properties of a `pg` client that its types lack, and their first version. */
interface ClientInternals {
  /** Since 8.21. */
  getTransactionStatus?(): TransactionStatus | null;
  /** Since 8.17, where `activeQuery` warns. */
  readonly _activeQuery?: unknown;
  readonly activeQuery?: unknown;
  /** Set when the server has let the session in. */
  readonly processID?: number | null;
  readonly connection?: {
    on(event: 'readyForQuery', listener: (message: { readonly status: TransactionStatus }) => void): unknown;
    readonly stream?: { destroy(): void };
  };
}

interface Turn {
  readonly start: () => void;
  readonly refuse: (error: Error) => void;
}

/** The severities after which the server ends the session (PostgreSQL documentation, table 20.2). */
const ENDING: ReadonlySet<unknown> = new Set(['FATAL', 'PANIC']);

/** Milliseconds between two attempts to cancel what still runs. */
const CANCEL_AGAIN = 1_000;

function severityOf(error: unknown): unknown {
  return (error as { severity?: unknown } | null)?.severity;
}

function closedError(): Error {
  return Object.assign(new Error('the connection is closed'), { code: 'ECONNRESET' });
}

function canceledError(): Error {
  return Object.assign(new Error('the statement was cancelled before it began'), { code: '57014' });
}

/** How to ask this version of `pg` for the transaction's status. */
function statusReader(client: Client): () => TransactionStatus | null {
  const internals = client as unknown as ClientInternals;
  if (typeof internals.getTransactionStatus === 'function') return () => internals.getTransactionStatus!();
  const { connection } = internals;
  if (typeof connection?.on !== 'function') {
    throw new ResilienceError('DRIVER_UNAVAILABLE', "this client of 'pg' does not say whether a transaction is open");
  }
  let status: TransactionStatus | null = null;
  connection.on('readyForQuery', (message) => (status = message.status));
  return () => status;
}

/** Whether the client runs something, also what was sent past this layer: a cursor, COPY. */
function runsStatement(client: Client): boolean {
  const internals = client as unknown as ClientInternals;
  return ('_activeQuery' in internals ? internals._activeQuery : internals.activeQuery) != null;
}

/**
 * One PostgreSQL session.
 *
 * @example
 * import { ConnectionPool } from '@tooloo/resilience';
 * import { postgresConnections } from '@tooloo/resilience/postgres';
 *
 * const pool = new ConnectionPool({ factory: postgresConnections('postgres://app@db.internal/orders') });
 * await pool.use(({ connection }) => connection.client.query('LISTEN orders')); // the client of pg
 */
export class PostgresConnection implements DatabaseConnection {
  readonly dialect = 'postgres';
  /** The `pg` client, for features beyond SQL statements: notifications, cursors, COPY. */
  readonly client: Client;
  /** Resolves when the server has ended the session: only then it has closed its end of the socket. */
  readonly ended: Promise<void>;
  readonly #status: () => TransactionStatus | null;
  /** Statements behind the running one. They wait here, because `pg` cannot remove a statement from its own queue. */
  readonly #turns = new WaiterQueue<Turn>();
  #resolveEnded!: () => void;
  #isOpen = true;
  #isRunning = false;
  /** How many statements have begun. */
  #begun = 0;
  #failed: FailedStatement | undefined;
  #canceling: Promise<boolean> | undefined;
  #closing: Promise<void> | undefined;

  constructor(client: Client) {
    this.client = client;
    this.#status = statusReader(client);
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
    // Each connection needs a listener: otherwise a connection that the server ends would end the process.
    client.on('error', () => (this.#isOpen = false));
    client.on('end', () => {
      this.#isOpen = false;
      this.#resolveEnded();
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isDirty(): boolean {
    return this.#isBusy || this.#status() !== 'I';
  }

  get #isBusy(): boolean {
    return this.#isRunning || runsStatement(this.client);
  }

  get inTransaction(): boolean {
    const status = this.#status();
    return status === 'T' || status === 'E';
  }

  get failedStatement(): FailedStatement | undefined {
    return this.#failed;
  }

  query<R = Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<R>> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    if (!this.#isRunning && this.#turns.length === 0) return this.#run<R>(sql, params);
    const turn = new Promise<void>((start, refuse) => this.#turns.push({ start, refuse }));
    return turn.then(() => this.#run<R>(sql, params));
  }

  async #run<R>(sql: string, params: readonly unknown[]): Promise<QueryResult<R>> {
    this.#isRunning = true;
    this.#begun++;
    if (this.#failed !== undefined && !this.inTransaction) this.#failed = undefined;
    try {
      const { rows, rowCount, command } = await this.client.query<Row>({ text: sql, values: [...params] });
      return rowCount === null ? { rows: rows as R[], rowCount: 0, command } : { rows: rows as R[], rowCount };
    } catch (error) {
      const severity = severityOf(error);
      if (ENDING.has(severity)) this.#isOpen = false; // its socket emits `end` a little later
      // Of the failures in a transaction the last one before 25P02 is the one that has ended it.
      if (severity !== undefined && (error as { code?: unknown }).code !== ABORTED) this.#failed = { sql, error };
      throw error;
    } finally {
      this.#passTurn();
    }
  }

  /** The turn counts as taken before its statement is sent, so that no other comes between. */
  #passTurn(): void {
    const next = this.#turns.shift();
    this.#isRunning = next !== undefined;
    next?.start();
  }

  /**
   * Cancels the statement that runs; those behind it are rejected. Tries again until it ends: a request to cancel that
   * overtakes the statement on another connection has no effect (PostgreSQL documentation, 53.2.8).
   */
  async cancel(): Promise<void> {
    this.#refuseTurns(canceledError());
    const running = this.#begun;
    do {
      if (!(await this.#cancelRunning())) return; // the server cannot be reached
      if (this.#isRunning && this.#begun === running) await this.#settled();
    } while (this.#isRunning && this.#begun === running);
  }

  #refuseTurns(error: Error): void {
    for (let turn = this.#turns.shift(); turn !== undefined; turn = this.#turns.shift()) turn.refuse(error);
  }

  /** Returns whether the server could be reached. */
  #cancelRunning(): Promise<boolean> {
    this.#canceling ??= cancelStatement(this.client).finally(() => (this.#canceling = undefined));
    return this.#canceling;
  }

  /** Statements still running are waited for. */
  async reset(): Promise<void> {
    while (this.#isRunning) await this.#lastTurn();
    // A cancellation in progress must not hit the statement of the next borrower.
    await this.#canceling;
    await this.query('ROLLBACK');
  }

  /** Settles after everything that is queued now. */
  #lastTurn(): Promise<void> {
    return new Promise((resolve) => {
      const pass = (): void => {
        this.#passTurn();
        resolve();
      };
      this.#turns.push({ start: pass, refuse: () => resolve() });
    });
  }

  async ping(): Promise<boolean> {
    const { rowCount } = await this.query('SELECT 1');
    return rowCount === 1;
  }

  /** Cancels what runs and ends the session; settles when the server has ended it, or cannot be reached. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  /** Gives up an attempt to connect: a session that exists already is ended in order. */
  abandon(): Promise<void> {
    const { processID, connection } = this.client as unknown as ClientInternals;
    if (typeof processID === 'number') return this.close();
    this.#isOpen = false;
    this.#closing ??= Promise.resolve();
    connection?.stream?.destroy();
    this.#resolveEnded();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#refuseTurns(closedError());
    const { connection } = this.client as unknown as ClientInternals;
    const goodbye = (): void => void this.client.end().then(this.#resolveEnded, this.#resolveEnded);
    if (!wasOpen) return (goodbye(), this.ended);
    // `end` would tear the socket from under a running statement, and the session would run on, unseen.
    while (this.#isBusy && (await this.#cancelRunning())) await this.#settled();
    if (this.#isBusy) connection?.stream?.destroy();
    goodbye();
    while (!(await this.#isEnded())) {
      // If the server does not answer the cancel request, there is no session to end.
      if (!(await this.#cancelRunning())) connection?.stream?.destroy();
    }
  }

  /** Settles when the running statement has, or it is time to cancel again. */
  #settled(): Promise<unknown> {
    if (this.#isRunning) return this.#within(this.#lastTurn());
    return this.#within(
      this.#isBusy ? new Promise((resolve) => this.client.once('drain', resolve)) : Promise.resolve(),
    );
  }

  #isEnded(): Promise<boolean> {
    return this.#within(this.ended.then(() => true));
  }

  #within<T>(work: Promise<T>): Promise<T | false> {
    return new Promise((resolve) => {
      const timer = startTimer(monotonicClock, () => resolve(false), CANCEL_AGAIN, true);
      void work.then((value) => {
        timer.cancel();
        resolve(value);
      });
    });
  }
}
