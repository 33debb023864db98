/**
 * Stops one HTTP server without failing a request: tell every client to leave, wait, stop listening, let what runs
 * finish, cut what is left.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import { startTimer, type Clock, type Timer } from '../shared/clock.js';
import { isHttp2 } from '../shared/http2-message.js';
import type { ConnectionTracker } from './connection-tracker.js';
import { inQuietTurn } from './quiet-turn.js';
import { READING_PERIOD, ServedTime } from './served-time.js';

export interface DrainTimes {
  /**
   * Milliseconds in which the server still serves while readiness already fails: balancers need that to notice. Time in
   * which the process is halted does not count, as long as half of `timeout` is left.
   */
  readonly delay: number;
  /** Milliseconds from the start after which all remaining connections are destroyed. */
  readonly timeout: number;
  /** The server stops listening only once this has settled, too. It never rejects. */
  readonly before?: Promise<void> | undefined;
}

/**
 * Milliseconds served during which an idle connection stays open: from the start of the drain, or from when the
 * connection was accepted if that was later. A request may be on its way on each of them, and only its response can tell
 * the client to close the connection (RFC 9112 §9.6).
 */
const IDLE_GRACE = 1000;

/**
 * Within this time a second request to stop is the same one: Ctrl-C reaches the whole foreground group, and npm hands it
 * on once more.
 */
const SAME_SIGNAL = 500;

/** Of a first GOAWAY that refuses no stream: those on their way are served (RFC 9113 §6.8). */
const EVERY_STREAM = 2 ** 31 - 1;
const NO_ERROR = 0;

/** `delaying`: still serving. `draining`: no new connections, the open ones finish. `ended`: everything is closed. */
type Phase = 'delaying' | 'draining' | 'ended';

/** The methods of an HTTP/1 server, which an HTTP/2 server may lack. */
type AnyServer = Omit<Server, 'closeIdleConnections' | 'closeAllConnections'> &
  Partial<Pick<Server, 'closeIdleConnections' | 'closeAllConnections'>>;

/** Ends the connection with this response. Also where a handler writes its own raw header fields. */
function closeWith(res: ServerResponse): void {
  if (res.headersSent) return;
  res.shouldKeepAlive = false;
  res.setHeader('Connection', 'close');
}

/** For each connection that is being closed, the response that closes it. */
const closers = new WeakMap<object, ServerResponse>();

function announceClose(req: IncomingMessage, res: ServerResponse): void {
  // HTTP/2 has no such field (RFC 9113 §8.2.2); its sessions get a GOAWAY.
  if (isHttp2(req)) return;
  // Pipelined behind a response that was to be the last: this one is, and both are answered.
  const before = closers.get(req.socket);
  if (before !== undefined && !before.headersSent) {
    before.shouldKeepAlive = true;
    before.removeHeader('Connection');
  }
  closers.set(req.socket, res);
  closeWith(res);
}

function announceGoaway(session: ServerHttp2Session): void {
  if (!session.destroyed && !session.closed) session.goaway(NO_ERROR, EVERY_STREAM);
}

/** A connection opened while draining serves what it was opened for. */
function announceOnFirstStream(session: ServerHttp2Session): void {
  session.once('stream', () => announceGoaway(session));
}

/** The drain of one server, begun by constructing it. */
export class ServerDrain {
  /** Settles when the server and its last connection are closed. */
  readonly ended: Promise<void>;
  readonly #server: AnyServer;
  readonly #connections: ConnectionTracker;
  readonly #clock: Clock;
  readonly #started: number;
  readonly #idleGrace: number;
  readonly #delay: number;
  /** When the delay is over, even if the process was halted meanwhile. */
  readonly #latestStop: number;
  readonly #before: Promise<void> | undefined;
  readonly #deadline: Timer;
  readonly #served: ServedTime;
  /** The time served when each connection was accepted that is younger than the drain. */
  readonly #accepted = new WeakMap<object, number>();
  #tick: Timer;
  #isDelayOver = false;
  #nextSweep: NodeJS.Immediate | undefined;
  #cancelQuietTurn: (() => void) | undefined;
  #phase: Phase = 'delaying';
  #isClosed = false;
  #settle!: () => void;

