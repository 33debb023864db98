/**
 * The turn of a pipelined request. A client may send requests without waiting for the responses, and Node hands all of
 * them over at once. Only requests with safe methods may be handled in parallel (RFC 9112 §9.3.2), and their responses
 * wait for those before them in any case. So what forwards or shares requests takes them one after the other, as nginx
 * does. One connection then has one request in progress, and a request that others wait for never waits itself.
 *
 * While many requests wait, their connection is not read. Further bytes stay with the client, so memory is bounded by what
 * arrived in one piece. While few wait, it is read, because otherwise Node would not notice that the client has left. A
 * connection that cannot be read for long is therefore closed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { monotonicClock, startTimer, type Timer } from './clock.js';
import type { Middleware, NextFunction } from './http.js';
import { isHttp2 } from './http2-message.js';

/** Node keeps the response that uses a connection in this property only. */
type ServerConnection = Duplex & { readonly _httpMessage?: ServerResponse | null };

/** The response that is written to this connection; those of later requests have no socket until it is finished. */
export function currentResponse(connection: Duplex): ServerResponse | undefined {
  return (connection as ServerConnection)._httpMessage ?? undefined;
}

/** A connection on which more requests than this wait is not read. Clients that pipeline have fewer of them in progress. */
const MOST_READ = 32;

/** Milliseconds after which a connection is closed that was not read because of the requests that wait. */
const LONGEST_UNREAD = 10_000;

/** The requests of one connection that wait for their turn. */
class WaitingOnConnection {
  readonly #connection: Duplex;
  #timer: Timer;
  #count = 0;
  #latest: IncomingMessage | undefined;

  constructor(connection: Duplex) {
    this.#connection = connection;
    this.#timer = this.#wait();
    connection.once('close', this.#end);
  }

  add(req: IncomingMessage): void {
    this.#count++;
    this.#latest = req;
    // Node resumes the connection after each request that it has read, so the pause must come after that.
    queueMicrotask(() => {
      if (this.#count > MOST_READ) this.#connection.pause();
    });
  }

  goOn(): void {
    this.#count--;
    if (this.#count === MOST_READ) this.#connection.resume();
    if (this.#count === 0) this.#end();
  }

  #wait(): Timer {
    return startTimer(monotonicClock, () => this.#look(), LONGEST_UNREAD);
  }

  /** Node reads no more than the beginning of a body that nothing takes. */
  #look(): void {
    if (this.#count > MOST_READ || this.#latest?.complete === false) this.#connection.destroy();
    else this.#timer = this.#wait();
  }

  readonly #end = (): void => {
    waiting.delete(this.#connection);
    this.#timer.cancel();
    this.#connection.removeListener('close', this.#end);
  };
}

const waiting = new WeakMap<Duplex, WaitingOnConnection>();

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
  const others = waitingOn(req.socket);
  others.add(req);
  await new Promise((resolve) => res.once('socket', resolve)); // emitted when Node assigns it
  others.goOn();
  try {
    handle(req, res, next);
  } catch (error) {
    next(error);
  }
}

function waitingOn(connection: Duplex): WaitingOnConnection {
  let others = waiting.get(connection);
  if (others === undefined) waiting.set(connection, (others = new WaitingOnConnection(connection)));
  return others;
}
