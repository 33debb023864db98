/** Reads the lifetime of the disk layer's rows and whether one of their tags was invalidated. */
import type { EntryRow, Statements, TimedRow } from './disk-schema.js';
import type { TagVerdict } from './tag-generations.js';

/** The most tags remembered. Beyond it, older tagged entries count as invalidated. */
const MAX_TAGS = 10_000;

/** Milliseconds that a row may seem to be from the future: the clock was corrected a little. */
export const SLACK = 2_000;

/** The latest time at which a row can have been written, unless the clock has been set back since then. */
export const latestAt = (now: number): number => now + SLACK;

const NO_TAGS: readonly string[] = [];

/** The remaining lifetime in milliseconds, after a check of the tags; undefined if the entry has expired. */
export function lifetimeOf(sql: Statements, row: EntryRow, now: number): { ttl: number; grace: number } | undefined {
  const [, , expiresAt, tags, generation, grace] = row;
  if (expiresAt + grace <= now) return undefined;
  const verdict = verdictOn(sql, tags, generation);
  if (verdict === 'gone' || (verdict === 'stale' && grace === 0)) return undefined;
  if (verdict === 'valid' && expiresAt > now) return { ttl: expiresAt - now, grace };
  return { ttl: 0, grace: Math.min(grace, expiresAt + grace - now) };
}

/** Whether the row could still have been read, fresh or stale. */
export function isAlive(
  sql: Statements,
  [expiresAt, tags, generation, grace, writtenAt]: TimedRow,
  now: number,
): boolean {
  if (writtenAt > latestAt(now)) return false;
  return lifetimeOf(sql, ['', 0, expiresAt, tags, generation, grace], now) !== undefined;
}

/** @param tags as stored: a JSON array, or null without tags */
export function verdictOn(sql: Statements, tags: string | null, generation: number): TagVerdict {
  if (tags === null) return 'valid';
  const [floor, hard, soft] = sql.verdict.get(tags)!;
  if (generation < floor || (hard ?? 0) > generation) return 'gone';
  return (soft ?? 0) > generation ? 'stale' : 'valid';
}

export function formatTags(tags: readonly string[]): string | null {
  return tags.length === 0 ? null : JSON.stringify(tags);
}

export function parseTags(tags: string | null): readonly string[] {
  return tags === null ? NO_TAGS : (JSON.parse(tags) as string[]);
}

/** Removes expired leases, and the tags that affect no remaining entry or lease. */
export function forgetOldMarks(sql: Statements, now: number): void {
  sql.removeLapsedLeases.run(now);
  sql.removeSettledTags.run();
  sql.raiseFloor.run(MAX_TAGS);
  sql.removeTagsBelowFloor.run();
}
