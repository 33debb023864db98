/**
 * What runs inside the thread of a `sqliteThreadConnections` connection. The function is sent there as text, because no
 * path leads from a bundle, a CommonJS and an ES module build alike to a file of this package: it must not use anything
 * from outside itself.
 */
import type BetterSqlite3 from 'better-sqlite3';
import type * as WorkerThreads from 'node:worker_threads';

/** How a thread opens its database. */
export interface ThreadSettings {
  readonly path: string;
  readonly readOnly: boolean;
  readonly busyTimeout: number;
  readonly synchronous: string;
  readonly statementCacheSize: number;
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
}

/** The thread's program. A thread may block: it waits for other writers in the driver itself. */
export function serveInThread(threads: typeof WorkerThreads, Sqlite: typeof BetterSqlite3): void {
  const port = threads.parentPort!;
  const settings = threads.workerData as ThreadSettings;
  const statements = new Map<string, BetterSqlite3.Statement<unknown[]>>();

  const open = (): BetterSqlite3.Database => {
    const { path, readOnly, busyTimeout, synchronous } = settings;
    const database = new Sqlite(path, { readonly: readOnly, fileMustExist: readOnly, timeout: busyTimeout });
    if (!readOnly) database.pragma('journal_mode = WAL');
    database.pragma(`synchronous = ${synchronous}`);
    database.pragma('foreign_keys = ON');
    return database;
  };

  const describe = (error: unknown): { message: string; code: string } => {
    const { message, code } = error as { message: string; code?: string };
    return { message, code: code ?? 'SQLITE_ERROR' };
  };

  const prepare = (database: BetterSqlite3.Database, sql: string): BetterSqlite3.Statement<unknown[]> => {
    const statement = statements.get(sql) ?? database.prepare<unknown[]>(sql);
    statements.delete(sql);
    statements.set(sql, statement); // the most recently used last
    if (statements.size > settings.statementCacheSize) statements.delete(statements.keys().next().value!);
    return statement;
  };

  const run = (database: BetterSqlite3.Database, sql: string, params: readonly unknown[]): Partial<ThreadReply> => {
    const statement = prepare(database, sql);
    if (!statement.reader) {
      const { changes, lastInsertRowid } = statement.run(params);
      return { rows: [], rowCount: changes, lastInsertId: lastInsertRowid };
    }
    const rows = statement.all(params);
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
      let outcome: Partial<ThreadReply>;
      try {
        outcome = run(database, sql, params);
      } catch (error) {
        outcome = { error: describe(error) };
      }
      port.postMessage({ id, ...outcome, inTransaction: database.inTransaction });
    });
    port.postMessage({ id: 0, inTransaction: false });
  } catch (error) {
    port.postMessage({ id: 0, error: describe(error), inTransaction: false });
  }
}