  constructor(server: Server, connections: ConnectionTracker, { delay, timeout, before }: DrainTimes, clock: Clock) {
    this.#server = server;
    this.#connections = connections;
    this.#clock = clock;
    this.#started = clock.now();
    this.#served = new ServedTime(clock);
    this.#idleGrace = Math.min(IDLE_GRACE, timeout / 2);
    this.#delay = Math.min(delay, timeout);
    this.#latestStop = this.#started + Math.max(this.#delay, timeout / 2);
    this.#before = before;
    this.ended = new Promise((resolve) => (this.#settle = resolve));
    this.#deadline = startTimer(clock, () => this.endNow(), timeout);
    this.#announce();
    this.#tick = this.#nextTick();
  }

  /** A second request to stop: ends at once, unless it is the first signal arriving twice. */
  hurry(): void {
    if (this.#clock.now() - this.#started >= SAME_SIGNAL) this.endNow();
  }

  /** Skips what is left of the wait and destroys every connection, upgraded ones included. */
  endNow(): void {
    if (this.#phase === 'delaying') this.#stopListening();
    if (this.#cancelQuietTurn !== undefined) this.#closeListener();
    if (this.#phase === 'ended') return;
    for (const session of this.#connections.sessionsOf(this.#server as Server)) session.destroy();
    this.#server.closeAllConnections?.();
    for (const socket of this.#connections.socketsOf(this.#server as Server)) socket.destroy();
  }

  /** From now on every response asks its client to send no further request on its connection. */
  #announce(): void {
    this.#server.prependListener('request', announceClose);
    this.#server.on('session', announceOnFirstStream);
    this.#server.on('connection', this.#noteAccepted);
    for (const response of this.#connections.unfinishedResponsesOf(this.#server as Server)) {
      if (response.socket !== null) closers.set(response.socket, response);
      closeWith(response);
    }
    for (const session of this.#connections.sessionsOf(this.#server as Server)) announceGoaway(session);
  }

  #nextTick(): Timer {
    const left = this.#isDelayOver ? Infinity : this.#delay - this.#served.total;
    return startTimer(this.#clock, () => this.#look(), Math.min(READING_PERIOD, left));
  }

  /** Ends the delay, and later looks for connections that have become idle. */
  #look(): void {
    this.#served.read();
    // Timers run before the sockets are read: a request that has arrived by now is read first.
    if (this.#phase === 'draining') this.#nextSweep = setImmediate(() => this.#closeIdle());
    else if (!this.#isDelayOver) this.#endDelay();
    this.#tick = this.#nextTick();
  }

  #endDelay(): void {
    if (this.#served.total < this.#delay && this.#clock.now() < this.#latestStop) return;
    this.#isDelayOver = true;
    if (this.#before === undefined) this.#stopListening();
    else void this.#before.then(() => this.#stopListening());
  }

  #stopListening(): void {
    if (this.#phase !== 'delaying') return;
    this.#phase = 'draining';
    this.#isDelayOver = true;
    for (const session of this.#connections.sessionsOf(this.#server as Server)) session.close();
    this.#cancelQuietTurn = inQuietTurn(this.#server as Server, () => this.#closeListener());
  }

  #closeListener(): void {
    this.#cancelQuietTurn?.();
    this.#cancelQuietTurn = undefined;
    // A server does not count the connections that another process accepted for it, and one that was closed before reports
    // that as an error: what is still open is waited for all the same.
    this.#closeKeepingIdle(() => {
      this.#isClosed = true;
      this.#endIfEmpty();
      for (const socket of this.#connections.socketsOf(this.#server as Server)) socket.once('close', this.#endIfEmpty);
    });
  }

  readonly #endIfEmpty = (): void => {
    if (this.#isClosed && this.#isEmpty) this.#end();
  };

  /** Node's `close` also closes idle connections at once, even if a request is on its way on them. */
  #closeKeepingIdle(callback: (error?: Error) => void): void {
    const server = this.#server;
    if (server.closeIdleConnections === undefined) return void server.close(callback);
    const own = Object.getOwnPropertyDescriptor(server, 'closeIdleConnections');
    const keepIdle = (): void => undefined;
    server.closeIdleConnections = keepIdle;
    try {
      server.close(callback);
    } finally {
      Reflect.deleteProperty(server, 'closeIdleConnections');
      if (own !== undefined) Object.defineProperty(server, 'closeIdleConnections', own);
    }
  }

  get #isEmpty(): boolean {
    return this.#connections.socketsOf(this.#server as Server).length === 0;
  }

  readonly #noteAccepted = (socket: object): void => {
    this.#served.read();
    this.#accepted.set(socket, this.#served.total);
  };

  #isGraceOver(since: number): boolean {
    return this.#served.total - since >= this.#idleGrace;
  }

  /** Closes connections that finished their last response, or were opened and never used. */
  #closeIdle(): void {
    if (this.#isGraceOver(0)) {
      // No connection that was accepted since is idle: its first response closed it.
      this.#server.closeIdleConnections?.();
      for (const socket of this.#connections.unusedSocketsOf(this.#server as Server)) {
        if (this.#isGraceOver(this.#accepted.get(socket) ?? 0) && !this.#carriesSession(socket)) {
          socket.destroy();
        }
      }
    }
    this.#endIfEmpty();
  }

  #carriesSession(socket: object): boolean {
    const { remotePort, remoteAddress } = socket as { remotePort?: number; remoteAddress?: string };
    return this.#connections
      .sessionsOf(this.#server as Server)
      .some((session) => session.socket.remotePort === remotePort && session.socket.remoteAddress === remoteAddress);
  }

  #end(): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.#deadline.cancel();
    this.#tick.cancel();
    clearImmediate(this.#nextSweep);
    this.#server.removeListener('request', announceClose);
    this.#server.removeListener('session', announceOnFirstStream);
    this.#server.removeListener('connection', this.#noteAccepted);
    this.#settle();
  }
}
