/** Whether a response may be stored, and which of its fields (RFC 9111 §3). */
import type { CacheControl } from './cache-control.js';
import { fieldNames, type Fields, type FlatFields } from './fields.js';

/** Statuses whose caching rules this cache knows and follows: what `must-understand` asks for (§5.2.2.3). */
const UNDERSTOOD = new Set([
  200, 203, 204, 206, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 500, 501, 502, 503, 504,
]);

/**
 * Never stored. 304, 412, 416 and 417 answer what only this request asked; 428, 429, 431 and 511 say so themselves
 * (RFC 6585); 407 is between the client and one proxy; 408 and 421 speak of one connection.
 */
const NEVER_STORED = new Set([304, 407, 408, 412, 416, 417, 421, 428, 429, 431, 511]);

/** Not stored: they speak of one connection (§3.1) or of one request and one client. */
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

/** The draft's fields, its earlier versions' and the older convention. */
const RATE_LIMIT_FIELD = /^(?:x-)?rate-?limit(?:-|$)/;

export interface StorabilityContext {
  readonly requestFields: Fields;
  readonly requestDirectives: CacheControl;
  readonly status: number;
  readonly fields: Fields;
  readonly directives: CacheControl;
  readonly shared: boolean;
}

/** Why a response may not be stored. `request-*` says something about the request, not about the resource. */
export type Unstorable =
  | 'status'
  | 'no-store'
  | 'private'
  | 'set-cookie'
  | 'vary'
  | 'no-freshness'
  | 'too-large'
  | 'request-no-store'
  | 'request-authorization';

/** The first rule that forbids storing a response, or undefined (§3, §3.5). Freshness is judged apart. */
export function whyNotStorable(context: StorabilityContext): Unstorable | undefined {
  const { requestFields, requestDirectives, status, fields, directives, shared } = context;
  if (requestDirectives.noStore) return 'request-no-store';
  if (status < 200 || NEVER_STORED.has(status)) return 'status';
  if (directives.mustUnderstand) {
    // It overrides `no-store` for whoever understands the status, and forbids storing for everyone else.
    if (!UNDERSTOOD.has(status)) return 'status';
  } else if (directives.noStore) return 'no-store';
  if (shared && directives.isPrivate === true) return 'private';
  if (shared && requestFields.authorization !== undefined && !allowsAuthorized(directives)) {
    return 'request-authorization';
  }
  if (fields['set-cookie'] !== undefined && !allowsSetCookie(directives)) return 'set-cookie';
  if (fieldNames(fields.vary).includes('*')) return 'vary';
  return undefined;
}

/** What lets a shared cache store the answer to a request with credentials (§3.5). */
function allowsAuthorized(directives: CacheControl): boolean {
  return directives.isPublic === true || directives.mustRevalidate === true || directives.sMaxAge !== undefined;
}

/**
 * A response that sets a cookie is usually one client's own. It is stored, without the cookie, only where it says that
 * it is everyone's: `public`, or `no-cache="Set-Cookie"` (or the same of `private`), which names the cookie as the only thing that is not.
 */
function allowsSetCookie({ isPublic, noCache, isPrivate }: CacheControl): boolean {
  const covers = (names: true | readonly string[] | undefined): boolean =>
    Array.isArray(names) && (names as readonly string[]).includes('set-cookie');
  return isPublic === true || covers(noCache) || covers(isPrivate);
}

/** Whether a field speaks of one connection, one request or one client, never of the resource. */
export function isNeverStoredField(name: string): boolean {
  return NEVER_STORED_FIELDS.has(name) || RATE_LIMIT_FIELD.test(name);
}

/**
 * The fields to store (§3.1): not those of the connection, those `Connection` names, those `no-cache="…"` covers, those
 * `private="…"` covers in a shared cache, nor those of one request (cookies, request ids, rate limits).
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
