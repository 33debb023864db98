/**
 * The SQLite file under the disk layer: opening it beside other processes, noticing damage, setting a damaged file aside
 * and beginning anew.
 */
import type Database from 'better-sqlite3';
import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { wallClock } from '../shared/clock.js';
import { ResilienceError, messageOf } from '../shared/errors.js';
import { openSqlite, SqliteDatabase } from '../shared/sqlite-driver.js';
import { prepareStatements, SCHEMA, SCHEMA_VERSION, TABLES, type Statements } from './disk-schema.js';

export interface CacheFileOptions {
  readonly path: string;
  /** Milliseconds a statement waits for another process' write. */
  readonly busyTimeout: number;
  /** Bytes the file may grow to. */
  readonly maxSize: number;
}

/** SQLite in memory: nothing to share, nothing to damage. */
const IN_MEMORY = ':memory:';
const MAGIC = 'SQLite format 3\0';
/** Bytes the write-ahead log is cut back to after a checkpoint. */
const LOG_LIMIT = 8 * 1024 * 1024;
/** Tries to open while other processes switch the same new file to its journal mode, which cannot wait by itself. */
const OPEN_ATTEMPTS = 50;
const OPEN_PAUSE = 10;
/** A rebuild takes milliseconds; a lock this old belongs to a process that died in it. */
const ABANDONED_LOCK = 10_000;

/** Whether the error says that the file is damaged, or no database at all. */
export function isDamage(error: unknown): boolean {
  const code = codeOf(error);
  return code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB';
}

/** Whether the error says that the file has reached its bound. */
export function isFull(error: unknown): boolean {
  return codeOf(error) === 'SQLITE_FULL';
}

function codeOf(error: unknown): string {
  // Not by class: the native module makes its errors in the realm that loaded it first, in a test another than this.
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

/** Owns the connection. `statements` are those of the present file; after a rebuild they are others. */
export class CacheFile {
  readonly path: string;
  readonly #options: CacheFileOptions;
  #database!: Database.Database;
  #statements!: Statements;
  #inTransaction!: (work: () => unknown) => unknown;
  #inode = 0;
  #rebuilds = 0;
  #isClosed = false;

  /** @throws Error when the folder cannot be made or the file not be opened */
  constructor(options: CacheFileOptions) {
    this.path = options.path;
    this.#options = options;
    if (options.path !== IN_MEMORY) mkdirSync(dirname(options.path), { recursive: true });
    try {
      this.#open();
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.rebuild(error);
    }
  }

  /** Runs the work in a transaction that holds the write lock from its beginning; within another, as a part of it. */
  inTransaction<R>(work: () => R): R {
    return this.#inTransaction(work) as R;
  }

  /** How often a damaged file was set aside. */
  get rebuilds(): number {
    return this.#rebuilds;
  }

  /** @throws ResilienceError SHUTTING_DOWN once closed */
  get statements(): Statements {
    if (this.#isClosed) throw new ResilienceError('SHUTTING_DOWN', `the disk cache ${this.path} is closed`);
    return this.#statements;
  }

  /** Bytes of the file's pages in use, the free ones within it left out. */
  get bytesUsed(): number {
    const page = this.#pragma('page_size');
    return (this.#pragma('page_count') - this.#pragma('freelist_count')) * page;
  }

  /** Bytes of the file, free pages included. */
  get bytes(): number {
    return this.#pragma('page_count') * this.#pragma('page_size');
  }

  /** Gives the free pages back to the file system. */
  vacuum(): void {
    this.#database.exec('VACUUM');
    this.#database.pragma('wal_checkpoint(TRUNCATE)');
  }

  /**
   * Renames the damaged file to `<path>.corrupt`, replacing an earlier one, and opens an empty one. Where another process
   * has done so already, its new file is opened.
   *
   * @throws ResilienceError STORE_UNAVAILABLE while another process is at it
   */
  rebuild(cause: unknown): void {
    this.#closeQuietly();
    this.#withRebuildLock(() => {
      if (this.#inode === 0 || inodeOf(this.path) === this.#inode) this.#setAside(cause);
      this.#open();
    });
    this.#rebuilds++;
  }

  close(): void {
    this.#isClosed = true;
    this.#closeQuietly();
  }

  #open(): void {
    const isSuspect = this.path !== IN_MEMORY && isShorterThanDeclared(this.path);
    for (let attempt = 1; ; attempt++) {
      try {
        this.#openOnce(isSuspect);
        return;
      } catch (error) {
        this.#closeQuietly();
        if (!codeOf(error).startsWith('SQLITE_BUSY') || attempt === OPEN_ATTEMPTS) throw error;
        pause(OPEN_PAUSE);
      }
    }
  }

  #openOnce(isSuspect: boolean): void {
    const { busyTimeout, maxSize } = this.#options;
    const database = openSqlite(this.path, { timeout: busyTimeout });
    this.#database = database;
    this.#inode = inodeOf(this.path);
    database.pragma('journal_mode = WAL');
    // A killed process loses nothing that was acknowledged; a power failure may lose the last moments, which a cache can.
    database.pragma('synchronous = NORMAL');
    database.pragma(`journal_size_limit = ${LOG_LIMIT}`);
    if (isSuspect) assertIntact(database);
    createSchema(database);
    database.pragma(`max_page_count = ${Math.max(1, Math.floor(maxSize / this.#pragma('page_size')))}`);
    this.#statements = prepareStatements(database);
    const transaction = database.transaction((work: () => unknown) => work());
    this.#inTransaction = (work) => transaction.immediate(work);
  }

  #pragma(name: string): number {
    return Number(this.#database.pragma(name, { simple: true }));
  }

  #setAside(cause: unknown): void {
    const aside = `${this.path}.corrupt`;
    // The log goes first: a process that opens in between must not find an old log beside a new file and replay it.
    if (existsSync(`${this.path}-wal`)) renameSync(`${this.path}-wal`, `${aside}-wal`);
    rmSync(`${this.path}-shm`, { force: true });
    if (existsSync(this.path)) renameSync(this.path, aside);
    process.emitWarning(
      `the disk cache ${this.path} is damaged (${messageOf(cause)}); it was set aside as ${aside} and begun anew`,
      { code: 'TOOLOO_CACHE_FILE_DAMAGED' },
    );
  }

  #withRebuildLock(work: () => void): void {
    const lock = `${this.path}.rebuilding`;
    if (!acquireLock(lock)) {
      throw new ResilienceError('STORE_UNAVAILABLE', `another process is rebuilding the disk cache ${this.path}`);
    }
    try {
      work();
    } finally {
      rmSync(lock, { force: true });
    }
  }

  #closeQuietly(): void {
    try {
      this.#database.close();
    } catch {
      // Closing a damaged file may fail; what matters is that it is not used again.
    }
  }
}

