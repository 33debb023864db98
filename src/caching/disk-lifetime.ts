/** What the rows of the disk layer say about themselves: how long they live, and whether a tag of theirs was invalidated. */
import type { EntryRow, Statements } from './disk-schema.js';
import type { TagVerdict } from './tag-generations.js';

/** Tags remembered at most; older tagged entries count as invalidated once there are more. */
const MAX_TAGS = 10_000;

const NO_TAGS: readonly string[] = [];

/** What remains, in milliseconds, its tags considered; undefined where the entry is over. */
export function lifetimeOf(sql: Statements, row: EntryRow, now: number): { ttl: number; grace: number } | undefined {
  const [, , expiresAt, tags, generation, grace] = row;
  if (expiresAt + grace <= now) return undefined;
  const verdict = verdictOn(sql, tags, generation);
  if (verdict === 'gone' || (verdict === 'stale' && grace === 0)) return undefined;
  if (verdict === 'valid' && expiresAt > now) return { ttl: expiresAt - now, grace };
  return { ttl: 0, grace: Math.min(grace, expiresAt + grace - now) };
}

/** @param tags as stored: a JSON array, or null for none */
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

/** Forgets leases that have lapsed and tags that no entry or lease is old enough to care about. */
export function forgetOldMarks(sql: Statements, now: number): void {
  sql.removeLapsedLeases.run(now);
  sql.removeSettledTags.run();
  sql.raiseFloor.run(MAX_TAGS);
  sql.removeTagsBelowFloor.run();
}
