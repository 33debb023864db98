/**
 * The turn of a pipelined request. A client may send requests without waiting for the responses, and Node hands all of
 * them over at once. Only requests with safe methods may be handled in parallel (RFC 9112 §9.3.2), and their responses
 * wait for those before them in any case. So what forwards or shares requests takes them one after the other, as nginx
 * does. One connection then has one request in progress, and a request that others wait for never waits itself.
 *
 * While requests wait, their connection is not read. Further bytes stay with the client, so memory is
 * bounded by what arrived in one piece.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Middleware, NextFunction } from './http.js';
import { isHttp2 } from './http2-message.js';

/** Node keeps the response that uses a connection in this property only. */
type ServerConnection = Duplex & { readonly _httpMessage?: ServerResponse | null };

/** The response that is written to this connection; those of later requests have no socket until it is finished. */
export function currentResponse(connection: Duplex): ServerResponse | undefined {
  return (connection as ServerConnection)._httpMessage ?? undefined;
}

/** The requests of each connection that wait for their turn. */
const waiting = new WeakMap<Duplex, number>();

/**
 * Calls `handle` when the responses to all earlier requests on the connection are sent: at once for a request that is
 * not pipelined, and never if the connection ends before. An exception of a `handle` that has waited goes to
 * `next`. The async context is kept.
 */
export function inTurn(req: IncomingMessage, res: ServerResponse, next: NextFunction, handle: Middleware): void {
  // Node would create a Proxy for the socket of an HTTP/2 response.
  if (!isHttp2(req) && res.socket === null && isBehindAnother(req)) void handleLater(req, res, next, handle);
  else handle(req, res, next);
}

/** A simulated response has no socket either, and no connection on which another one could be. */
function isBehindAnother({ socket }: Partial<IncomingMessage>): boolean {
  return socket !== undefined && !socket.destroyed && currentResponse(socket) !== undefined;
}

async function handleLater(
  req: IncomingMessage,
  res: ServerResponse,
  next: NextFunction,
  handle: Middleware,
): Promise<void> {
  const { socket } = req;
  waitOn(socket);
  await new Promise((resolve) => res.once('socket', resolve)); // emitted when Node assigns it
  goOn(socket);
  try {
    handle(req, res, next);
  } catch (error) {
    next(error);
  }
}

function waitOn(connection: Duplex): void {
  waiting.set(connection, (waiting.get(connection) ?? 0) + 1);
  // Node resumes the connection after each request that it has read, so the pause must come after that.
  queueMicrotask(() => {
    if (waiting.has(connection)) connection.pause();
  });
}

/** The next one may take its turn. Only behind the last one is the connection read again. */
function goOn(connection: Duplex): void {
  const left = waiting.get(connection)! - 1;
  if (left > 0) return void waiting.set(connection, left);
  waiting.delete(connection);
  connection.resume();
}
