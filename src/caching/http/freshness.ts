/**
 * The freshness lifetime and the age of a response (RFC 9111 §4.2). Durations are milliseconds, points in time epoch
 * milliseconds.
 */
import { MAX_DELTA_SECONDS, parseDeltaSeconds, type CacheControl } from './cache-control.js';
import { splitList, type Fields } from './fields.js';
import { parseHttpDate } from './http-date.js';
import type { RuleFields } from './rule-fields.js';

/** Statuses that may be stored with heuristic freshness alone (RFC 9110 §15.1). */
const HEURISTIC = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501]);

/** The share of the time since the last change for which a response without explicit freshness is reused (§4.2.2). */
const HEURISTIC_FRACTION = 0.1;

/** Upper limit of heuristic lifetimes, because a page unchanged for years may still change today. */
const HEURISTIC_LIMIT = 24 * 60 * 60 * 1000;

export interface FreshnessContext {
  readonly status: number;
  readonly fields: RuleFields;
  readonly directives: CacheControl;
  /** From a targeted field. `Expires` is then ignored (RFC 9213 §2.2). */
  readonly targeted: boolean;
  /** Whether the cache serves several users, which `s-maxage` is meant for. */
  readonly shared: boolean;
  /** When the response arrived. */
  readonly responseTime: number;
}

/** The lifetime that a response states itself; undefined if it states none (§4.2.1). */
export function explicitLifetime(context: FreshnessContext): number | undefined {
  const { directives, fields, targeted, shared, responseTime } = context;
  if (shared && directives.sMaxAge !== undefined) return directives.sMaxAge * 1000;
  if (directives.maxAge !== undefined) return directives.maxAge * 1000;
  if (targeted || fields.expires === undefined) return undefined;
  const expires = parseHttpDate(fields.expires, responseTime);
  // An invalid date, `0` above all, means already expired (§5.3).
  return expires === undefined ? 0 : Math.max(0, expires - dateOf(fields, responseTime));
}

/** Whether the response may be stored on its status alone (§4.2.2): by its status, or because it is `public`. */
export function allowsHeuristics({ status, directives }: Pick<FreshnessContext, 'status' | 'directives'>): boolean {
  return HEURISTIC.has(status) || directives.isPublic === true;
}

/** A tenth of the time since the last change, at most a day; undefined where heuristics do not apply (§4.2.2). */
export function heuristicLifetime(context: FreshnessContext): number | undefined {
  if (!allowsHeuristics(context)) return undefined;
  const { fields, responseTime } = context;
  const modified = parseHttpDate(fields['last-modified'], responseTime);
  if (modified === undefined) return undefined;
  const unchanged = Math.max(0, dateOf(fields, responseTime) - modified);
  return Math.min(unchanged * HEURISTIC_FRACTION, HEURISTIC_LIMIT);
}

/** When the response was made: its `Date`, or its arrival if `Date` is absent or invalid (RFC 9110 §6.6.1). */
export function dateOf(fields: RuleFields, responseTime: number): number {
  return parseHttpDate(fields.date, responseTime) ?? responseTime;
}

/** The first member of `Age`, in milliseconds. An invalid value counts as absent (§5.1). */
export function parseAge(value: string | undefined): number {
  const first = value === undefined ? undefined : splitList(value)[0];
  const seconds = first === undefined ? undefined : parseDeltaSeconds(first);
  return (seconds ?? 0) * 1000;
}

/**
 * The age of a response when it arrived (§4.2.3): the larger of two values. One is its `Age` plus the time since the
 * start of the request. The other is the age that its `Date` shows.
 */
export function initialAge(fields: Fields, requestTime: number, responseTime: number): number {
  const apparent = Math.max(0, responseTime - dateOf(fields, responseTime));
  const corrected = parseAge(fields.age) + Math.max(0, responseTime - requestTime);
  return Math.max(apparent, corrected);
}

/** The current age. It is never less than on arrival, even if the clock was set back. */
export function currentAge(arrivedAt: number, ageOnArrival: number, now: number): number {
  return ageOnArrival + Math.max(0, now - arrivedAt);
}

/** An age as the `Age` field carries it: whole seconds, at most 2^31 (§5.1). */
export function ageSeconds(age: number): number {
  return Math.min(Math.floor(age / 1000), MAX_DELTA_SECONDS);
}
