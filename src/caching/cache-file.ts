/**
 * The SQLite file of the disk layer: opens it next to other processes, detects damage, sets a damaged file aside and
 * creates a new one.
 */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { monotonicClock, wallClock } from '../shared/clock.js';
import { ResilienceError, messageOf } from '../shared/errors.js';
import { openSqlite, type SqliteDatabase } from '../shared/sqlite-driver.js';
import { assertWhole, codeOf, isDamage, sizeOf } from './file-damage.js';
import { FileUpkeep } from './file-upkeep.js';
import { prepareStatements, SCHEMA, SCHEMA_VERSION, TABLES, type Statements } from './disk-schema.js';

export interface CacheFileOptions {
  readonly path: string;
  /** Milliseconds that a statement waits for a write of another process. */
  readonly busyTimeout: number;
  /** The largest size of the file in bytes. */
  readonly maxSize: number;
}

/** SQLite in memory: no file that could be shared or damaged. */
const IN_MEMORY = ':memory:';
/** Bytes of the write-ahead log from which a checkpoint folds it into the file. */
const LOG_LIMIT = 8 * 1024 * 1024;
/** Attempts to open while other processes switch the same new file to its journal mode, which cannot wait by itself. */
const OPEN_ATTEMPTS = 50;
const OPEN_PAUSE = 10;
/** Milliseconds between two checks of the file at the path. One check takes 2 µs. */
const LOOK_PERIOD = 1;
/** The number of checks after which the size of the log is checked as well. */
const LOG_LOOKS = 32;
/**
 * KiB of pages that the connection keeps. It drops them whenever another process has written, on the event loop: the
 * 16 MB that better-sqlite3 keeps otherwise took 110 ms of processor time. The system still has the file in memory.
 */
const PAGES_KEPT = 2000;
/** No file has this inode. */
const GONE = -1;
/** A rebuild takes milliseconds. A lock this old belongs to a process that died during a rebuild. */
const ABANDONED_LOCK = 10_000;

/** Owns the connection. `statements` are those of the current file and are replaced by a rebuild. */
export class CacheFile {
  readonly path: string;
  readonly upkeep: FileUpkeep;
  readonly #options: CacheFileOptions;
  #database!: SqliteDatabase;
  #statements!: Statements;
  #inTransaction!: (work: () => unknown) => unknown;
  #inode = 0;
  #rebuilds = 0;
  #openAttempts = OPEN_ATTEMPTS;
  #nextLook = 0;
  #looks = 0;
  #isClosed = false;

  /** @throws Error if the folder cannot be created or the file cannot be opened */
  constructor(options: CacheFileOptions) {
    this.path = options.path;
    this.#options = options;
    this.upkeep = new FileUpkeep(options.path === IN_MEMORY ? undefined : options.path);
    if (options.path !== IN_MEMORY) mkdirSync(dirname(options.path), { recursive: true });
    try {
      this.#open();
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.rebuild(error);
    }
    this.#openAttempts = 1; // from now on a request waits, and the layer retries later after a failure
  }

  /** Runs the work in a transaction that holds the write lock from its beginning, or as part of an outer one. */
  inTransaction<R>(work: () => R): R {
    return this.#inTransaction(work) as R;
  }

  /** The number of times a damaged file was set aside. */
  get rebuilds(): number {
    return this.#rebuilds;
  }

