/**
 * Runs a request of the cache's own through the server as if it had arrived from a client. A stale response is
 * validated this way after the client has been answered, even if the origin is a handler of the same application.
 *
 * `next()` cannot serve a second time, because Express binds it to the first request and response. Therefore the whole
 * chain runs again, on a request and a response in memory. Middleware before the cache runs too. It can use
 * `isBackgroundRequest` to see that the request has no client.
 */
import { IncomingMessage, ServerResponse, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { markBackgroundRequest } from '../../shared/background-request.js';
import { originalTarget } from '../../shared/http.js';
import { injectTraceOf } from '../../shared/instrumentation.js';

/** Discards everything written to it. It has the properties of the client's connection that middleware may read. */
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

  // Sockets have these methods, which return the socket.
  setTimeout = (): this => this;
  setNoDelay = (): this => this;
  setKeepAlive = (): this => this;
  ref = (): this => this;
  unref = (): this => this;
  destroySoon = (): this => this.destroy();
}

/**
 * The null socket with all other properties of the client's socket: its certificate, its server, its counters. Values
 * that the kernel forgets when the client disconnects are kept.
 */
function withRest(own: NullSocket, like: Socket): Socket {
  const { getPeerCertificate } = like as { getPeerCertificate?: (detailed?: boolean) => unknown };
  const certificate = getPeerCertificate?.call(like, true);
  return new Proxy(own, {
    get(target, name): unknown {
      // A symbol holds what Node, or code like this, keeps of one connection: of the client's it must not be read.
      if (typeof name === 'symbol' || name in target) return Reflect.get(target, name, target);
      if (name === 'getPeerCertificate' && getPeerCertificate !== undefined) return () => certificate;
      const value: unknown = Reflect.get(like, name, like);
      return typeof value === 'function' ? (value.bind(like) as unknown) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  }) as unknown as Socket;
}

/** The pseudo-headers of HTTP/2 are the host and scheme of HTTP/1.1. A handler may read them in the usual place. */
function asHttp1(req: IncomingMessage, fields: Record<string, string | string[] | undefined>): void {
  const { ':authority': authority, ':scheme': scheme } = fields;
  if (authority === undefined && scheme === undefined) return;
  fields.host ??= authority;
  for (const name of Object.keys(fields)) if (name.startsWith(':')) delete fields[name];
  Object.assign(req, { authority, scheme });
}

/** The server that received a request and runs it again, if it can be found. */
export function serverOf(req: IncomingMessage): Server | undefined {
  const { server } = req.socket as { server?: Server };
  return server !== undefined && server.listenerCount('request') > 0 ? server : undefined;
}

export interface BackgroundExchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Passes the request to the server. */
  start(): void;
}

/**
 * Creates a GET like `origin`: same target, same client, and its fields except for `changes` (undefined removes one).
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
  const req = new IncomingMessage(withRest(socket, origin.socket));
  req.method = 'GET';
  req.url = originalTarget(origin);
  req.httpVersion = '1.1';
  req.httpVersionMajor = 1;
  req.httpVersionMinor = 1;
  const fields = { ...origin.headers, ...changes };
  asHttp1(req, fields);
  injectTraceOf(origin, fields);
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
