/** Which header fields pass a proxy, and which end with the connection on which they arrived (RFC 9110 §7.6.1). */
import type { IncomingMessage } from 'node:http';
import { injectTraceOf, type RecordedSpan } from '../../shared/instrumentation.js';
import { cameFromClient, isClientClaim } from './client-claims.js';

/** Fields that concern one connection only, even if `Connection` does not name them. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Fields that `Connection` must not name: without them the message would have another meaning or another sender. */
const NEVER_NAMED = /^(?:host|authorization|cookie2?|set-cookie2?|forwarded|via|x-forwarded-.*|x-real-ip|content-.*)$/;

/** Fields that must not follow the body: framing, routing, authentication, modifiers and cookies (RFC 9110 §6.5.1). */
const NOT_IN_TRAILERS =
  /^(?:content-.*|trailer|host|via|max-forwards|expect|range|cache-control|pragma|vary|age|expires|date|location|retry-after|if-.*|accept-ranges|set-cookie2?|cookie2?|authorization|www-authenticate|authentication-info|traceparent|tracestate|baggage)$/;

const TRACE_FIELDS: ReadonlySet<string> = new Set(['traceparent', 'tracestate', 'baggage']);

const NOTHING: ReadonlySet<string> = new Set();
const NO_FIELDS: readonly string[] = [];

/** Header fields of a request to an upstream: `[name, value, name, value, …]`, unchanged, with `host` first. */
export interface ForwardedFields {
  readonly fields: string[];
  /** The trace context that the client sent. It is separate because each attempt may send its own. */
  readonly trace: readonly string[];
}

/** The lowercase field names that a `Connection` field names. */
export function namedByConnection(connection: string | string[] | undefined): ReadonlySet<string> {
  if (connection === undefined) return NOTHING;
  const value = (typeof connection === 'string' ? connection : connection.join(',')).toLowerCase();
  if (value === 'keep-alive' || value === 'close' || value === 'upgrade') return NOTHING; // nearly always
  const names = value.split(',').map((name) => name.trim());
  return new Set(names.filter((name) => !NEVER_NAMED.test(name)));
}

/**
 * The end-to-end fields of a request, without the fields that the caller replaces. They are taken from `req.headers`,
 * so that the changes of a middleware in front are respected. Node has already merged repeated fields there. Instances
 * that read the first value and instances that read the last one therefore see the same value.
 *
 * @param isDropped whether the field with a lowercase name is left out
 */
export function endToEndFields(req: IncomingMessage, isDropped: (name: string) => boolean): ForwardedFields {
  const { headers } = req;
  const named = namedByConnection(headers.connection);
  const fields: string[] = headers.host === undefined ? [] : ['host', headers.host];
  let trace: string[] | undefined;
  for (const name in headers) {
    if (name === 'host' || name.charCodeAt(0) === 0x3a /* : */ || HOP_BY_HOP.has(name) || isDropped(name)) continue;
    const value = headers[name];
    if (value === undefined) continue;
    if (named.has(name) && cameFromClient(req, name, value)) continue;
    const list = TRACE_FIELDS.has(name) ? (trace ??= []) : fields;
    if (typeof value === 'string') list.push(name, value);
    else for (const one of value) list.push(name, one);
  }
  // §10.1.4: of TE, only values that this hop supports may pass. It relays trailers.
  if (acceptsTrailers(headers.te)) fields.push('TE', 'trailers');
  return { fields, trace: trace ?? NO_FIELDS };
}

function acceptsTrailers(te: string | string[] | undefined): boolean {
  return te !== undefined && /(?:^|,)\s*trailers\s*(?:,|$)/i.test(String(te));
}

/** The fields of one attempt: those of the request, and the current trace context or the one of this attempt. */
export function attemptFields(
  { fields, trace }: ForwardedFields,
  span: RecordedSpan | undefined,
  req: IncomingMessage,
): string[] {
  const carrier: Record<string, string | string[] | undefined> = {};
  if (span === undefined) injectTraceOf(req, carrier);
  else span.inject(carrier);
  let own: readonly string[] = NO_FIELDS;
  for (const name in carrier) {
    const value = carrier[name];
    // Most often the only one. An array that grows would have room for 17 more.
    if (value !== undefined) own = own.length === 0 ? [name, String(value)] : [...own, name, String(value)];
  }
  const context = own.length > 0 ? own : trace; // nothing is traced here, so the client's context passes through
  return context.length > 0 ? fields.concat(context) : fields;
}

/** The fields of a response as undici and Node provide them: lowercase names, repeated fields as arrays. */
export type ResponseFields = Readonly<Record<string, string | string[] | undefined>>;

/** Calls back for each field of a response that is passed on. */
export function eachEndToEndField(
  headers: ResponseFields,
  pass: (name: string, value: string | string[]) => void,
): void {
  const named = namedByConnection(headers.connection);
  for (const name in headers) {
    if (HOP_BY_HOP.has(name) || named.has(name) || name.charCodeAt(0) === 0x3a) continue;
    const value = headers[name];
    if (value !== undefined) pass(name, value);
  }
}

const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * The fields of a trailer section that are passed on, in either direction. Fields that cannot be written are left out.
 */
export function trailerFields(trailers: ResponseFields): Array<[name: string, value: string]> {
  const fields: Array<[string, string]> = [];
  eachEndToEndField(trailers, (name, given) => {
    const value = typeof given === 'string' ? given : given.join(', ');
    if (NOT_IN_TRAILERS.test(name) || isClientClaim(name) || NOT_IN_VALUE.test(value)) return;
    fields.push([name, value]);
  });
  return fields;
}