  /** @throws ResilienceError SHUTTING_DOWN once closed */
  get statements(): Statements {
    if (this.#isClosed) throw new ResilienceError('SHUTTING_DOWN', `the disk cache ${this.path} is closed`);
    const now = monotonicClock.now();
    if (now >= this.#nextLook) this.#look(now);
    return this.#statements;
  }

  /** Bytes of the pages in use, without the free pages. */
  get bytesUsed(): number {
    const page = this.#pragma('page_size');
    return (this.#pragma('page_count') - this.#pragma('freelist_count')) * page;
  }

  /** Bytes of the file, including free pages. */
  get bytes(): number {
    return this.#pragma('page_count') * this.#pragma('page_size');
  }

  /** Returns the free pages to the file system. Blocks until it is done. */
  shrink(): void {
    if (this.#pragma('auto_vacuum') === 0) this.#database.exec('VACUUM');
    else this.#database.pragma('incremental_vacuum');
    this.#database.pragma('wal_checkpoint(TRUNCATE)');
  }

  /**
   * Renames the damaged file to `<path>.corrupt`, replacing an earlier one, and opens an empty file. If another process
   * has done so already, its new file is opened.
   *
   * @throws ResilienceError STORE_UNAVAILABLE while another process rebuilds the file
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
    this.upkeep.close();
    this.#closeQuietly();
  }

  /**
   * Whether the file is still the one at its path, because another process may have replaced it, and whether its log
   * needs a checkpoint.
   */
  #look(now: number): void {
    if (this.path === IN_MEMORY || this.#database.inTransaction) return;
    this.#nextLook = now + LOOK_PERIOD;
    if (inodeOf(this.path) !== this.#inode) {
      this.#inode = GONE; // until opening succeeds
      this.#closeQuietly();
      mkdirSync(dirname(this.path), { recursive: true });
      this.#open();
    }
    if (++this.#looks % LOG_LOOKS === 0 && sizeOf(`${this.path}-wal`) > LOG_LIMIT) this.upkeep.checkpoint();
  }

  #open(): void {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#openOnce();
        return;
      } catch (error) {
        this.#closeQuietly();
        if (!codeOf(error).startsWith('SQLITE_BUSY') || attempt >= this.#openAttempts) throw error;
        pause(OPEN_PAUSE);
      }
    }
  }

  #openOnce(): void {
    const { busyTimeout, maxSize } = this.#options;
    const database = openSqlite(this.path, { timeout: busyTimeout });
    this.#database = database;
    this.#inode = inodeOf(this.path);
    // Counts for a new file only, and takes the write lock: a process must be able to start while another holds that.
    if (this.#pragma('page_count') === 0) database.pragma('auto_vacuum = INCREMENTAL');
    database.pragma('journal_mode = WAL');
    // A thread checkpoints the log and cuts it, because both can take seconds after a large transaction of any process.
    if (this.upkeep.isAvailable) database.pragma('wal_autocheckpoint = 0');
    // A killed process loses no acknowledged write. A power failure may lose the last moments, which a cache tolerates.
    database.pragma('synchronous = NORMAL');
    database.pragma(`cache_size = -${PAGES_KEPT}`);
    if (this.path !== IN_MEMORY) assertWhole(database, this.path);
    createSchema(database);
    database.pragma(`max_page_count = ${Math.max(1, Math.floor(maxSize / this.#pragma('page_size')))}`);
    this.#statements = prepareStatements(database);
    const transaction = database.transaction((work: () => unknown) => work());
    const inTransaction = (work: () => unknown): unknown => transaction.immediate(work);
    this.#inTransaction = inTransaction;
  }

  #pragma(name: string): number {
    return Number(this.#database.pragma(name, { simple: true }));
  }

  #setAside(cause: unknown): void {
    const aside = `${this.path}.corrupt`;
    // The log is renamed first: a process that opens in between must not find an old log beside a new file and replay
    // it.
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

function createSchema(database: SqliteDatabase): void {
  // Read the version first, because taking the write lock would wait for another process that holds it.
  if (database.pragma('user_version', { simple: true }) === SCHEMA_VERSION) return;
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

function acquireLock(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx'));
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  if (ageOf(path) < ABANDONED_LOCK) return false;
  rmSync(path, { force: true });
  return false; // the next call takes it, because two processes that both find it old must not both succeed
}

/** Both times are those of the file system, so the age does not depend on the clock option of this process. */
function ageOf(path: string): number {
  try {
    return wallClock.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

function inodeOf(path: string): number {
  return path === IN_MEMORY ? 0 : (statSync(path, { throwIfNoEntry: false })?.ino ?? 0);
}

/** Blocks: opening is synchronous and happens once. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
