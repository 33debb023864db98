/**
 * B3, which Zipkin and older meshes send instead of `traceparent`. It is only read, in both its forms. Outgoing
 * requests carry W3C Trace Context.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isId } from './ids.js';
import type { RemoteParent } from './request-parent.js';

/** Reads `b3`, otherwise the `X-B3-*` fields; undefined if they name no trace or are invalid. */
export function readB3(headers: IncomingHttpHeaders): RemoteParent | undefined {
  const single = field(headers['b3']);
  if (single !== undefined) {
    const [traceId, spanId, state] = single.split('-');
    return parentOf(traceId, spanId, state);
  }
  // The debug flag overrides the sampling field: the trace is recorded.
  const state = field(headers['x-b3-flags']) === '1' ? 'd' : field(headers['x-b3-sampled']);
  return parentOf(field(headers['x-b3-traceid']), field(headers['x-b3-spanid']), state);
}

function field(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value.trim() : undefined;
}

function parentOf(traceId = '', spanId = '', state = ''): RemoteParent | undefined {
  // Eight bytes are the older size: the same number, padded.
  const long = traceId.toLowerCase().padStart(traceId.length === 16 ? 32 : 0, '0');
  const span = spanId.toLowerCase();
  if (!isId(long, 32) || !isId(span, 16)) return undefined;
  return { traceId: long, spanId: span, sampled: isSampled(state), random: false };
}

/**
 * Accepted, or debug. Some senders of the older fields write `true`. Without a state the receiver decides: it records.
 */
function isSampled(state: string): boolean {
  return state === '' || state === '1' || state === 'd' || state === 'true';
}
