/** The tables of the disk layer and the statements on them. Times are milliseconds of the wall clock of the machine. */
import type { SqliteDatabase, SqliteStatement as Statement } from '../shared/sqlite-driver.js';

/** The tables of another version are dropped, because a cache is rebuilt and not migrated. */
export const SCHEMA_VERSION = 3;

export const TABLES = ['cache_entries', 'cache_tags', 'cache_leases', 'cache_state'] as const;

/**
 * Rows of cache_entries are replaced, never updated, so that the order of their rowids is the order of writing. Storing
 * a value ends the lease on its key. A trigger does that, so that storing is one statement and its own transaction. The
 * value is the last column, because SQLite reads through all pages of a large value to reach a column behind it.
 */
export const SCHEMA = `
  CREATE TABLE cache_entries (
    key TEXT NOT NULL PRIMARY KEY,
    format INTEGER NOT NULL,
    expires_at REAL NOT NULL,
    tags TEXT,
    generation INTEGER NOT NULL,
    grace REAL NOT NULL,
    stale_until REAL NOT NULL,
    written_at REAL NOT NULL,
    value NOT NULL
  );
  CREATE INDEX cache_entries_by_end ON cache_entries (stale_until);
  CREATE INDEX cache_entries_by_generation ON cache_entries (generation) WHERE tags IS NOT NULL;
  CREATE TABLE cache_tags (tag TEXT NOT NULL PRIMARY KEY, hard INTEGER NOT NULL, soft INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE cache_leases (
    key TEXT NOT NULL PRIMARY KEY, token TEXT NOT NULL, lapses_at REAL NOT NULL, generation INTEGER NOT NULL,
    given_at REAL NOT NULL
  ) WITHOUT ROWID;
  CREATE TRIGGER cache_entries_end_leases AFTER INSERT ON cache_entries BEGIN
    DELETE FROM cache_leases WHERE key = NEW.key;
  END;
  CREATE TABLE cache_state (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL, floor INTEGER NOT NULL);
  INSERT INTO cache_state VALUES (1, 0, 0);
`;

/** From the first key up to, but not including, the second. A buffer sorts above every text. */
export type KeyRange = [from: string, to: string | Buffer];

/** Rows as `raw()` returns them: arrays are read faster than objects. */
export type ValueRow = [
  data: string | Buffer,
  format: number,
  expiresAt: number,
  tags: string | null,
  generation: number,
];
export type EntryRow = [...ValueRow, grace: number];

/** `latest`: a row written later than this is from before the clock was set back, so its age is unknown. */
export type Lookup = [key: string, latest: number];
/** The key as bytes, because `node:sqlite` of Node 22 ends a text at its first NUL. */
export type KeyRow = [rowid: number, key: Buffer];
export type TimedRow = [expiresAt: number, tags: string | null, generation: number, grace: number, writtenAt: number];

/** By position, because such parameters are bound fastest. Generation null: the current one. */
export type NewRow = [
  key: string,
  format: number,
  expiresAt: number,
  tags: string | null,
  generation: number | null,
  grace: number,
  staleUntil: number,
  writtenAt: number,
  data: string | Buffer,
];

export interface Statements {
  readonly value: Statement<Lookup, ValueRow>;
  readonly entry: Statement<Lookup, EntryRow>;
  readonly presence: Statement<Lookup, [expiresAt: number, tags: string | null, generation: number]>;
  readonly put: Statement<NewRow>;
  readonly remove: Statement<[string]>;
  readonly removeRow: Statement<[number]>;
  readonly removeAll: Statement<[]>;
  /** Removes rows written first, none of them above a rowid. */
  readonly removeUpTo: Statement<[rowid: number, rows: number]>;
  /** The rowid of the row written last; null in an empty table. */
  readonly lastRow: Statement<[], number | null>;
  /** In the order of the keys, from the index alone. */
  readonly keysInRange: Statement<[...range: KeyRange, rows: number], KeyRow>;
  readonly lifetime: Statement<[rowid: number], TimedRow>;
  readonly removeExpired: Statement<[number, number]>;
  readonly hasExpired: Statement<[now: number], number>;
  readonly removeOldest: Statement<[number]>;
  readonly count: Statement<[], number>;
  readonly verdict: Statement<[string], [floor: number, hard: number | null, soft: number | null]>;
  readonly nextGeneration: Statement<[], number>;
  readonly generation: Statement<[], number>;
  readonly markTag: Statement<{ tag: string; hard: number; soft: number }>;
  readonly removeSettledTags: Statement<[]>;
  readonly raiseFloor: Statement<[number]>;
  readonly removeTagsBelowFloor: Statement<[]>;
  /** Returns the generation in which the lease begins. */
  readonly takeLease: Statement<[key: string, token: string, lapsesAt: number, givenAt: number], number>;
  readonly leaseToken: Statement<[key: string, now: number, latest: number], string>;
  readonly endLease: Statement<[string, string]>;
  readonly revokeLease: Statement<[string]>;
  readonly leasesInRange: Statement<KeyRange, Buffer>;
  readonly revokeLeases: Statement<[]>;
  readonly removeLapsedLeases: Statement<[number]>;
}

