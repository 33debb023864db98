/**
 * The code inside the thread of a `sqliteThreadConnections` connection. The function is sent there as text, because no
 * path to a file of this package works from a bundle, a CommonJS build and an ES module build alike. It must not use
 * anything from outside itself.
 */
import type * as WorkerThreads from 'node:worker_threads';
import type { SqliteDatabase, SqliteStatement } from '../shared/sqlite-driver.js';
import type { SqliteOpener } from '../shared/sqlite-database.js';
import type { Bigints } from './bigints.js';
import type * as SqliteRows from './sqlite-rows.js';

/** How a thread opens its database. */
export interface ThreadSettings {
  readonly path: string;
  readonly readOnly: boolean;
  readonly busyTimeout: number;
  readonly synchronous: string;
  readonly statementCacheSize: number;
  readonly bigints: Bigints;
}

/** One statement on its way to the thread. */
export interface ThreadRequest {
  readonly id: number;
  readonly sql: string;
  readonly params: readonly unknown[];
}

/** Its outcome on the way back. The thread's first message has the id 0: it is open, or could not be opened. */
export interface ThreadReply {
  readonly id: number;
  readonly rows?: readonly unknown[];
  readonly rowCount?: number;
  readonly lastInsertId?: number | bigint;
  readonly error?: { readonly message: string; readonly code: string };
  readonly inTransaction: boolean;
  /** The database has ended the transaction by itself; nothing is done until it is ended by its owner too. */
  readonly isAborted?: boolean;
}

/** The thread's program. A thread may block: it waits for other writers in the driver itself. */
export function serveInThread(
  threads: typeof WorkerThreads,
  openSqlite: SqliteOpener,
  { readRows, exactRowId }: typeof SqliteRows,
): void {
  const port = threads.parentPort!;
  const settings = threads.workerData as ThreadSettings;
  const statements = new Map<string, SqliteStatement<unknown[]>>();

  const open = (): SqliteDatabase => {
    const { path, readOnly, busyTimeout, synchronous } = settings;
    const database = openSqlite(path, { readonly: readOnly, fileMustExist: readOnly, timeout: busyTimeout });
    if (!readOnly) database.pragma('journal_mode = WAL');
    database.pragma(`synchronous = ${synchronous}`);
    database.pragma('foreign_keys = ON');
    return database;
  };

  const describe = (error: unknown): { message: string; code: string } => {
    const { message, code } = error as { message: string; code?: string };
    return { message, code: code ?? 'SQLITE_ERROR' };
  };

  let isAborted = false;
  const refuseOrEnd = (sql: string): void => {
    if (/^\s*(?:rollback|commit|end)\b(?!\s+(?:transaction\s+)?to\b)/i.test(sql)) {
      isAborted = false;
      return;
    }
    const message = 'the transaction has been ended by a failure: nothing is done until ROLLBACK';
    throw Object.assign(new Error(message), { code: 'SQLITE_ABORT_ROLLBACK' });
  };

  const prepare = (database: SqliteDatabase, sql: string): SqliteStatement<unknown[]> => {
    const statement = statements.get(sql) ?? database.prepare<unknown[]>(sql);
    statements.delete(sql);
    statements.set(sql, statement); // the most recently used last
    if (statements.size > settings.statementCacheSize) statements.delete(statements.keys().next().value!);
    return statement;
  };

  const run = (database: SqliteDatabase, sql: string, params: readonly unknown[]): Partial<ThreadReply> => {
    const statement = prepare(database, sql);
    if (!statement.reader) {
      const { changes, lastInsertRowid } = statement.run(params);
      return { rows: [], rowCount: changes, lastInsertId: exactRowId(database, lastInsertRowid, settings.bigints) };
    }
    const rows = readRows(statement, params, settings.bigints);
    return { rows, rowCount: rows.length };
  };

  try {
    const database = open();
    port.on('message', (request: ThreadRequest | 'close') => {
      if (request === 'close') {
        database.close();
        port.close();
        return;
      }
      const { id, sql, params } = request;
      const wasInTransaction = database.inTransaction;
      let outcome: Partial<ThreadReply>;
      try {
        if (isAborted) refuseOrEnd(sql);
        outcome = run(database, sql, params);
      } catch (error) {
        outcome = { error: describe(error) };
        isAborted ||= wasInTransaction && !database.inTransaction;
      }
      port.postMessage({ id, ...outcome, inTransaction: database.inTransaction, isAborted });
    });
    port.postMessage({ id: 0, inTransaction: false });
  } catch (error) {
    port.postMessage({ id: 0, error: describe(error), inTransaction: false });
  }
}
