/** A request made ready to be forwarded, and what its method and its response's type say of how. */
import type { ForwardedFields, ResponseFields } from './headers.js';

/** What is sent upstream, the same for every attempt. */
export interface PreparedRequest {
  readonly method: string;
  readonly path: string;
  readonly fields: ForwardedFields;
  readonly expectContinue: boolean;
  readonly hasTrailers: boolean;
  /** What the balancer may hash: the client's address, a session. */
  readonly key: string | undefined;
}

/** Methods that may be sent twice (RFC 9110 §9.2.2, and the safe ones of WebDAV and RFC 10008). */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PUT',
  'DELETE',
  'PROPFIND',
  'REPORT',
  'SEARCH',
  'QUERY',
]);

const EVENT_STREAM = /^text\/event-stream\b/i;

/** Whether the request may be sent twice. */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** A stream of events may be silent for as long as it likes. */
export function isEventStream(headers: ResponseFields): boolean {
  const type = headers['content-type'];
  return typeof type === 'string' && EVENT_STREAM.test(type);
}
