/** The tables of the disk layer and the statements on them. Points in time are milliseconds of the machine's wall clock. */
import type { Database, Statement } from 'better-sqlite3';

/** Another version's tables are dropped: a cache is rebuilt, not migrated. */
export const SCHEMA_VERSION = 2;

export const TABLES = ['cache_entries', 'cache_tags', 'cache_leases', 'cache_state'] as const;

/**
 * Rows of cache_entries are replaced, never updated, so that the order of their rowids is the order of writing. Whoever
 * stores a value ends the lease on its key; a trigger, so that storing is one statement and its own transaction. The value
 * comes last: what lies behind a large one is read only by following it through all of its pages.
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
    value NOT NULL
  );
  CREATE INDEX cache_entries_by_end ON cache_entries (stale_until);
  CREATE INDEX cache_entries_by_generation ON cache_entries (generation) WHERE tags IS NOT NULL;
  CREATE TABLE cache_tags (tag TEXT NOT NULL PRIMARY KEY, hard INTEGER NOT NULL, soft INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE cache_leases (
    key TEXT NOT NULL PRIMARY KEY, token TEXT NOT NULL, lapses_at REAL NOT NULL, generation INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TRIGGER cache_entries_end_leases AFTER INSERT ON cache_entries BEGIN
    DELETE FROM cache_leases WHERE key = NEW.key;
  END;
  CREATE TABLE cache_state (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL, floor INTEGER NOT NULL);
  INSERT INTO cache_state VALUES (1, 0, 0);
`;

/** From the first key to the one that is no longer in it. A buffer is above every text. */
export type KeyRange = [from: string, to: string | Buffer];

/** Rows as `raw()` gives them: arrays are read faster than objects. */
export type ValueRow = [
  data: string | Buffer,
  format: number,
  expiresAt: number,
  tags: string | null,
  generation: number,
];
export type EntryRow = [...ValueRow, grace: number];

/** By position, as parameters are bound fastest. Generation null: the present one. */
export type NewRow = [
  key: string,
  format: number,
  expiresAt: number,
  tags: string | null,
  generation: number | null,
  grace: number,
  staleUntil: number,
  data: string | Buffer,
];

export interface Statements {
  readonly value: Statement<[string], ValueRow>;
  readonly entry: Statement<[string], EntryRow>;
  readonly presence: Statement<[string], [expiresAt: number, tags: string | null, generation: number]>;
  readonly put: Statement<NewRow>;
  readonly remove: Statement<[string]>;
  readonly removeRow: Statement<[number]>;
  readonly removeAll: Statement<[]>;
  readonly rowsInRange: Statement<KeyRange, [rowid: number, key: string, staleUntil: number]>;
  readonly removeExpired: Statement<[number, number]>;
  readonly removeOldest: Statement<[number]>;
  readonly count: Statement<[], number>;
  readonly verdict: Statement<[string], [floor: number, hard: number | null, soft: number | null]>;
  readonly nextGeneration: Statement<[], number>;
  readonly generation: Statement<[], number>;
  readonly markTag: Statement<{ tag: string; hard: number; soft: number }>;
  readonly removeSettledTags: Statement<[]>;
  readonly raiseFloor: Statement<[number]>;
  readonly removeTagsBelowFloor: Statement<[]>;
  /** Answers the generation the lease begins in. */
  readonly takeLease: Statement<[key: string, token: string, lapsesAt: number], number>;
  readonly leaseToken: Statement<[string, number], string>;
  readonly endLease: Statement<[string, string]>;
  readonly revokeLease: Statement<[string]>;
  readonly leasesInRange: Statement<KeyRange, string>;
  readonly revokeLeases: Statement<[]>;
  readonly removeLapsedLeases: Statement<[number]>;
}

export function prepareStatements(database: Database): Statements {
  return {
    value: database
      .prepare<[string], ValueRow>(
        'SELECT value, format, expires_at, tags, generation FROM cache_entries WHERE key = ?',
      )
      .raw(),
    entry: database
      .prepare<[string], EntryRow>(
        'SELECT value, format, expires_at, tags, generation, grace FROM cache_entries WHERE key = ?',
      )
      .raw(),
    presence: database
      .prepare<[string], [number, string | null, number]>(
        'SELECT expires_at, tags, generation FROM cache_entries WHERE key = ?',
      )
      .raw(),
    put: database.prepare(
      `INSERT OR REPLACE INTO cache_entries VALUES (?, ?, ?, ?,
         coalesce(?, (SELECT generation FROM cache_state)), ?, ?, ?)`,
    ),
    remove: database.prepare('DELETE FROM cache_entries WHERE key = ?'),
    removeRow: database.prepare('DELETE FROM cache_entries WHERE rowid = ?'),
    removeAll: database.prepare('DELETE FROM cache_entries'),
    rowsInRange: database
      .prepare<KeyRange, [number, string, number]>(
        'SELECT rowid, key, stale_until FROM cache_entries WHERE key >= ? AND key < ?',
      )
      .raw(),
    removeExpired: database.prepare(
      'DELETE FROM cache_entries WHERE rowid IN (SELECT rowid FROM cache_entries WHERE stale_until <= ? LIMIT ?)',
    ),
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
    // A tag matters to what was made before its last invalidation; once nothing that old is left, it can be forgotten.
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
      .prepare<[string, string, number], number>(
        `INSERT OR REPLACE INTO cache_leases VALUES (?, ?, ?, (SELECT generation FROM cache_state))
         RETURNING generation`,
      )
      .pluck(),
    leaseToken: database
      .prepare<[string, number], string>('SELECT token FROM cache_leases WHERE key = ? AND lapses_at > ?')
      .pluck(),
    endLease: database.prepare('DELETE FROM cache_leases WHERE key = ? AND token = ?'),
    revokeLease: database.prepare('DELETE FROM cache_leases WHERE key = ?'),
    leasesInRange: database
      .prepare<KeyRange, string>('SELECT key FROM cache_leases WHERE key >= ? AND key < ?')
      .pluck(),
    revokeLeases: database.prepare('DELETE FROM cache_leases'),
    removeLapsedLeases: database.prepare('DELETE FROM cache_leases WHERE lapses_at <= ?'),
  };
}
