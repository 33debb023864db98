/**
 * Counts what an invalidation would remove, without removing it. For a person who is about to purge. The disk cache is
 * read through a connection of its own, so that the count disturbs no transaction of the cache.
 */
import { existsSync } from 'node:fs';
import { wallClock } from '../shared/clock.js';
import { openSqlite } from '../shared/sqlite-driver.js';
import { keyPatterns } from './http/request-key.js';
import { compilePattern } from './key-pattern.js';
import type { MemoryCacheLayer } from './memory-cache-layer.js';

/** What to count: the keys that match a pattern, the stored responses whose path or URL does, or what carries a tag. */
export type EntrySelection = { readonly keys: string } | { readonly responses: string } | { readonly tag: string };

/** The parts of a cache that are counted. */
export interface CountedCache {
  readonly memory: MemoryCacheLayer;
  /** The file of the disk layer. */
  readonly dbPath?: string;
}

/** A row whose tag was purged is gone, although it is removed later. */
const LIVE_ROWS = `
  SELECT CAST(key AS BLOB), tags FROM cache_entries WHERE stale_until > ? AND (tags IS NULL OR (
    generation >= (SELECT floor FROM cache_state) AND NOT EXISTS (
      SELECT 1 FROM json_each(tags) AS own JOIN cache_tags ON cache_tags.tag = own.value
      WHERE cache_tags.hard > cache_entries.generation)))`;

/**
 * How many entries the selection names in memory and on disk. An entry in both counts once. Entries that
 * depend on them are not counted.
 *
 * @throws the driver's error if the file cannot be read
 *
 * @example
 * import { countEntries } from '@tooloo/resilience';
 *
 * const entries = countEntries({ memory: cache.memory, dbPath: './data/cache.db' }, { keys: 'user:*' });
 */
export function countEntries({ memory, dbPath }: CountedCache, selection: EntrySelection): number {
  const isSelected = selectionTest(selection);
  const found = new Set(memory.keys().filter((key) => isSelected(key, memory.tagsOf(key))));
  if (dbPath !== undefined && existsSync(dbPath)) {
    for (const [key, tags] of liveRows(dbPath)) if (isSelected(key, tags)) found.add(key);
  }
  return found.size;
}

function selectionTest(selection: EntrySelection): (key: string, tags: readonly string[]) => boolean {
  if ('tag' in selection) return (_key, tags) => tags.includes(selection.tag);
  const patterns = 'keys' in selection ? [selection.keys] : keyPatterns(selection.responses);
  const compiled = patterns.map(compilePattern);
  return (key) => compiled.some(({ matches }) => matches(key));
}

function liveRows(path: string): [key: string, tags: readonly string[]][] {
  const database = openSqlite(path, { readonly: true, fileMustExist: true });
  try {
    const rows = database.prepare<[number], [Buffer, string | null]>(LIVE_ROWS).raw().all(wallClock.now());
    return rows.map(([key, tags]) => [
      Buffer.from(key).toString(),
      tags === null ? [] : (JSON.parse(tags) as string[]),
    ]);
  } finally {
    database.close();
  }
}
