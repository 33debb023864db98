/** The keys and rows of PostgresStore. */
import { createHash } from 'node:crypto';
import type { ResilienceError } from '../shared/errors.js';
import { storeError, type Outcome, type Part } from './server-store.js';

export interface Row {
  readonly pays: boolean | null;
  readonly now_us: number;
  readonly debts: readonly number[];
  readonly earlier: readonly number[];
  readonly lengths: readonly number[];
}

/** A part, and its place in the operation before the parts were put in order. */
export type OrderedPart = Part & { readonly at: number };

/** The row's numbers by part, in the operation's own order. */
export function outcomeOf(parts: readonly OrderedPart[], { pays, now_us, debts, earlier, lengths }: Row): Outcome {
  const outcome = { debts: [] as number[], previous: [] as number[], windows: [] as number[] };
  parts.forEach(({ at }, i) => {
    outcome.debts[at] = Number(debts[i]);
    outcome.previous[at] = Number(earlier[i]);
    outcome.windows[at] = Number(lengths[i]);
  });
  return { pays: pays === true, now: Number(now_us), ...outcome };
}

/** The longest key that fits into an index entry in every encoding. */
const LONGEST_KEY = 500;

export function byBucket(a: Part, b: Part): number {
  if (a.quota.name !== b.quota.name) return a.quota.name < b.quota.name ? -1 : 1;
  return a.key < b.key ? -1 : Number(a.key > b.key);
}

/** Characters that PostgreSQL's `text` cannot hold are escaped. A key that is too long for an index is hashed. */
export function storedKey(key: string): string {
  const text = /[\\\0\ud800-\udfff]/.test(key) ? key.replace(/[\\\0]|\p{Surrogate}/gu, escaped) : key;
  return text.length <= LONGEST_KEY ? text : `\\h${createHash('sha256').update(text).digest('base64url')}`;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Undefined table, function or schema. */
export function isMissing(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === '42P01' || code === '42883';
}

export function lateError(timeout: number): ResilienceError {
  return unavailable(`no answer within ${timeout} ms`);
}

/** The error of a call. */
export function unavailable(why: string, cause?: unknown): ResilienceError {
  return storeError('PostgresStore', why, cause);
}