function createSchema(database: Database.Database): void {
  database
    .transaction(() => {
      const version = database.pragma('user_version', { simple: true });
      if (version === SCHEMA_VERSION) return;
      for (const table of TABLES) database.exec(`DROP TABLE IF EXISTS ${table}`);
      database.exec(SCHEMA);
      database.pragma(`user_version = ${SCHEMA_VERSION}`);
    })
    .immediate();
}

/** Whether the header promises more pages than the file has: it was cut, or its pages are still in the log. */
function isShorterThanDeclared(path: string): boolean {
  if (!existsSync(path)) return false;
  const { size } = statSync(path);
  if (size === 0) return false;
  const header = Buffer.alloc(100);
  const file = openSync(path, 'r');
  try {
    readSync(file, header, 0, header.length, 0);
  } finally {
    closeSync(file);
  }
  if (header.toString('latin1', 0, MAGIC.length) !== MAGIC) return false; // SQLite says so itself, and better
  const pageSize = header.readUInt16BE(16) === 1 ? 65536 : header.readUInt16BE(16);
  return size < pageSize * header.readUInt32BE(28);
}

function assertIntact(database: Database.Database): void {
  const verdict = database.pragma('quick_check(1)', { simple: true });
  if (verdict !== 'ok') throw new SqliteDatabase.SqliteError(String(verdict), 'SQLITE_CORRUPT');
}

function acquireLock(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx'));
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  if (ageOf(path) < ABANDONED_LOCK) return false;
  rmSync(path, { force: true });
  return false; // the next call takes it: two processes that both find it old must not both succeed
}

/** Both times are the file system's: the age does not depend on this process' clock option. */
function ageOf(path: string): number {
  try {
    return wallClock.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

function inodeOf(path: string): number {
  return path === IN_MEMORY || !existsSync(path) ? 0 : statSync(path).ino;
}

/** Blocks: opening is synchronous and happens once. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
