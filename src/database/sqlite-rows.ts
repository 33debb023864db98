/** The rows of a SQLite statement, its integers exact. */
import type { SqliteDatabase, SqliteStatement } from '../shared/sqlite-database.js';
import type { Bigints } from './bigints.js';

/**
 * The rows of a statement that returns some. With 'auto' they are read as numbers, and once more as BigInts if a number
 * may have been rounded. Nearly no result holds such a number, and reading every integer as a BigInt costs more than a
 * check of the numbers. A write with `RETURNING` cannot run twice, so it is read as BigInts at once.
 *
 * Sent to threads as text: it must not use anything from outside itself.
 */
export function readRows(
  statement: SqliteStatement<unknown[]>,
  values: readonly unknown[],
  bigints: Bigints,
): unknown[] {
  const readExactly = (): unknown[] => {
    statement.safeIntegers(true);
    try {
      return statement.all(values);
    } finally {
      statement.safeIntegers(false);
    }
  };
  const isDoubtful = (row: Record<string, unknown>): boolean => {
    for (const name in row) {
      const value = row[name];
      if (typeof value === 'number' && (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER))
        return true;
    }
    return false;
  };
  const narrow = (row: Record<string, unknown>): void => {
    for (const name in row) {
      const value = row[name];
      if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) row[name] = Number(value);
    }
  };
  if (bigints === 'always') return readExactly();
  if (bigints === 'number') return statement.all(values);
  if (statement.readonly) {
    const rows = statement.all(values) as Array<Record<string, unknown>>;
    if (!rows.some(isDoubtful)) return rows;
  }
  const exact = readExactly() as Array<Record<string, unknown>>;
  exact.forEach(narrow);
  return exact;
}

/** The row id of the last insert, exact. Sent to threads as text, like `readRows`. */
export function exactRowId(database: SqliteDatabase, rowId: number | bigint, bigints: Bigints): number | bigint {
  if (bigints === 'number') return rowId;
  if (bigints === 'always') return Number.isSafeInteger(Number(rowId)) ? BigInt(rowId) : lastRowId();
  return Number.isSafeInteger(rowId) ? rowId : lastRowId();
  function lastRowId(): bigint {
    return database.prepare('SELECT last_insert_rowid()').pluck().safeIntegers(true).get() as bigint;
  }
}
