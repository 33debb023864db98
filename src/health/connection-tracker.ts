/**
 * The connections of this process' servers. Node lets a server close its HTTP connections but forgets a socket once it
 * is upgraded; to end those too they must be known from the start.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Published once a connection, so that keeping count costs requests nothing. */
const ACCEPTED = 'net.server.socket';

/** The server that accepted a socket: what Node sets and its types do not tell. */
function serverOf(socket: Socket): unknown {
  return (socket as Socket & { readonly server?: unknown }).server;
}

/** Knows every connection accepted after it was made, until it is closed. */
export class ConnectionTracker {
  readonly #sockets = new Set<Socket>();
  /** The newest response of each HTTP connection: with pipelining, the last that it will carry. */
  readonly #responses = new Map<Socket, ServerResponse>();

  readonly #onAccepted = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  };

  constructor() {
    subscribe(ACCEPTED, this.#onAccepted);
  }

  /** Remembers the response; called for every request. */
  noteRequest(req: IncomingMessage, res: ServerResponse): void {
    const { socket } = req;
    if (!this.#responses.has(socket)) socket.once('close', () => this.#responses.delete(socket));
    this.#responses.set(socket, res);
  }

  /** Open connections of the server, upgraded ones included. Under TLS these are the sockets beneath it. */
  socketsOf(server: Server): Socket[] {
    return [...this.#sockets].filter((socket) => serverOf(socket) === server);
  }

  /** The last response of each connection of the server that is not finished. */
  unfinishedResponsesOf(server: Server): ServerResponse[] {
    return [...this.#responses]
      .filter(([socket, response]) => serverOf(socket) === server && !response.writableFinished)
      .map(([, response]) => response);
  }

  /** Forgets everything. Idempotent. */
  close(): void {
    unsubscribe(ACCEPTED, this.#onAccepted);
    this.#sockets.clear();
    this.#responses.clear();
  }
}
