/** Which errors of SQLite mean a damaged or a full file, and whether a file has lost its end. */
import { statSync } from 'node:fs';
import type { SqliteDatabase } from '../shared/sqlite-driver.js';

/** Bytes that the log adds to each page. */
const FRAME_HEADER = 24;
/** Pages that SQLite counts and never writes: one, at 1 GiB, holds its locks. */
const NEVER_WRITTEN = 1;

/** Whether the error means that the file is damaged or is not a database. */
export function isDamage(error: unknown): boolean {
  const code = codeOf(error);
  return code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB';
}

/** Whether the error means that the file has reached its size limit. */
export function isFull(error: unknown): boolean {
  return codeOf(error) === 'SQLITE_FULL';
}

/** The code of an error of SQLite, or '' for any other value. */
export function codeOf(error: unknown): string {
  // Not by class: the native module creates its errors in the realm that loaded it first, such as that of another test.
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

/**
 * Detects a file that was truncated: it has pages that are neither in the file nor in its log. SQLite reports that
 * itself only if the log is empty. The sizes come from the file system and not from a read of the file. Closing a second
 * descriptor of the file releases the locks of every connection of this process (POSIX), also in other threads.
 *
 * @throws Error SQLITE_CORRUPT
 */
export function assertWhole(database: SqliteDatabase, path: string): void {
  const pageSize = numberOf(database, 'page_size');
  const before = numberOf(database, 'page_count');
  // The log first: a checkpoint of another process moves pages from the log to the file.
  const logged = Math.floor(sizeOf(`${path}-wal`) / (pageSize + FRAME_HEADER));
  const present = logged + Math.floor(sizeOf(path) / pageSize) + NEVER_WRITTEN;
  const expected = Math.min(before, numberOf(database, 'page_count')); // another process may have vacuumed the file
  if (expected <= present) return;
  throw Object.assign(new Error(`${expected} pages expected, ${present} found`), { code: 'SQLITE_CORRUPT' });
}

/** Bytes of the file; 0 if it does not exist. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function numberOf(database: SqliteDatabase, pragma: string): number {
  return Number(database.pragma(pragma, { simple: true }));
}
