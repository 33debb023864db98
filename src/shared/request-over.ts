/**
 * A request is over when its response was handed to the operating system, or when its connection is gone. Code that
 * takes a place, a timer or a listener for the length of a request gives it back here, and nowhere else.
 *
 * No single event of Node reports this. A pipelined request may wait for the responses before it, and its own response
 * has no socket then. Such a response emits nothing when the connection closes. An HTTP/2 response emits `finish`
 * although its stream was reset. An upgraded connection has no response at all. The requests of one connection share
 * one listener on it, because a listener per response is measurably expensive under Express.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { asError } from './errors.js';
import { callGuarded } from './listeners.js';
import {
  RequestOverListeners,
  type RequestFollower,
  type RequestOutcome,
  type RequestOverListener,
} from './request-over-listeners.js';
import { isHttp2, requestStreamOf } from './http2-message.js';

export type { RequestFollower, RequestOutcome, RequestOverListener };

/** Follows a request without a listener: one object per request, so that a hot path creates no closure. */
export interface RequestObserver {
  /** Called once, when the request is over and before any listener. */
  requestOver(outcome: RequestOutcome, served: ServedRequest): void;
}

/** Holds the record of a request: the connection, or its replacement in a test. */
interface Connection {
  [KEY]?: ConnectionRecord;
}

// A registered symbol, because the CommonJS and the ES module build may both be loaded.
const KEY: unique symbol = Symbol.for('@tooloo/resilience:served-requests') as never;

/** The requests in progress on one connection: usually one, several where they are pipelined. */
class ConnectionRecord {
  /** The request that arrived last. Each request refers to the one before it. */
  latest: ServedRequest | undefined = undefined;
  /** Whether Node's diagnostics channel reports the responses of this connection, so that none needs its own listener. */
  reportsFinish = false;
  /** Whether the connection is gone, so that its close event will not be emitted again. */
  isClosed: boolean;
  #isSecure: boolean | undefined = undefined;

  constructor(isClosed: boolean) {
    this.isClosed = isClosed;
  }

  /** Read once per connection: a property of a request is expensive to read under Express. */
  isSecure(req: IncomingMessage): boolean {
    // HTTP/2 has a TLS socket behind a proxy, which reads through.
    return (this.#isSecure ??= (req.socket as { readonly encrypted?: boolean } | undefined)?.encrypted === true);
  }

  find(req: IncomingMessage): ServedRequest | undefined {
    let served = this.latest;
    while (served !== undefined && served.req !== req) served = served.earlier;
    return served;
  }

  remove(served: ServedRequest): void {
    if (this.latest === served) this.latest = served.earlier;
    else {
      let later = this.latest;
      while (later !== undefined && later.earlier !== served) later = later.earlier;
      if (later !== undefined) later.earlier = served.earlier;
    }
    served.earlier = undefined;
  }

  /** The connection is gone, and with it every request on it. */
  endAll(): void {
    this.isClosed = true;
    for (let served = this.latest; served !== undefined; served = this.latest) {
      served.end(outcomeAtClose(served));
    }
  }
}

/** A request in progress, with the listeners for its end. */
export class ServedRequest extends RequestOverListeners {
  /** Undefined for an upgrade, which Node gives a socket and no response. */
  readonly res: ServerResponse | undefined;
  /** The request before it on the same connection. */
  earlier: ServedRequest | undefined;
  /** Set by the one part that accompanies every request: the tracer. */
  observer: RequestObserver | undefined = undefined;
  readonly #connection: ConnectionRecord;

  constructor(connection: ConnectionRecord, req: IncomingMessage, res: ServerResponse | undefined) {
    super(req);
    this.#connection = connection;
    this.res = res;
    this.earlier = connection.latest;
    connection.latest = this;
  }

  /** Whether the connection is encrypted. */
  get isSecure(): boolean {
    return this.#connection.isSecure(this.req);
  }

