/** How a request may be forwarded, depending on its method and on the type of its response. */
import type { ResponseFields } from './headers.js';

/**
 * Methods that change nothing (RFC 9110 §9.2.1, WebDAV and RFC 10008): two instances may process one at the same time.
 */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'REPORT', 'SEARCH', 'QUERY']);

/** Methods that may be sent again once the first attempt is known to be over (§9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set([...SAFE, 'PUT', 'DELETE']);

const EVENT_STREAM = /^text\/event-stream\b/i;

export function isSafe(method: string): boolean {
  return SAFE.has(method);
}

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** A stream of events may be silent for any time. */
export function isEventStream(headers: ResponseFields): boolean {
  const type = headers['content-type'];
  return typeof type === 'string' && EVENT_STREAM.test(type);
}
