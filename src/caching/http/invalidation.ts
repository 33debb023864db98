/** The responses that an unsafe request invalidates (RFC 9111 §4.4), and those in the same cache groups (RFC 9875). */
import { parseList } from 'structured-headers';
import type { Fields } from './fields.js';

/**
 * Methods that change nothing (RFC 9110 §9.2.1 and the method registry). Any other method, known or not, invalidates.
 */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'REPORT', 'SEARCH', 'QUERY', 'PRI']);

/** Bounds, so that a response cannot fill the tag index. A cache has to support 32 groups of 32 characters (RFC 9875 §2). */
const MOST_GROUPS = 128;
const LONGEST_GROUP = 256;

/** Whether a method is safe. */
export function isSafeMethod(method: string): boolean {
  return SAFE.has(method);
}

/** Only a response without an error shows that something changed (§4.4). */
export function invalidates(method: string, status: number): boolean {
  return !isSafeMethod(method) && status >= 200 && status < 400;
}

/**
 * The URIs that a response to an unsafe request invalidates besides its target: `Location` and `Content-Location`, if
 * they have the origin of the target (§4.4). A response must not affect the resources of another origin.
 *
 * @param target the absolute URI of the request
 */
export function relatedTargets(target: string, fields: Fields): string[] {
  const references = [fields.location, fields['content-location']].filter((one) => one !== undefined);
  const base = references.length === 0 ? undefined : parseUrl(target);
  if (base === undefined) return [];
  const related = references.flatMap((reference) => {
    const url = parseUrl(reference, base);
    return url !== undefined && url.origin === base.origin ? [url.origin + url.pathname + url.search] : [];
  });
  return [...new Set(related)];
}

function parseUrl(text: string, base?: URL): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}

/**
 * The members of `Cache-Groups` or `Cache-Group-Invalidation`: a List of Strings, ignored if it is anything else (RFC
 * 9875 §2, §3).
 */
export function cacheGroups(value: string | undefined): string[] {
  if (value === undefined) return [];
  try {
    const names = parseList(value).map((member): unknown => member[0]);
    if (!names.every((name): name is string => typeof name === 'string')) return [];
    return names.filter((name) => name.length <= LONGEST_GROUP).slice(0, MOST_GROUPS);
  } catch {
    return [];
  }
}

/** The tag of a group. Groups of two origins are never the same (RFC 9875 §2.1). */
export function groupTag(origin: string, group: string): string {
  return `cache-group ${origin} ${group}`;
}
