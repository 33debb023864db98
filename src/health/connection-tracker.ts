/**
 * The connections of this process' servers. Node closes a server's HTTP connections, but it loses track of upgraded
 * sockets, and it closes neither HTTP/2 sessions nor connections that were never used. To close those too, they must be
 * tracked from the start.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { latestRequest, servedRequest } from '../shared/request-over.js';

/** Published once a connection, so that keeping count costs requests nothing. */
const ACCEPTED = 'net.server.socket';

// Of the process, however many trackers there are: one listener a socket, not one a tracker.
const sockets = new Set<Socket>();
const sessions = new Set<ServerHttp2Session>();
/** The connections that carried an HTTP/1.1 request: TLS sockets, where the accepted ones are beneath them. */
const carriers = new Set<Socket>();
/** The TLS socket of each accepted socket of a TLS server, once its handshake is complete. */
const secured = new WeakMap<Socket, Socket>();
const tlsServers = new Set<Server>();
let trackers = 0;

function onAccepted(message: unknown): void {
  const { socket } = message as { socket: Socket };
  sockets.add(socket);
  socket.on('close', forgetSocket);
  const server = serverOf(socket) as Server | undefined;
  if (server === undefined || tlsServers.has(server) || !isTls(server)) return;
  tlsServers.add(server);
  server.prependListener('secureConnection', onSecured);
  server.once('close', () => forgetServer(server));
}

function onSecured(socket: Socket): void {
  secured.set(acceptedSocket(socket), socket);
}

function forgetServer(server: Server): void {
  tlsServers.delete(server);
  server.removeListener('secureConnection', onSecured);
}

function isTls(server: object): boolean {
  return 'setSecureContext' in server;
}

/** The server that accepted a socket: what Node sets and its types do not tell. */
function serverOf(socket: object | undefined): unknown {
  return (socket as { readonly server?: unknown } | undefined)?.server;
}

/** The accepted socket: a TLS socket keeps the one beneath it. */
function acceptedSocket(socket: Socket): Socket {
  const { _parent: beneath } = socket as Socket & { readonly _parent?: Socket | null };
  return beneath ?? socket;
}

/** One function for all sockets, and not `once`, because either takes memory for each open connection. */
function forgetSocket(this: Socket): void {
  sockets.delete(this);
  carriers.delete(this);
}

function noteCarrier(socket: Socket): void {
  carriers.add(socket);
  if (!sockets.has(socket)) socket.on('close', forgetSocket);
}

function noteSession(session: ServerHttp2Session): void {
  if (sessions.has(session)) return;
  sessions.add(session);
  session.once('close', () => sessions.delete(session));
}

/** Knows every connection accepted while there is a tracker, until it is closed. */
export class ConnectionTracker {
  #isClosed = false;

  constructor() {
    if (++trackers > 1) return;
    subscribe(ACCEPTED, onAccepted);
  }

  /** Called for every request: the record of the request is shared with all middleware, so this costs one look-up. */
  noteRequest(req: IncomingMessage, res: ServerResponse): void {
    if (this.#isClosed) return;
    const { stream } = req as { stream?: { readonly session?: ServerHttp2Session } };
    if (stream?.session !== undefined) return noteSession(stream.session);
    const { socket } = req;
    if (!carriers.has(socket)) noteCarrier(socket);
    servedRequest(req, res);
  }

  /** Open connections of the server, upgraded ones included. Under TLS these are the sockets beneath it. */
  socketsOf(server: Server): Socket[] {
    return [...sockets].filter((socket) => serverOf(socket) === server);
  }

  /** Connections of the server that were opened and carried no request yet, as browsers keep them ready. */
  unusedSocketsOf(server: Server): Socket[] {
    return this.socketsOf(server).filter((socket) => {
      if (!isTls(server)) return socket.bytesRead === 0;
      const tlsSocket = secured.get(socket);
      // A TLS socket counts what it decrypted, without the handshake.
      return tlsSocket === undefined || tlsSocket.bytesRead === 0;
    });
  }

  /** Open HTTP/2 sessions of the server that carried a request. */
  sessionsOf(server: Server): ServerHttp2Session[] {
    return [...sessions].filter((session) => !session.destroyed && serverOf(session.socket) === server);
  }

  /** The last response of each connection of the server that is not finished: with pipelining, the last it will carry. */
  unfinishedResponsesOf(server: Server): ServerResponse[] {
    return [...carriers]
      .filter((socket) => serverOf(socket) === server)
      .map((socket) => latestRequest(socket)?.res)
      .filter((response) => response !== undefined);
  }

  /** Forgets everything, once no other tracker needs it. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (--trackers > 0) return;
    unsubscribe(ACCEPTED, onAccepted);
    sockets.clear();
    sessions.clear();
    for (const server of [...tlsServers]) forgetServer(server);
    carriers.clear();
  }
}
