/** Conditional requests evaluated against a stored response (RFC 9110 §13, RFC 9111 §4.3). */
import { splitList, type Fields } from './fields.js';
import { parseHttpDate } from './http-date.js';
import type { StoredResponse } from './stored-response.js';

const opaque = (tag: string): string => (tag.startsWith('W/') ? tag.slice(2) : tag);

/** Weak comparison (RFC 9110 §8.8.3.2): the same opaque tag, weak or not. */
export function weakMatch(a: string, b: string): boolean {
  return opaque(a) === opaque(b);
}

/** Strong comparison: the same tag, and neither is weak. */
export function strongMatch(a: string, b: string): boolean {
  return a === b && isStrong(a);
}

/** Whether a tag identifies one sequence of bytes. */
export function isStrong(etag: string): boolean {
  return !etag.startsWith('W/') && !etag.startsWith('w/');
}

/** The precondition fields of a request. `If-Match` and `If-Unmodified-Since` are the origin's (RFC 9111 §4.3.2). */
export interface Preconditions {
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
}

/** Whether a request has a condition that a cache may evaluate. */
export function isConditional({ ifNoneMatch, ifModifiedSince }: Preconditions): boolean {
  return ifNoneMatch !== undefined || ifModifiedSince !== undefined;
}

/** The parts of a response that preconditions are evaluated against. */
export type Validated = Pick<StoredResponse, 'status' | 'etag' | 'lastModified' | 'date' | 'responseTime'>;

/**
 * Whether the client already has the stored response, so that a 304 answers it (RFC 9110 §13.1.2, §13.1.3, RFC 9111
 * §4.3.2). `If-None-Match` alone decides if it is present.
 */
export function isNotModified(stored: Validated, preconditions: Preconditions): boolean {
  if (stored.status !== 200) return false; // evaluated only if the response to a GET would be 2xx
  const { ifNoneMatch, ifModifiedSince } = preconditions;
  if (ifNoneMatch !== undefined) return matchesAny(ifNoneMatch, stored.etag);
  if (ifModifiedSince === undefined) return false;
  const since = parseHttpDate(ifModifiedSince, stored.responseTime);
  if (since === undefined) return false;
  const modified = parseHttpDate(stored.lastModified, stored.responseTime);
  // Without Last-Modified, the time at which the response was made is used (RFC 9111 §4.3.2).
  return (modified ?? stored.date) <= since;
}

function matchesAny(ifNoneMatch: string, etag: string | undefined): boolean {
  if (ifNoneMatch.trim() === '*') return true;
  if (etag === undefined) return false;
  return splitList(ifNoneMatch).some((candidate) => weakMatch(candidate, etag));
}

/** The preconditions that validate the stored response at the origin (§4.3.1); undefined without a validator. */
export function validationFields(stored: StoredResponse): Record<string, string> | undefined {
  const { etag, lastModified } = stored;
  if (etag === undefined && lastModified === undefined) return undefined;
  return {
    ...(etag !== undefined && { 'if-none-match': etag }),
    ...(lastModified !== undefined && { 'if-modified-since': lastModified }),
  };
}

/** Whether a 304 refers to the stored response (§4.3.4): its tag, if it has one, must be the stored one. */
export function confirms(notModified: Fields, stored: StoredResponse): boolean {
  const { etag } = notModified;
  if (etag !== undefined && stored.etag !== undefined) return weakMatch(etag, stored.etag);
  const modified = notModified['last-modified'];
  if (etag === undefined && modified !== undefined && stored.lastModified !== undefined && stored.etag === undefined) {
    return modified === stored.lastModified;
  }
  return true;
}

/**
 * Whether `If-Range` allows sending a range of the stored response (RFC 9110 §13.1.5). It does with a strong tag that
 * matches. It also does with exactly the response's Last-Modified, if that is strong: at least a second before its Date
 * (§8.8.2.2).
 */
export function ifRangeHolds(ifRange: string | undefined, stored: StoredResponse): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.startsWith('"') || ifRange.startsWith('W/')) {
    return stored.etag !== undefined && strongMatch(ifRange, stored.etag);
  }
  const modified = parseHttpDate(stored.lastModified, stored.responseTime);
  return modified !== undefined && ifRange === stored.lastModified && modified + 1000 <= stored.date;
}
