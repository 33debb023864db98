/**
 * Loads the available SQLite driver on first use: better-sqlite3 if it is installed and works with this Node, else
 * Node's own `node:sqlite`.
 */
import { ResilienceError, messageOf } from './errors.js';
import { nodeModule } from './node-modules.js';
import { nodeSqliteOpener, type NodeSqlite } from './node-sqlite.js';
import { ownRequire } from './own-require.js';
import type { SqliteOpener } from './sqlite-database.js';

export type { SqliteDatabase, SqliteOpenOptions, SqliteStatement } from './sqlite-database.js';

export interface SqliteDriver {
  readonly name: 'better-sqlite3' | 'node:sqlite';
  readonly open: SqliteOpener;
  /** A JavaScript expression that gives `open` in a thread of text, which would look for packages from the current folder. */
  readonly expression: string;
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

/**
 * The reason why this Node must not load a version of better-sqlite3; undefined if it may. From Node 24.19 on, version
 * 12 ends the process when one of its objects is collected at the wrong moment (nodejs/node#65446). Version 13 crashes
 * Node 20.
 */
export function unfitness(
  version: string,
  node: readonly [major: number, minor: number] = [major, minor],
): string | undefined {
  const driver = Number.parseInt(version, 10);
  const isLateNode = node[0] > 24 || (node[0] === 24 && node[1] >= 19);
  if (driver <= 12 && isLateNode) return `better-sqlite3 ${version} can end the process on this Node`;
  if (driver >= 13 && node[0] < 22) return `better-sqlite3 ${version} needs Node 22: install better-sqlite3@12`;
  return undefined;
}

/** better-sqlite3 as installed beside this package. Throws, with the reason, if it cannot be used. */
export function betterSqlite3(): SqliteDriver {
  const requireHere = ownRequire();
  const path = requireHere.resolve('better-sqlite3');
  const { version } = requireHere('better-sqlite3/package.json') as { version: string };
  const reason = unfitness(version);
  if (reason !== undefined) throw new Error(reason);
  const Sqlite = requireHere(path) as new (...args: Parameters<SqliteOpener>) => ReturnType<SqliteOpener>;
  new Sqlite(':memory:').close(); // loads the native half, which may be built for another Node
  return {
    name: 'better-sqlite3',
    open: (file, options) => new Sqlite(file, options),
    expression: `((Sqlite) => (file, options) => new Sqlite(file, options))(require(${JSON.stringify(path)}))`,
  };
}

/** Node's own SQLite, from 22.13 on. Throws if this version of Node does not have it. */
export function nodeSqlite(): SqliteDriver {
  const sqlite = nodeModule('node:sqlite') as NodeSqlite | undefined;
  if (sqlite === undefined) throw new Error(`Node ${process.versions.node} has no node:sqlite, which came with 22.13`);
  return {
    name: 'node:sqlite',
    open: nodeSqliteOpener(sqlite),
    expression: `(${nodeSqliteOpener.toString()})(process.getBuiltinModule('node:sqlite'))`,
  };
}

let chosen: SqliteDriver | undefined;

/**
 * The driver of this process, found on the first call.
 *
 * @throws ResilienceError DRIVER_UNAVAILABLE, with the packages to install, if there is no driver
 */
export function sqliteDriver(): SqliteDriver {
  return (chosen ??= findDriver());
}

function findDriver(): SqliteDriver {
  const reasons: unknown[] = [];
  for (const load of [betterSqlite3, nodeSqlite]) {
    try {
      return load();
    } catch (error) {
      reasons.push(error);
    }
  }
  throw unavailable(reasons);
}

function unavailable(reasons: readonly unknown[]): ResilienceError {
  const [first = '', ...others] = reasons.map((reason) => messageOf(reason).replaceAll(/\s+/g, ' '));
  const isMissing = first.startsWith('Cannot find');
  const remedy = isMissing
    ? "run 'npm install better-sqlite3@12' (better-sqlite3@13 on Node 22 and later), or use Node 22.13 or later"
    : "run 'npm install', or 'npm rebuild better-sqlite3', with the Node that runs this program, or use Node 22.13 or later";
  const state = isMissing ? 'is not installed' : `cannot be loaded by Node ${process.versions.node}`;
  const message = `better-sqlite3, the SQLite driver, ${state}: ${remedy} (${[first, ...others].join('; ')})`;
  return new ResilienceError('DRIVER_UNAVAILABLE', message, { cause: reasons[0] });
}

/**
 * Opens a database.
 *
 * @throws ResilienceError DRIVER_UNAVAILABLE when there is no driver, else the driver's error with a `code` like SQLITE_BUSY
 */
export const openSqlite: SqliteOpener = (path, options) => sqliteDriver().open(path, options);
