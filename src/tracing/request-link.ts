/**
 * The trace of a request, found from the request, and ended with it. Both hang on the connection, which serves one
 * request at a time, or several where they are pipelined. Under Express every request has a shape of its own, which makes
 * each property of it that is read or written dear, and a listener on each response dearer: a connection that is kept
 * alive needs one listener for all its requests, and Node tells of every response that was written.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { RequestTrace } from './request-trace.js';

/** The requests being served on a connection. */
export class ConnectionLink {
  readonly isSecure: boolean;
  /** Knows the one before it. */
  latest: RequestTrace | undefined = undefined;
  /** Whether the requests here are ended by what Node tells of the connection, and need not be watched each. */
  tellsEnds = false;

  constructor(isSecure: boolean) {
    this.isSecure = isSecure;
  }

  find(req: IncomingMessage): RequestTrace | undefined {
    let trace = this.latest;
    while (trace !== undefined && trace.request !== req) trace = trace.earlier;
    return trace;
  }

  add(req: IncomingMessage, trace: RequestTrace): void {
    trace.link = this;
    trace.request = req;
    trace.earlier = this.latest;
    this.latest = trace;
    newest = trace;
  }

  /** Forgets a request that is over: an idle connection holds none. */
  remove(trace: RequestTrace): void {
    if (this.latest === trace) this.latest = trace.earlier;
    else {
      let later = this.latest;
      while (later !== undefined && later.earlier !== trace) later = later.earlier;
      if (later !== undefined) later.earlier = trace.earlier;
    }
    trace.link = undefined;
    trace.request = undefined;
    trace.earlier = undefined;
    if (newest === trace) newest = undefined;
  }
}

// A registered symbol, since the CommonJS and the ES module build may both be loaded.
const LINK: unique symbol = Symbol.for('@tooloo/resilience:requests') as never;

interface Connection {
  [LINK]?: ConnectionLink;
}

/** The request that came last, on whichever connection: nearly always the one that is asked for. */
let newest: RequestTrace | undefined;

/** A request that stands in for a real one in a test may have no connection, and is its own. */
function connectionOf(req: IncomingMessage): Connection {
  return (req.socket as Connection | undefined) ?? (req as Connection);
}

export function linkOf(req: IncomingMessage): ConnectionLink {
  const connection = connectionOf(req);
  return (connection[LINK] ??= new ConnectionLink('encrypted' in connection));
}

export function traceOf(req: IncomingMessage): RequestTrace | undefined {
  return newest?.request === req ? newest : connectionOf(req)[LINK]?.find(req);
}

/** Ends the trace with this response, where its connection does not: when it was written, or the client went away before. */
export function endWithResponse(trace: RequestTrace, req: IncomingMessage, res: ServerResponse): void {
  // `close` comes after the last byte, and also when the client went away before it.
  res.on('close', function endRequest(this: ServerResponse) {
    trace.endRequest(this.writableFinished ? this.statusCode : undefined);
  });
  // A pipelined request whose turn never comes is not told: its response belongs to no socket when that one closes.
  if (res.socket === null) req.on('close', () => req.socket.destroyed && trace.endRequest(undefined));
}

interface ResponseFinished {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
}

/** A server that told of one response of a connection tells of all that follow. */
function responseFinished({ request, response, socket }: ResponseFinished): void {
  const link = (socket as Connection)[LINK];
  if (link === undefined) return;
  if (!link.tellsEnds) {
    link.tellsEnds = true;
    socket.on('close', () => {
      while (link.latest !== undefined) link.latest.endRequest(undefined);
    });
  }
  link.find(request)?.endRequest(response.statusCode);
}

let isSubscribed = false;

/** Lets Node tell when a response was written: its HTTP/1 server does, once a response. */
export function observeResponses(): void {
  if (isSubscribed) return;
  isSubscribed = true;
  subscribe('http.server.response.finish', (message) => responseFinished(message as ResponseFinished));
}
