/**
 * A request of the cache's own, run through the server as if it had come in: how a stale response is validated after the
 * client has been answered, also where the origin is a handler of this very application.
 *
 * `next()` cannot serve a second time (Express binds it to the first request and response), so the whole chain runs
 * again, on a request and a response that live in memory. What runs before the cache runs too, and can tell by
 * `isBackgroundRequest` that no client is behind it.
 */
import { IncomingMessage, ServerResponse, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { markBackgroundRequest } from '../../shared/background-request.js';
import { originalTarget } from '../../shared/http.js';
import { injectTrace } from '../../shared/instrumentation.js';

/** Takes what is written and forgets it. Tells of the client's connection what a middleware may ask. */
class NullSocket extends Duplex {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly remoteFamily: string | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly encrypted: boolean | undefined;

  constructor(like: Socket) {
    super();
    this.remoteAddress = like.remoteAddress;
    this.remotePort = like.remotePort;
    this.remoteFamily = like.remoteFamily;
    this.localAddress = like.localAddress;
    this.localPort = like.localPort;
    this.encrypted = (like as { encrypted?: boolean }).encrypted;
  }

  override _read(): void {
    this.push(null);
  }

  override _write(_chunk: unknown, _encoding: BufferEncoding, callback: () => void): void {
    callback();
  }

  address(): object {
    return {};
  }

  // Sockets have these; they return the socket.
  setTimeout = (): this => this;
  setNoDelay = (): this => this;
  setKeepAlive = (): this => this;
  ref = (): this => this;
  unref = (): this => this;
  destroySoon = (): this => this.destroy();
}

/** What runs again: the server a request came in on, where there is one to be found. */
export function serverOf(req: IncomingMessage): Server | undefined {
  const { server } = req.socket as { server?: Server };
  return server !== undefined && server.listenerCount('request') > 0 ? server : undefined;
}

export interface BackgroundExchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Hands the request to the server. */
  start(): void;
}

/**
 * Makes a GET like `origin`: same target, same client, its fields but for `changes` (undefined removes one).
 *
 * @param onClose called once, when the response has ended or was destroyed
 */
export function backgroundExchange(
  origin: IncomingMessage,
  server: Server,
  changes: Readonly<Record<string, string | undefined>>,
  onClose: () => void,
): BackgroundExchange {
  const socket = new NullSocket(origin.socket);
  const req = new IncomingMessage(socket as unknown as Socket);
  req.method = 'GET';
  req.url = originalTarget(origin);
  req.httpVersion = '1.1';
  req.httpVersionMajor = 1;
  req.httpVersionMinor = 1;
  const fields = { ...origin.headers, ...changes };
  injectTrace(fields);
  for (const [name, value] of Object.entries(fields)) if (value === undefined) delete fields[name];
  req.headers = fields;
  req.rawHeaders = Object.entries(fields).flatMap(([name, value]) => [name, String(value)]);
  req.complete = true;
  req.push(null);
  markBackgroundRequest(req);
  const res = new ServerResponse(req);
  res.assignSocket(socket as unknown as Socket);
  res.once('finish', () => {
    res.detachSocket(socket as unknown as Socket);
    socket.destroy();
    res.emit('close');
  });
  res.once('close', onClose);
  return { req, res, start: () => server.emit('request', req, res) };
}
