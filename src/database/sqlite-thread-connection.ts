/** A session with a SQLite database that runs in a thread of its own: the event loop is free while a statement runs. */
import type { Worker } from 'node:worker_threads';
import { nodeModule } from '../shared/node-modules.js';
import { sqliteDriver } from '../shared/sqlite-driver.js';
import type { DatabaseConnection, FailedStatement, QueryResult, Row } from './connection.js';
import { toBindable } from './sqlite-connection.js';
import { exactRowId, readRows } from './sqlite-rows.js';
import { serveInThread, type ThreadReply, type ThreadRequest, type ThreadSettings } from './sqlite-thread.js';

interface Pending {
  readonly sql: string;
  readonly resolve: (reply: ThreadReply) => void;
  readonly reject: (error: Error) => void;
}

/** The thread's program as text, with the driver found from here: a thread of text would look for it from the current folder. */
function threadProgram(): string {
  const rows = `{ readRows: ${readRows.toString()}, exactRowId: ${exactRowId.toString()} }`;
  return `(${serveInThread.toString()})(require('node:worker_threads'), ${sqliteDriver().expression}, ${rows})`;
}

/** Buffers lose their kind on the way between threads. */
function restoreBuffers(rows: readonly unknown[]): void {
  for (const row of rows as Row[]) {
    for (const [name, value] of Object.entries(row)) {
      if (value instanceof Uint8Array) row[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
  }
}

function closedError(cause?: unknown): Error {
  return Object.assign(new Error('the connection is closed', { cause }), { code: 'SQLITE_MISUSE' });
}

/**
 * A session with a SQLite database in a thread of its own.
 *
 * @example
 * import { ConnectionPool, sqliteThreadConnections, type SqliteThreadConnection } from '@tooloo/resilience';
 *
 * const factory = sqliteThreadConnections('./data/orders.db');
 * const reports = new ConnectionPool<SqliteThreadConnection>({ factory });
 */
export class SqliteThreadConnection implements DatabaseConnection {
  readonly dialect = 'sqlite';
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #isOpen = true;
  #inTransaction = false;
  #failed: FailedStatement | undefined;
  #resolveEnded!: () => void;
  /** Resolves when the thread has ended: one that runs a statement goes on until the statement has ended. */
  readonly ended = new Promise<void>((resolve) => (this.#resolveEnded = resolve));
  #closing: Promise<void> | undefined;

  private constructor(settings: ThreadSettings) {
    // Without the flags of the process: `--input-type=module` would read the program as something else than it is.
    const { Worker: Thread } = nodeModule('node:worker_threads');
    this.#worker = new Thread(threadProgram(), { eval: true, workerData: settings, execArgv: [] });
    this.#worker.on('message', (reply: ThreadReply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => {
      this.#end();
      this.#resolveEnded();
    });
  }

  /** Starts the thread; resolves when its database is open. */
  static async open(settings: ThreadSettings): Promise<SqliteThreadConnection> {
    const connection = new SqliteThreadConnection(settings);
    try {
      await connection.#expect(0, '');
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isDirty(): boolean {
    return this.#isOpen && (this.#inTransaction || this.#failed !== undefined || this.#pending.size > 0);
  }

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  get failedStatement(): FailedStatement | undefined {
    return this.#failed;
  }

  async query<R = Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<R>> {
    if (!this.#isOpen || this.#closing !== undefined) throw closedError();
    const request: ThreadRequest = { id: ++this.#lastId, sql, params: params.map(toBindable) };
    this.#worker.postMessage(request);
    const { rows = [], rowCount = 0, lastInsertId } = await this.#expect(request.id, sql);
    restoreBuffers(rows);
    return { rows: rows as R[], rowCount, ...(lastInsertId !== undefined && { lastInsertId }) };
  }

  /** The reply with this id. The thread keeps the process alive for as long as one is expected, and no longer. */
  #expect(id: number, sql: string): Promise<ThreadReply> {
    this.#worker.ref();
    return new Promise((resolve, reject) => this.#pending.set(id, { sql, resolve, reject }));
  }

  #settle(reply: ThreadReply): void {
    this.#inTransaction = reply.inTransaction;
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    const error = reply.error && Object.assign(new Error(reply.error.message), { code: reply.error.code });
    if (reply.isAborted !== true) this.#failed = undefined;
    else this.#failed ??= { sql: pending?.sql ?? '', error };
    if (error === undefined) pending?.resolve(reply);
    else pending?.reject(error);
  }

  #end(cause?: unknown): void {
    this.#isOpen = false;
    for (const { reject } of this.#pending.values()) reject(closedError(cause));
    this.#pending.clear();
  }

  /** Statements still running are waited for: the thread runs them in their order. */
  async reset(): Promise<void> {
    while (this.#pending.size > 0) await this.ping();
    if (this.#inTransaction || this.#failed !== undefined) await this.query('ROLLBACK').catch(() => undefined);
    await this.query('PRAGMA query_only = OFF');
  }

  async ping(): Promise<boolean> {
    return (await this.query('PRAGMA schema_version')).rowCount === 1;
  }

  /** Ends the thread once the statement it runs has ended; the driver cannot be interrupted in the middle of one. */
  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    if (!this.#isOpen) return;
    const exited = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()));
    this.#worker.ref();
    this.#worker.postMessage('close');
    await exited;
  }
}
