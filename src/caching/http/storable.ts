/** Whether a response may be stored, and which of its fields (RFC 9111 §3). */
import type { CacheControl } from './cache-control.js';
import { fieldNames, type FlatFields } from './fields.js';
import type { RuleFields } from './rule-fields.js';

/** Statuses whose caching rules this cache knows and follows, as `must-understand` requires (§5.2.2.3). */
const UNDERSTOOD = new Set([
  200, 203, 204, 206, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 500, 501, 502, 503, 504,
]);

/**
 * Never stored. The statuses 304, 412, 416 and 417 answer the conditions of one request. A cache must not store 428,
 * 429, 431 and 511 (RFC 6585). The status 407 is between the client and one proxy. The statuses 408 and 421 are about
 * one connection.
 */
const NEVER_STORED = new Set([304, 407, 408, 412, 416, 417, 421, 428, 429, 431, 511]);

/** Not stored, because they describe one connection (§3.1), or one request and one client. */
const NEVER_STORED_FIELDS = new Set([
  'age',
  'connection',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'set-cookie2',
  'request-id',
  'x-request-id',
  'correlation-id',
  'x-correlation-id',
  'x-trace-id',
  'x-amzn-trace-id',
  'x-cloud-trace-context',
  'traceparent',
  'tracestate',
  'traceresponse',
  'server-timing',
  'x-response-time',
]);

/** The fields of the draft, of its earlier versions and of the older convention. */
const RATE_LIMIT_FIELD = /^(?:x-)?rate-?limit(?:-|$)/;

export interface StorabilityContext {
  readonly credentials: Credentials;
  /** The request fields the response varies on; undefined: any field. */
  readonly varies: readonly string[] | undefined;
  /** Milliseconds of freshness; 0 or less for a response that is validated each time. */
  readonly lifetime: number | undefined;
  readonly requestDirectives: CacheControl;
  readonly status: number;
  readonly fields: RuleFields;
  readonly directives: CacheControl;
  readonly shared: boolean;
}

/** The reason why a response may not be stored. `request-*` concerns the request, not the resource. */
export type Unstorable =
  | 'status'
  | 'no-store'
  | 'private'
  | 'set-cookie'
  | 'vary'
  | 'no-freshness'
  | 'too-large'
  | 'request-no-store'
  | 'request-cookie'
  | 'request-authorization';

/** Whether the reason holds for the next response of the resource as well: it is neither the client nor the status. */
export function concernsResource(reason: Unstorable): boolean {
  return reason !== 'status' && !reason.startsWith('request-');
}

/** The fields of a request that identify its user to a server. */
export interface Credentials {
  readonly cookie: boolean;
  readonly authorization: boolean;
}

export const NO_CREDENTIALS: Credentials = Object.freeze({ cookie: false, authorization: false });

/** Whether a request carries credentials. */
export function identifies({ cookie, authorization }: Credentials): boolean {
  return cookie || authorization;
}

/** Whether a response states that it is for everyone, even in answer to a request with credentials. */
export function isForEveryone(directives: CacheControl): boolean {
  return directives.isPublic === true || directives.sMaxAge !== undefined;
}

/**
 * The credentials of other requests that a response may answer, besides the request it was made for. Stricter than RFC
 * 9111: a page with `max-age=60` that shows the signed-in user was meant for one browser. A cookie or an `Authorization`
 * field may have identified that user. §3.5 also lets `must-revalidate` share the latter, but applications set
 * that directive to forbid stale responses, not to publish them. A response that is validated each time answers only
 * the user whom its `Vary` names, because the validators of two users' files can be equal.
 */
export function answersCredentials(
  directives: CacheControl,
  varies: readonly string[] | undefined,
  isNeverFresh: boolean,
): Credentials {
  const permits = isForEveryone(directives);
  return {
    cookie: (permits && !isNeverFresh) || varies?.includes('cookie') === true,
    authorization: permits && (!isNeverFresh || varies?.includes('authorization') === true),
  };
}

/** The first rule that forbids storing a response, or undefined (§3, §3.5). Freshness is judged separately. */
export function whyNotStorable(context: StorabilityContext): Unstorable | undefined {
  const { requestDirectives, status, fields, directives, shared } = context;
  if (requestDirectives.noStore) return 'request-no-store';
  if (status < 200 || NEVER_STORED.has(status)) return 'status';
  if (directives.mustUnderstand) {
    // It overrides `no-store` for caches that understand the status, and forbids storing for all others.
    if (!UNDERSTOOD.has(status)) return 'status';
  } else if (directives.noStore) return 'no-store';
  if (shared && directives.isPrivate === true) return 'private';
  const whose = shared ? whoseOwn(context) : undefined;
  if (whose !== undefined) return whose;
  if (fields['set-cookie'] !== undefined && !allowsSetCookie(directives)) return 'set-cookie';
  return context.varies === undefined ? 'vary' : undefined;
}

/**
 * A response to a request with credentials belongs to their user and is not stored, unless it may answer other requests
 * with such credentials (§3.5).
 */
function whoseOwn({ credentials, directives, varies, lifetime }: StorabilityContext): Unstorable | undefined {
  if (!identifies(credentials)) return undefined;
  const isNeverFresh = !(lifetime !== undefined && lifetime > 0) || directives.noCache === true;
  const answers = answersCredentials(directives, varies, isNeverFresh);
  if (credentials.cookie && !answers.cookie) return 'request-cookie';
  return credentials.authorization && !answers.authorization ? 'request-authorization' : undefined;
}

/**
 * A response that sets a cookie is usually for one client. It is stored, without the cookie, only if it states that it
 * is for everyone: by `public`, or by `no-cache="Set-Cookie"` or `private="Set-Cookie"`, which exclude only the cookie.
 */
function allowsSetCookie({ isPublic, noCache, isPrivate }: CacheControl): boolean {
  const covers = (names: true | readonly string[] | undefined): boolean =>
    Array.isArray(names) && (names as readonly string[]).includes('set-cookie');
  return isPublic === true || covers(noCache) || covers(isPrivate);
}

/** Whether a field describes one connection, one request or one client, never the resource. */
export function isNeverStoredField(name: string): boolean {
  return NEVER_STORED_FIELDS.has(name) || RATE_LIMIT_FIELD.test(name);
}

/**
 * The fields to store (§3.1): not those of the connection, not those that `Connection` or `no-cache="…"` names, and in
 * a shared cache not those that `private="…"` names. Also not those of one request (cookies, request ids, rate limits).
 */
export function storableFields(flat: FlatFields, connection: string | undefined, limits: FieldLimits): string[] {
  const excluded = new Set([...fieldNames(connection), ...limitedFields(limits)]);
  const kept: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i]!.toLowerCase();
    if (!excluded.has(name) && !isNeverStoredField(name)) kept.push(flat[i]!, flat[i + 1]!);
  }
  return kept;
}

export interface FieldLimits {
  readonly directives: CacheControl;
  readonly shared: boolean;
}

function limitedFields({ directives: { noCache, isPrivate }, shared }: FieldLimits): readonly string[] {
  return [
    ...(noCache === undefined || noCache === true ? [] : noCache),
    ...(!shared || isPrivate === undefined || isPrivate === true ? [] : isPrivate),
  ];
}
