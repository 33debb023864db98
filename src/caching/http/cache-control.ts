/**
 * The directives of `Cache-Control` (RFC 9111 §5.2, RFC 5861, RFC 8246), and `Pragma` where it replaces them (§5.4).
 * Names in any case, arguments as token or quoted string. Of duplicates the most restrictive counts.
 */
import { fieldNames, splitList, unquote, type Fields } from './fields.js';

/** Recipients represent larger delta-seconds as this (§1.2.2). */
export const MAX_DELTA_SECONDS = 2 ** 31;

/** Directives with a number of seconds. */
const TIMED = {
  'max-age': 'maxAge',
  's-maxage': 'sMaxAge',
  'max-stale': 'maxStale',
  'min-fresh': 'minFresh',
  'stale-while-revalidate': 'staleWhileRevalidate',
  'stale-if-error': 'staleIfError',
} as const;

/** Directives without a value. An unexpected argument is ignored. */
const FLAGS = {
  'no-store': 'noStore',
  'no-transform': 'noTransform',
  'only-if-cached': 'onlyIfCached',
  public: 'isPublic',
  'must-revalidate': 'mustRevalidate',
  'proxy-revalidate': 'proxyRevalidate',
  'must-understand': 'mustUnderstand',
  immutable: 'immutable',
} as const;

type Timed = (typeof TIMED)[keyof typeof TIMED];
type Flag = (typeof FLAGS)[keyof typeof FLAGS];

/**
 * The values of the directives. Seconds are whole and from 0 to 2^31. `noCache` and `isPrivate` are true if they cover
 * the whole response, or the names of the fields they are limited to (§5.2.2.4, §5.2.2.7).
 */
export type CacheControl = { readonly [K in Timed]?: number } & { readonly [K in Flag]?: true } & {
  readonly noCache?: true | readonly string[];
  readonly isPrivate?: true | readonly string[];
};

type Draft = { -readonly [K in keyof CacheControl]: CacheControl[K] };

export const NO_DIRECTIVES: CacheControl = Object.freeze({});

/** For these a smaller number requests less caching; for min-fresh a larger number does. */
const moreRestrictive = (name: Timed, a: number, b: number): number =>
  name === 'minFresh' ? Math.max(a, b) : Math.min(a, b);

/**
 * A number that cannot be read is the most restrictive one: RFC 9111 §4.2.1 encourages treating a response with
 * invalid freshness information as stale.
 */
const unreadable = (name: Timed): number => (name === 'minFresh' ? MAX_DELTA_SECONDS : 0);

/** Non-negative whole seconds, or undefined if the text is not such a number (§1.2.2). */
export function parseDeltaSeconds(text: string): number | undefined {
  return /^\d+$/.test(text) ? Math.min(Number(text), MAX_DELTA_SECONDS) : undefined;
}

/** Parses the value of a `Cache-Control` field. Never throws. Unknown directives are ignored (§5.2.3). */
export function parseCacheControl(value: string | undefined): CacheControl {
  if (value === undefined || value === '') return NO_DIRECTIVES;
  const draft: Draft = {};
  for (const member of splitList(value)) {
    const equals = member.indexOf('=');
    const name = (equals === -1 ? member : member.slice(0, equals)).toLowerCase();
    addDirective(draft, name, equals === -1 ? undefined : member.slice(equals + 1));
  }
  return draft;
}

function addDirective(draft: Draft, rawName: string, argument: string | undefined): void {
  const name = rawName.trimEnd();
  if (Object.hasOwn(FLAGS, name)) draft[FLAGS[name as keyof typeof FLAGS]] = true;
  else if (Object.hasOwn(TIMED, name)) {
    // Space around `=` is not part of the grammar, so the number counts as unreadable.
    addSeconds(draft, TIMED[name as keyof typeof TIMED], name === rawName ? argument : '');
  } else if (name === 'no-cache') draft.noCache = limitedTo(draft.noCache, argument);
  else if (name === 'private') draft.isPrivate = limitedTo(draft.isPrivate, argument);
}

function addSeconds(draft: Draft, name: Timed, argument: string | undefined): void {
  // `max-stale` alone accepts any staleness (§5.2.1.2).
  const absent = name === 'maxStale' ? MAX_DELTA_SECONDS : unreadable(name);
  const seconds =
    argument === undefined ? absent : (parseDeltaSeconds(unquote(argument) ?? argument) ?? unreadable(name));
  const before = draft[name];
  draft[name] = before === undefined ? seconds : moreRestrictive(name, before, seconds);
}

/** An argument that names no field has no limiting effect: the directive then covers the whole response. */
function limitedTo(before: true | readonly string[] | undefined, argument: string | undefined): true | string[] {
  const names = argument === undefined ? [] : fieldNames(unquote(argument) ?? argument.replaceAll('"', ''));
  if (before === true || names.length === 0) return true;
  return before === undefined ? names : [...before, ...names];
}

/** The directives of a request. `Pragma: no-cache` counts only without a Cache-Control (§5.4). */
export function requestDirectives(fields: Fields): CacheControl {
  const value = fields['cache-control'];
  if (value !== undefined) return parseCacheControl(value);
  const pragma = fields.pragma;
  if (pragma === undefined) return NO_DIRECTIVES;
  return fieldNames(pragma).some((name) => name === 'no-cache') ? { noCache: true } : NO_DIRECTIVES;
}
