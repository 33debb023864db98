/** What the layer in memory holds under a key, and whether it can still be served. */
import type { CacheEntry } from './cache-layer.js';
import type { TagGenerations } from './tag-generations.js';

/** A value with a grace period or tags. Every other value is stored bare, with its lifetime kept by lru-cache alone. */
export class Kept {
  readonly value: unknown;
  /** In the time of `RecentTime`; Infinity: never. */
  readonly expiresAt: number;
  /** Milliseconds after that during which the value may be served stale. */
  readonly grace: number;
  readonly tags: readonly string[];
  readonly generation: number;

  constructor(value: unknown, expiresAt: number, grace: number, tags: readonly string[], generation: number) {
    this.value = value;
    this.expiresAt = expiresAt;
    this.grace = grace;
    this.tags = tags;
    this.generation = generation;
  }
}

/** A value held under a key. It may be null, which lru-cache stores like any value although its types exclude it. */
export type Held = NonNullable<unknown>;

export function isFresh(held: Kept, now: number, tags: TagGenerations): boolean {
  if (held.expiresAt <= now) return false;
  return held.tags.length === 0 || tags.verdict(held.tags, held.generation) === 'valid';
}

/** Whether it can still be served, fresh or within its grace. */
export function isUsable(held: Held, now: number, tags: TagGenerations): boolean {
  if (!(held instanceof Kept)) return true;
  if (held.expiresAt + held.grace <= now) return false;
  if (held.tags.length === 0) return true;
  const verdict = tags.verdict(held.tags, held.generation);
  return verdict === 'valid' || (verdict === 'stale' && held.grace > 0);
}

/** What it is worth now; undefined if it can no longer be served. */
export function entryOf(held: Kept, now: number, generations: TagGenerations): CacheEntry | undefined {
  if (!isUsable(held, now, generations)) return undefined;
  const { value, tags } = held;
  const left = held.expiresAt - now;
  if (left > 0 && isFresh(held, now, generations)) return { value, ttl: left, grace: held.grace, tags };
  return { value, ttl: 0, grace: Math.min(held.grace, left + held.grace), tags };
}
