/**
 * The trace of a request, found from the request. It hangs on the connection, which serves one request at a time, or
 * several where they are pipelined. A property on the request would change its shape, and Express gives every request a
 * shape of its own already; a WeakMap measured within the noise of this, but leaves its entries to the collector.
 */
import type { IncomingMessage } from 'node:http';
import type { RequestTrace } from './request-trace.js';

// A registered symbol, since the CommonJS and the ES module build may both be loaded.
const LATEST: unique symbol = Symbol.for('@tooloo/resilience:latest-request') as never;

/** Holds the latest of the requests being served on it, which knows the one before it. */
export interface Connection {
  [LATEST]?: RequestTrace | undefined;
}

/** A request that stands in for a real one in a test may have no connection, and is its own. */
export function connectionOf(req: IncomingMessage): Connection {
  return (req.socket as Connection | undefined) ?? (req as Connection);
}

/** The trace of a request on its connection. */
export function traceOn(connection: Connection, req: IncomingMessage): RequestTrace | undefined {
  let trace = connection[LATEST];
  while (trace !== undefined && trace.request !== req) trace = trace.earlier;
  return trace;
}

export function traceOf(req: IncomingMessage): RequestTrace | undefined {
  return traceOn(connectionOf(req), req);
}

export function linkTrace(connection: Connection, req: IncomingMessage, trace: RequestTrace): void {
  trace.connection = connection;
  trace.request = req;
  trace.earlier = connection[LATEST];
  connection[LATEST] = trace;
}

/** Forgets a request that is over: an idle connection holds nothing. */
export function unlinkTrace(trace: RequestTrace): void {
  const { connection, earlier } = trace;
  if (connection === undefined) return;
  if (connection[LATEST] === trace) connection[LATEST] = earlier;
  else {
    let later = connection[LATEST];
    while (later !== undefined && later.earlier !== trace) later = later.earlier;
    if (later !== undefined) later.earlier = earlier;
  }
  trace.connection = undefined;
  trace.request = undefined;
  trace.earlier = undefined;
}
