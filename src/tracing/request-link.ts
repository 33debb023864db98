/**
 * The trace of a request, found from the request. It hangs on the connection, which serves one request at a time, or
 * several where they are pipelined: Express gives every request a shape of its own, so that a property added to one
 * costs a new shape, and one missed a walk up its prototypes; a WeakMap costs more still, at every collection.
 */
import type { IncomingMessage } from 'node:http';
import type { RequestTrace } from './request-trace.js';

// A registered symbol, since the CommonJS and the ES module build may both be loaded.
const LATEST: unique symbol = Symbol.for('@tooloo/resilience:latest-request') as never;

/** Holds the latest of the requests being served on it, which knows the one before it. */
interface Connection {
  [LATEST]?: RequestTrace | undefined;
}

/** A request that stands in for a real one in a test may have no connection, and is its own. */
function connectionOf(req: IncomingMessage): Connection {
  return (req.socket as Connection | undefined) ?? (req as Connection);
}

export function traceOf(req: IncomingMessage): RequestTrace | undefined {
  let trace = connectionOf(req)[LATEST];
  while (trace !== undefined && trace.request !== req) trace = trace.earlier;
  return trace;
}

export function linkTrace(req: IncomingMessage, trace: RequestTrace): void {
  const connection = connectionOf(req);
  trace.request = req;
  trace.earlier = connection[LATEST];
  connection[LATEST] = trace;
}

/** Forgets a request that is over: an idle connection holds nothing. */
export function unlinkTrace(trace: RequestTrace): void {
  const { request, earlier } = trace;
  if (request === undefined) return;
  const connection = connectionOf(request);
  if (connection[LATEST] === trace) connection[LATEST] = earlier;
  else {
    let later = connection[LATEST];
    while (later !== undefined && later.earlier !== trace) later = later.earlier;
    if (later !== undefined) later.earlier = earlier;
  }
  trace.request = undefined;
  trace.earlier = undefined;
}