  /** Ends the request. Only the first call counts. */
  end(outcome: RequestOutcome): void {
    if (this.outcome !== undefined) return;
    this.outcome = outcome;
    this.#connection.remove(this);
    if (newest === this) newest = undefined;
    if (announced?.request === this.req) announced = undefined;
    try {
      this.observer?.requestOver(outcome, this);
    } catch (error) {
      // The listeners give resources back, so they are called even if the observer throws.
      callGuarded('request over', () => Promise.reject(asError(error)));
    }
    this.callListeners(outcome);
  }
}

/** The request that arrived last, on any connection: lookups are nearly always for this one. */
let newest: ServedRequest | undefined;

/**
 * The request that Node announced last on its diagnostics channel, until its response is finished. Everything that the
 * record needs is known of it without reading a property of the request or response. Where `express-shapes.ts`
 * could not prepare a request for Express, Node 20 and 22 take 0.5 to 1.4 µs for each property of it.
 */
let announced: RequestStarted | undefined;

function connectionOf(req: IncomingMessage): Connection & Partial<Duplex> {
  // Each HTTP/2 request has its own stream; a simulated request may have no socket.
  return requestStreamOf(req) ?? req.socket ?? req;
}

/** The record of a request in progress, if `servedRequest` was called for it before; otherwise undefined. */
export function findServedRequest(req: IncomingMessage): ServedRequest | undefined {
  return newest?.req === req ? newest : connectionOf(req)[KEY]?.find(req);
}

/** The request in progress that arrived last on a connection, of those that `servedRequest` was called for. */
export function latestRequest(connection: object): ServedRequest | undefined {
  return (connection as Connection)[KEY]?.latest;
}

/** The record of this request: always the same one while the request is in progress. */
export function servedRequest(req: IncomingMessage, res: ServerResponse | undefined): ServedRequest {
  const isAnnounced = announced?.request === req;
  const holder = isAnnounced ? announced!.socket : connectionOf(req);
  const connection = (holder[KEY] ??= watched(holder));
  const known = connection.find(req);
  if (known !== undefined) return known;
  const served = new ServedRequest(connection, req, res);
  newest = served;
  if (connection.isClosed) served.end(outcomeAtClose(served));
  else if (isAnnounced)
    connection.reportsFinish = true; // a server that announces requests reports their responses
  else if (!isHttp2(req)) watchResponse(served, connection);
  return served;
}

/**
 * Calls `listener` once when the request is over; a moment later if it already is.
 *
 * @returns a function that stops listening
 */
export function onRequestOver(
  req: IncomingMessage,
  res: ServerResponse | undefined,
  listener: RequestOverListener,
): () => void {
  return servedRequest(req, res).onOver(listener);
}

function watched(holder: Partial<Duplex>): ConnectionRecord {
  subscribeOnce();
  const connection = new ConnectionRecord(holder.destroyed === true);
  holder.on?.('close', endRequests);
  return connection;
}

/** One function for all connections, because a closure takes memory for each open one. */
function endRequests(this: Connection): void {
  this[KEY]?.endAll();
}

/**
 * An HTTP/2 response emits `finish` also for a stream that was reset, and Node ends the stream itself when the client
 * closes it. A response was therefore sent only if the handler ended it and the stream wrote everything.
 */
function outcomeAtClose({ req, res }: ServedRequest): RequestOutcome {
  const stream = requestStreamOf(req);
  const isSent =
    stream === undefined
      ? res?.writableFinished === true && res.errored == null
      : res?.writableEnded === true && stream.writableFinished && !stream.aborted;
  return isSent ? 'finished' : 'aborted';
}

/**
 * Node emits `finish` also if the last write failed because the connection was lost, with most of the response not yet
 * sent.
 */
function outcomeAtFinish(socket: { readonly destroyed?: boolean } | undefined): RequestOutcome {
  return socket?.destroyed === true ? 'aborted' : 'finished';
}

function watchResponse(served: ServedRequest, connection: ConnectionRecord): void {
  const { res } = served;
  if (res === undefined) return;
  // Its own property, and cheap to read under Express: a response without a head is not finished.
  const { _header: head } = res as { _header?: unknown };
  if (res.destroyed || (head !== null && res.writableFinished)) return served.end(outcomeAtClose(served));
  if (connection.reportsFinish) return;
  res.once('finish', () => served.end(outcomeAtFinish(served.req.socket)));
  res.once('close', () => served.end(outcomeAtClose(served)));
}

interface RequestStarted {
  readonly request: IncomingMessage;
  readonly socket: Connection & Partial<Duplex>;
}

interface ResponseFinished {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Connection;
}

let isSubscribed = false;

/** A server that reports one response of a connection reports all that follow: only the first ones need listeners. */
function subscribeOnce(): void {
  if (isSubscribed) return;
  isSubscribed = true;
  subscribe('http.server.request.start', (message) => {
    announced = message as RequestStarted;
  });
  subscribe('http.server.response.finish', (message) => {
    const { request, socket } = message as ResponseFinished;
    if (announced?.request === request) announced = undefined;
    const connection = socket[KEY];
    if (connection === undefined) return;
    connection.reportsFinish = true;
    connection.find(request)?.end(outcomeAtFinish(socket as { destroyed?: boolean }));
  });
}
