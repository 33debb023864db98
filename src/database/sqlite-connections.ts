/** The factory of SQLite connections: WAL, so that readers and the one writer do not wait for each other. */
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { monotonicClock, sleep, type Clock } from '../shared/clock.js';
import {
  boolean,
  checkOptions,
  checkValue,
  clock,
  count,
  func,
  milliseconds,
  oneOf,
  string,
  type Check,
} from '../shared/options.js';
import { openSqlite, type SqliteDatabase } from '../shared/sqlite-driver.js';
import type { Bigints } from './bigints.js';
import type { ConnectionFactory } from './connection.js';
import { SqliteConnection } from './sqlite-connection.js';
import { SqliteThreadConnection } from './sqlite-thread-connection.js';
import { WriteLock } from './write-lock.js';

/** How a SQLite database is opened. */
export interface SqliteConnectionsOptions {
  /** Open the file for reading only; it must exist. Default false. */
  readonly readOnly?: boolean;
  /** Milliseconds a write waits for another writer, in this process or another, before SQLITE_BUSY. Default 5000. */
  readonly busyTimeout?: number;
  /**
   * When the operating system is asked to flush. With 'normal' (default), a killed process loses nothing. A power
   * failure may lose the last transactions, but never corrupts the file. With 'full', a power failure does not lose
   * them either.
   */
  readonly synchronous?: 'normal' | 'full';
  /** Prepared statements each connection keeps. Default 200. */
  readonly statementCacheSize?: number;
  /**
   * The JavaScript type of integers. 'auto' (default): a number if it holds the value exactly, else a BigInt; 'always':
   * a BigInt; 'number': a number, rounded beyond 2^53.
   */
  readonly bigints?: Bigints;
  /** Called on each new handle of the driver: pragmas, functions. */
  readonly setup?: (database: SqliteDatabase) => void;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/**
 * Milliseconds the driver itself may wait, during which the whole process stands still. Just enough for a short write
 * of another process; longer waits are slept through.
 */
const BLOCKING_BUSY_TIMEOUT = 5;
const OPEN_RETRY_WAIT = 10;

/** The options of connections that run in threads: what is a function cannot go there. */
export type SqliteThreadConnectionsOptions = Omit<SqliteConnectionsOptions, 'setup' | 'clock'>;

type Resolved = Required<Omit<SqliteConnectionsOptions, 'setup'>> & Pick<SqliteConnectionsOptions, 'setup'>;

function openHandle(path: string, { readOnly, synchronous, setup }: Resolved): SqliteDatabase {
  const database = openSqlite(path, {
    readonly: readOnly,
    fileMustExist: readOnly,
    timeout: BLOCKING_BUSY_TIMEOUT,
  });
  try {
    if (!readOnly) database.pragma('journal_mode = WAL');
    database.pragma(`synchronous = ${synchronous}`);
    database.pragma('foreign_keys = ON');
    setup?.(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Switching to WAL needs the file alone for a moment: several processes that start at once must try again. */
async function openFile(path: string, options: Resolved, signal: AbortSignal): Promise<SqliteDatabase> {
  if (!options.readOnly) await mkdir(dirname(resolve(path)), { recursive: true });
  const deadline = options.clock.now() + options.busyTimeout;
  for (;;) {
    try {
      return openHandle(path, options);
    } catch (error) {
      const isBusy = (error as { code?: unknown }).code === 'SQLITE_BUSY';
      if (!isBusy || options.clock.now() >= deadline) throw error;
    }
    await sleep(options.clock, OPEN_RETRY_WAIT * (1 + Math.random()), signal, true); // a caller waits for it
  }
}

const FILE_PATH: Check = {
  expected: 'the path of a file',
  type: (value) => typeof value === 'string',
  range: (value: string) => value !== '' && value !== ':memory:',
};

/**
 * SQLite connections for a `ConnectionPool`: each its own handle on one file, opened in WAL mode, folders created as
 * needed. With `':memory:'` all of them speak through one handle to one database, which lives until the pool ends.
 *
 * @param path the database file, or ':memory:'
 *
 * @example
 * import { ConnectionPool, sqliteConnections } from '@tooloo/resilience';
 *
 * const pool = new ConnectionPool({ factory: sqliteConnections('./data/orders.db') });
 */
export function sqliteConnections(
  path: string,
  options: SqliteConnectionsOptions = {},
): ConnectionFactory<SqliteConnection> {
  checkValue("sqliteConnections: 'path'", path, string);
  const resolved: Resolved = {
    readOnly: false,
    busyTimeout: 5000,
    synchronous: 'normal',
    statementCacheSize: 200,
    bigints: 'auto',
    clock: monotonicClock,
    ...checkOptions<SqliteConnectionsOptions>('sqliteConnections', options, {
      readOnly: boolean,
      busyTimeout: milliseconds,
      synchronous: oneOf('normal', 'full'),
      statementCacheSize: count(),
      bigints: oneOf('auto', 'always', 'number'),
      setup: func,
      clock,
    }),
  };
  const { busyTimeout, statementCacheSize, bigints } = resolved;
  const common = {
    lock: new WriteLock(resolved.clock),
    clock: resolved.clock,
    busyTimeout,
    statementCacheSize,
    bigints,
  };
  let shared: SqliteDatabase | undefined;
  return {
    dialect: 'sqlite',
    async create(signal) {
      if (path === ':memory:') {
        shared ??= openHandle(path, { ...resolved, readOnly: false });
        return new SqliteConnection({ ...common, database: shared, isShared: true });
      }
      const database = await openFile(path, resolved, signal);
      return new SqliteConnection({ ...common, database, isShared: false });
    },
    close() {
      shared?.close();
      shared = undefined;
    },
  };
}

/**
 * SQLite connections that each run in a thread of their own, for queries that take long: reports, exports, maintenance.
 * The event loop stays free while they run; a short query pays for the way there and back (about 0.1 ms).
 *
 * @param path the database file; a database in memory cannot be shared by threads
 *
 * @example
 * import { ConnectionPool, sqliteThreadConnections } from '@tooloo/resilience';
 *
 * const reports = new ConnectionPool({ factory: sqliteThreadConnections('./data/orders.db'), maxConnections: 2 });
 */
export function sqliteThreadConnections(
  path: string,
  options: SqliteThreadConnectionsOptions = {},
): ConnectionFactory<SqliteThreadConnection> {
  checkValue("sqliteThreadConnections: 'path'", path, FILE_PATH);
  const settings = {
    path,
    readOnly: false,
    busyTimeout: 5000,
    synchronous: 'normal',
    statementCacheSize: 200,
    bigints: 'auto' as const,
    ...checkOptions<SqliteThreadConnectionsOptions>('sqliteThreadConnections', options, {
      readOnly: boolean,
      busyTimeout: milliseconds,
      synchronous: oneOf('normal', 'full'),
      statementCacheSize: count(),
      bigints: oneOf('auto', 'always', 'number'),
    }),
  };
  return {
    dialect: 'sqlite',
    async create() {
      if (!settings.readOnly) await mkdir(dirname(resolve(path)), { recursive: true });
      return SqliteThreadConnection.open(settings);
    },
  };
}
