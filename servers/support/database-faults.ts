/** Converts database failures to errors for clients: the database is unavailable, or it is out of space. */
import { ResilienceError } from '../../src/index.js';

/** The SQLSTATE of a full disk, and SQLite's codes for it: of the file itself, of its log, and of the log's index. */
const FULL: ReadonlySet<unknown> = new Set(['53100', 'SQLITE_FULL', 'SQLITE_IOERR_WRITE', 'SQLITE_IOERR_SHMSIZE']);

const RETRY_AFTER_SECONDS = 1;

/**
 * The error for the caller of a statement. An error about the statement itself is returned unchanged.
 *
 * @param isLost whether the connection closed before the response
 */
export function asDatabaseFault(error: unknown, isLost: boolean): unknown {
  const options = { cause: error, retryAfter: RETRY_AFTER_SECONDS };
  if (isLost)
    return new ResilienceError(
      'CONNECTION_LOST',
      'the connection to the database was lost before it responded',
      options,
    );
  if (FULL.has((error as { code?: unknown } | null)?.code))
    return new ResilienceError('STORAGE_FULL', 'the database has no room left', options);
  return error;
}
