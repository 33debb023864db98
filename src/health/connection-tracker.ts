/**
 * The connections of this process' servers. Node lets a server close its HTTP connections but forgets a socket once it
 * is upgraded; to end those too they must be known from the start.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Published once a connection, so that keeping count costs requests nothing. */
const ACCEPTED = 'net.server.socket';
/** Published once a response: an idle connection is to hold none. */
const FINISHED = 'http.server.response.finish';

// Of the process, however many trackers there are: one listener a socket, not one a tracker.
const sockets = new Set<Socket>();
/** The newest response of each HTTP connection that is not finished: with pipelining, the last that it will carry. */
const responses = new Map<Socket, ServerResponse>();
const watched = new WeakSet<Socket>();
let trackers = 0;

function onAccepted(message: unknown): void {
  const { socket } = message as { socket: Socket };
  sockets.add(socket);
  watch(socket);
}

function onFinished(message: unknown): void {
  const { socket, response } = message as { socket: Socket; response: ServerResponse };
  if (responses.get(socket) === response) responses.delete(socket);
}

function watch(socket: Socket): void {
  watched.add(socket);
  socket.once('close', () => {
    sockets.delete(socket);
    responses.delete(socket);
  });
}

/** The server that accepted a socket: what Node sets and its types do not tell. */
function serverOf(socket: Socket): unknown {
  return (socket as Socket & { readonly server?: unknown }).server;
}

/** Knows every connection accepted while there is a tracker, until it is closed. */
export class ConnectionTracker {
  #isClosed = false;

  constructor() {
    if (++trackers > 1) return;
    subscribe(ACCEPTED, onAccepted);
    subscribe(FINISHED, onFinished);
  }

  /** Remembers the response; called for every request. */
  noteRequest(req: IncomingMessage, res: ServerResponse): void {
    const { socket } = req;
    if (this.#isClosed) return;
    if (!watched.has(socket)) watch(socket);
    responses.set(socket, res);
  }

  /** Open connections of the server, upgraded ones included. Under TLS these are the sockets beneath it. */
  socketsOf(server: Server): Socket[] {
    return [...sockets].filter((socket) => serverOf(socket) === server);
  }

  /** The last response of each connection of the server that is not finished. */
  unfinishedResponsesOf(server: Server): ServerResponse[] {
    return [...responses]
      .filter(([socket, response]) => serverOf(socket) === server && !response.writableFinished)
      .map(([, response]) => response);
  }

  /** Forgets everything, once no other tracker needs it. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (--trackers > 0) return;
    unsubscribe(ACCEPTED, onAccepted);
    unsubscribe(FINISHED, onFinished);
    sockets.clear();
    responses.clear();
  }
}
