/** What the cache did with a request, told as RFC 9211 has it. */
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
      /** The origin's status, where the client gets another (§2.3). */
      readonly fwdStatus?: number | undefined;
      readonly stored?: boolean | undefined;
      /** Answered by what another request fetched (§2.6). */
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

/** A cache's name as it opens its member: a Token where it can be one, else a String (§2). */
export function cacheName(name: string): string {
  return isValidTokenStr(name) ? name : serializeString(name);
}

/** A String of a Structured Field holds printable ASCII only; what a client put in a URL may be anything. */
function quoted(key: string): string {
  return serializeString(key.replace(/[^\x20-\x7e]/g, encodeURIComponent));
}

/** `Cache-Status` with this cache's member behind those of the caches before it (§2). */
export function appendCacheStatus(before: string | undefined, member: string): string {
  return before === undefined || before === '' ? member : `${before}, ${member}`;
}
