/**
 * The trace of a request, found from the request. It hangs on the array of its raw header fields, which is its own from
 * beginning to end: Express gives every request a shape of its own, so that each property added to or missed on the
 * request itself costs a new shape or a walk up its prototypes, several times what the rest of a lookup costs.
 */
import type { IncomingMessage } from 'node:http';
import type { RequestTrace } from './request-trace.js';

// A registered symbol, since the CommonJS and the ES module build may both be loaded.
const TRACE: unique symbol = Symbol.for('@tooloo/resilience:request') as never;

interface Holder {
  [TRACE]?: RequestTrace;
}

/** What holds the trace; an object that stands in for a request in a test may have no raw fields. */
export function holderOf(req: IncomingMessage): Holder & readonly string[] {
  return ((req as Partial<IncomingMessage>).rawHeaders ?? req) as Holder & readonly string[];
}

export function traceOf(req: IncomingMessage): RequestTrace | undefined {
  return holderOf(req)[TRACE];
}

export function linkTrace(holder: Holder, trace: RequestTrace): void {
  holder[TRACE] = trace;
}

export function linkedTrace(holder: Holder): RequestTrace | undefined {
  return holder[TRACE];
}

/** Whether raw header fields have one of this lowercase name: without making the object of all fields. */
export function hasField(rawHeaders: readonly string[], name: string): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const field = rawHeaders[i]!;
    if (field.length === name.length && (field === name || field.toLowerCase() === name)) return true;
  }
  return false;
}
