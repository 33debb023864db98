/** Which header fields pass a proxy, and which end with the connection they came on (RFC 9110 §7.6.1). */
import type { IncomingMessage } from 'node:http';
import { injectTrace, type RecordedSpan } from '../../shared/instrumentation.js';

/** Fields that concern one connection only, whether or not `Connection` names them. */
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

/** Fields `Connection` must not name: without them the message would mean something else, or have no end. */
const NEVER_NAMED: ReadonlySet<string> = new Set(['host', 'content-length', 'content-type', 'content-encoding']);

/** Fields that must not come after the body: they say how to read it, or who may (RFC 9110 §6.5.1). */
const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'trailer',
  'host',
  'set-cookie',
  'cache-control',
  'authorization',
]);

const TRACE_FIELDS: ReadonlySet<string> = new Set(['traceparent', 'tracestate', 'baggage']);

const NOTHING: ReadonlySet<string> = new Set();

/** Header fields of a request to an upstream: `[name, value, name, value, …]`, as they came. */
export interface ForwardedFields {
  readonly fields: string[];
  /** The trace context the client sent, kept apart because each attempt may send its own. */
  readonly trace: string[];
}

/** The lowercase field names that a `Connection` field names. */
export function namedByConnection(connection: string | string[] | undefined): ReadonlySet<string> {
  if (connection === undefined) return NOTHING;
  const value = (typeof connection === 'string' ? connection : connection.join(',')).toLowerCase();
  if (value === 'keep-alive' || value === 'close') return NOTHING; // nearly always
  const names = value.split(',').map((name) => name.trim());
  return new Set(names.filter((name) => !NEVER_NAMED.has(name)));
}

/**
 * The end-to-end fields of a request, without those the caller replaces. Read from `req.headers`, so that what a
 * middleware in front took away or added counts; repeated fields are one there already, which closes the gap between
 * readers that take the first and readers that take the last.
 *
 * @param replaced lowercase names that are left out
 */
export function endToEndFields({ headers }: IncomingMessage, replaced: ReadonlySet<string>): ForwardedFields {
  const named = namedByConnection(headers.connection);
  const fields: string[] = [];
  const trace: string[] = [];
  for (const name in headers) {
    if (HOP_BY_HOP.has(name) || named.has(name) || replaced.has(name)) continue;
    const value = headers[name];
    if (value === undefined) continue;
    const list = TRACE_FIELDS.has(name) ? trace : fields;
    if (typeof value === 'string') list.push(name, value);
    else for (const one of value) list.push(name, one);
  }
  // §10.1.4: of TE only what this hop can promise may pass, and trailers it relays.
  if (acceptsTrailers(headers.te)) fields.push('TE', 'trailers');
  return { fields, trace };
}

function acceptsTrailers(te: string | string[] | undefined): boolean {
  return te !== undefined && /(?:^|,)\s*trailers\s*(?:,|$)/i.test(String(te));
}

/** The fields of one attempt: the request's, and the trace context of now or of this very attempt. */
export function attemptFields({ fields, trace }: ForwardedFields, span: RecordedSpan | undefined): string[] {
  const carrier: Record<string, string | string[] | undefined> = {};
  if (span === undefined) injectTrace(carrier);
  else span.inject(carrier);
  const own = Object.entries(carrier).flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
  const context = own.length > 0 ? own : trace; // nothing is traced here: what the client sent passes through
  return context.length > 0 ? [...fields, ...context] : fields;
}

/** A response's fields as undici and Node give them: lowercase names, repeated ones as arrays. */
export type ResponseFields = Readonly<Record<string, string | string[] | undefined>>;

/** Calls back with each field of a response that passes on. */
export function eachEndToEndField(
  headers: ResponseFields,
  pass: (name: string, value: string | string[]) => void,
): void {
  const named = namedByConnection(headers.connection);
  for (const name in headers) {
    if (HOP_BY_HOP.has(name) || named.has(name)) continue;
    const value = headers[name];
    if (value !== undefined) pass(name, value);
  }
}

/** The fields of a trailer section that pass on. */
export function trailerFields(trailers: ResponseFields): Array<[name: string, value: string]> {
  const fields: Array<[string, string]> = [];
  eachEndToEndField(trailers, (name, value) => {
    if (!NOT_IN_TRAILERS.has(name)) fields.push([name, typeof value === 'string' ? value : value.join(', ')]);
  });
  return fields;
}
