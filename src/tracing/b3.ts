/**
 * B3, what Zipkin and older meshes send in place of `traceparent`: read only, in both its forms. What this kit sends on is
 * W3C Trace Context.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isId } from './ids.js';
import type { RemoteParent } from './trace.js';

/** Reads `b3`, or else the `X-B3-*` fields; undefined where they name no trace, or not validly. */
export function readB3(headers: IncomingHttpHeaders): RemoteParent | undefined {
  const single = field(headers['b3']);
  if (single !== undefined) {
    const [traceId, spanId, state] = single.split('-');
    return parentOf(traceId, spanId, state);
  }
  // The debug flag says to record, whatever else is said.
  const state = field(headers['x-b3-flags']) === '1' ? 'd' : field(headers['x-b3-sampled']);
  return parentOf(field(headers['x-b3-traceid']), field(headers['x-b3-spanid']), state);
}

function field(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value.trim() : undefined;
}

function parentOf(traceId = '', spanId = '', state = ''): RemoteParent | undefined {
  // Eight bytes are the older size: the same number, written longer.
  const long = traceId.toLowerCase().padStart(traceId.length === 16 ? 32 : 0, '0');
  const span = spanId.toLowerCase();
  if (!isId(long, 32) || !isId(span, 16)) return undefined;
  return { traceId: long, spanId: span, sampled: isSampled(state), random: false };
}

/** Accepted, or debug; some senders of the older fields write `true`. Without a state the receiver may decide: it records. */
function isSampled(state: string): boolean {
  return state === '' || state === '1' || state === 'd' || state === 'true';
}