export function prepareStatements(database: SqliteDatabase): Statements {
  return {
    value: database
      .prepare<Lookup, ValueRow>(
        'SELECT value, format, expires_at, tags, generation FROM cache_entries WHERE key = ? AND written_at <= ?',
      )
      .raw(),
    entry: database
      .prepare<Lookup, EntryRow>(
        'SELECT value, format, expires_at, tags, generation, grace FROM cache_entries WHERE key = ? AND written_at <= ?',
      )
      .raw(),
    presence: database
      .prepare<Lookup, [number, string | null, number]>(
        'SELECT expires_at, tags, generation FROM cache_entries WHERE key = ? AND written_at <= ?',
      )
      .raw(),
    put: database.prepare(
      `INSERT OR REPLACE INTO cache_entries VALUES (?, ?, ?, ?,
         coalesce(?, (SELECT generation FROM cache_state)), ?, ?, ?, ?)`,
    ),
    remove: database.prepare('DELETE FROM cache_entries WHERE key = ?'),
    removeRow: database.prepare('DELETE FROM cache_entries WHERE rowid = ?'),
    removeAll: database.prepare('DELETE FROM cache_entries'),
    removeUpTo: database.prepare(
      'DELETE FROM cache_entries WHERE rowid IN (SELECT rowid FROM cache_entries WHERE rowid <= ? ORDER BY rowid LIMIT ?)',
    ),
    lastRow: database.prepare<[], number | null>('SELECT max(rowid) FROM cache_entries').pluck(),
    keysInRange: database
      .prepare<[...KeyRange, number], KeyRow>(
        'SELECT rowid, CAST(key AS BLOB) FROM cache_entries WHERE key >= ? AND key < ? ORDER BY key LIMIT ?',
      )
      .raw(),
    lifetime: database
      .prepare<[number], TimedRow>(
        'SELECT expires_at, tags, generation, grace, written_at FROM cache_entries WHERE rowid = ?',
      )
      .raw(),
    removeExpired: database.prepare(
      'DELETE FROM cache_entries WHERE rowid IN (SELECT rowid FROM cache_entries WHERE stale_until <= ? LIMIT ?)',
    ),
    hasExpired: database
      .prepare<[number], number>('SELECT EXISTS (SELECT 1 FROM cache_entries WHERE stale_until <= ?)')
      .pluck(),
    removeOldest: database.prepare(
      'DELETE FROM cache_entries WHERE rowid IN (SELECT rowid FROM cache_entries ORDER BY rowid LIMIT ?)',
    ),
    count: database.prepare<[], number>('SELECT count(*) FROM cache_entries').pluck(),
    verdict: database
      .prepare<[string], [number, number | null, number | null]>(
        `SELECT (SELECT floor FROM cache_state), max(hard), max(soft)
         FROM cache_tags WHERE tag IN (SELECT value FROM json_each(?))`,
      )
      .raw(),
    nextGeneration: database
      .prepare<[], number>('UPDATE cache_state SET generation = generation + 1 RETURNING generation')
      .pluck(),
    generation: database.prepare<[], number>('SELECT generation FROM cache_state').pluck(),
    markTag: database.prepare(
      `INSERT INTO cache_tags VALUES (@tag, @hard, @soft)
       ON CONFLICT (tag) DO UPDATE SET hard = max(hard, @hard), soft = max(soft, @soft)`,
    ),
    // A tag is relevant for entries made before its last invalidation. Without any entry that old, it can be removed.
    removeSettledTags: database.prepare(
      `DELETE FROM cache_tags WHERE max(hard, soft) <= (
         SELECT min(coalesce((SELECT min(generation) FROM cache_entries WHERE tags IS NOT NULL), generation),
                    coalesce((SELECT min(generation) FROM cache_leases), generation)) FROM cache_state)`,
    ),
    raiseFloor: database.prepare(
      `UPDATE cache_state SET floor = max(floor, coalesce(
         (SELECT max(hard, soft) FROM cache_tags ORDER BY max(hard, soft) DESC LIMIT 1 OFFSET ?), 0))`,
    ),
    removeTagsBelowFloor: database.prepare(
      'DELETE FROM cache_tags WHERE max(hard, soft) <= (SELECT floor FROM cache_state)',
    ),
    takeLease: database
      .prepare<[string, string, number, number], number>(
        `INSERT OR REPLACE INTO cache_leases VALUES (?, ?, ?, (SELECT generation FROM cache_state), ?)
         RETURNING generation`,
      )
      .pluck(),
    leaseToken: database
      .prepare<[string, number, number], string>(
        'SELECT token FROM cache_leases WHERE key = ? AND lapses_at > ? AND given_at <= ?',
      )
      .pluck(),
    endLease: database.prepare('DELETE FROM cache_leases WHERE key = ? AND token = ?'),
    revokeLease: database.prepare('DELETE FROM cache_leases WHERE key = ?'),
    leasesInRange: database
      .prepare<KeyRange, Buffer>('SELECT CAST(key AS BLOB) FROM cache_leases WHERE key >= ? AND key < ?')
      .pluck(),
    revokeLeases: database.prepare('DELETE FROM cache_leases'),
    removeLapsedLeases: database.prepare('DELETE FROM cache_leases WHERE lapses_at <= ?'),
  };
}
