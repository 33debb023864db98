/** How the cache handled a request, in the format of RFC 9211. */
import { isValidTokenStr, serializeString } from 'structured-headers';

/** Why a request went to the origin (§2.2). */
export type ForwardReason = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'miss' | 'request' | 'stale' | 'partial';

/** A hit or a forward, never both. */
export type CacheOutcome =
  | {
      readonly hit: true;
      /** Seconds of freshness left; negative once stale (§2.4). */
      readonly ttl: number;
      readonly key?: string | undefined;
      readonly detail?: string | undefined;
    }
  | {
      readonly hit: false;
      readonly fwd: ForwardReason;
      /** The status of the origin, if the client receives another one (§2.3). */
      readonly fwdStatus?: number | undefined;
      readonly stored?: boolean | undefined;
      /** Answered by the response that another request fetched (§2.6). */
      readonly collapsed?: boolean | undefined;
      readonly key?: string | undefined;
      readonly detail?: string | undefined;
    };

/** The cache's own member of `Cache-Status`. */
export function cacheStatus(name: string, outcome: CacheOutcome): string {
  let member = name;
  if (outcome.hit) member += `; hit; ttl=${outcome.ttl}`;
  else {
    member += `; fwd=${outcome.fwd}`;
    if (outcome.fwdStatus !== undefined) member += `; fwd-status=${outcome.fwdStatus}`;
    if (outcome.stored) member += '; stored';
    if (outcome.collapsed) member += '; collapsed';
  }
  if (outcome.key !== undefined) member += `; key=${quoted(outcome.key)}`;
  if (outcome.detail !== undefined) member += `; detail=${outcome.detail}`;
  return member;
}

/** The name of a cache as the first part of its member: a Token if possible, otherwise a String (§2). */
export function cacheName(name: string): string {
  return isValidTokenStr(name) ? name : serializeString(name);
}

/** A String of a Structured Field holds printable ASCII only, but a URL of a client may contain anything. */
function quoted(key: string): string {
  return serializeString(key.replace(/[^\x20-\x7e]/g, encodeURIComponent));
}

/** `Cache-Status` with the member of this cache after those of the caches before it (§2). */
export function appendCacheStatus(before: string | undefined, member: string): string {
  return before === undefined || before === '' ? member : `${before}, ${member}`;
}
