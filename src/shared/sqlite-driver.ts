/**
 * better-sqlite3, in the version for this Node. 12 is the last for Node 20; but from Node 24.19 on the process ends when an
 * object of 12 is collected at the wrong moment (nodejs/node#65446). 13 is built otherwise, needs Node 22, and is left out
 * by npm where Node is older.
 */
import type Sqlite from 'better-sqlite3';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ResilienceError, messageOf } from './errors.js';

/** A frame of a stack: the file it names, as a path or a file URL. */
const FRAME_FILE = /(?:\(|at (?:async )?)((?:file:\/\/|\/|[A-Z]:\\).+?):\d+:\d+\)?$/;

/** The file this code runs from, in every build of it: read off the stack, since no two builds share another way. */
function ownFile(): string {
  const { stack } = new Error();
  const frame = typeof stack === 'string' ? stack.split('\n')[1] : undefined;
  return FRAME_FILE.exec(frame ?? '')?.[1] ?? join(process.cwd(), 'index.js');
}

const requireHere = createRequire(ownFile());

/** Where the package lies that a name stands for; undefined where it is not installed. */
function find(name: string): string | undefined {
  try {
    return requireHere.resolve(name);
  } catch {
    return undefined;
  }
}

const FIRST_FOR_13 = 22;
const isFor13 = Number.parseInt(process.versions.node, 10) >= FIRST_FOR_13;

/** What `require` loads the driver by: its path, for threads and processes that would look elsewhere. */
export const SQLITE_DRIVER =
  (isFor13 ? find('better-sqlite3-13') : undefined) ?? find('better-sqlite3') ?? 'better-sqlite3';

/** The class of its databases. */
export const SqliteDatabase = requireHere(SQLITE_DRIVER) as typeof Sqlite;

/** How the package bindings, by which 12 looks for its binary, begins when there is none. It gives no code. */
const NO_BINARY = 'Could not locate the bindings file';

/** Whether the native half of the driver cannot be loaded: built for another Node or machine, or not there at all. */
function isUnloadable(error: unknown): boolean {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return code === 'ERR_DLOPEN_FAILED' || code === 'MODULE_NOT_FOUND' || messageOf(error).startsWith(NO_BINARY);
}

/** What an error of opening a database means to the user: one of loading the driver says what to do about it. */
export function explainDriverError(error: unknown): unknown {
  if (!isUnloadable(error)) return error;
  const reason = messageOf(error).replaceAll(/\s+/g, ' ');
  const remedy = "run 'npm install', or 'npm rebuild better-sqlite3', with the Node that runs this program";
  const message = `better-sqlite3, the SQLite driver, cannot be loaded by Node ${process.versions.node}: ${remedy} (${reason})`;
  return new ResilienceError('DRIVER_UNAVAILABLE', message, { cause: error });
}

/**
 * Opens a database.
 *
 * @throws ResilienceError DRIVER_UNAVAILABLE when the driver was installed for another Node
 */
export function openSqlite(path: string, options?: Sqlite.Options): Sqlite.Database {
  try {
    return new SqliteDatabase(path, options);
  } catch (error) {
    throw explainDriverError(error);
  }
}
