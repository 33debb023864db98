/** What a client is told of a database's own failures: it is away for the moment, or it has no room. */
import { ResilienceError } from '../../src/index.js';

/** SQLSTATE of a full disk, and what SQLite calls one: of the file itself, of its log, of the log's index. */
const FULL: ReadonlySet<unknown> = new Set(['53100', 'SQLITE_FULL', 'SQLITE_IOERR_WRITE', 'SQLITE_IOERR_SHMSIZE']);

const RETRY_AFTER_SECONDS = 1;

/**
 * The error for the caller of a statement; the one given, where that is about the statement.
 *
 * @param isLost whether the connection ended, and the answer with it
 */
export function asDatabaseFault(error: unknown, isLost: boolean): unknown {
  const options = { cause: error, retryAfter: RETRY_AFTER_SECONDS };
  if (isLost) return new ResilienceError('CONNECTION_LOST', 'the database went away before it answered', options);
  if (FULL.has((error as { code?: unknown } | null)?.code))
    return new ResilienceError('STORAGE_FULL', 'the database has no room left', options);
  return error;
}
