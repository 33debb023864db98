/** Stops one HTTP server without failing a request: wait, stop listening, let what runs finish, cut what is left. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { startInterval, startTimer, type Clock, type Timer } from '../shared/clock.js';
import type { ConnectionTracker } from './connection-tracker.js';

export interface DrainTimes {
  /** Milliseconds in which the server still serves while readiness already fails: balancers need that to notice. */
  readonly delay: number;
  /** Milliseconds from the start after which whatever is left is destroyed. */
  readonly timeout: number;
}

/** How often connections that have become idle are looked for. */
const SWEEP_PERIOD = 100;

/**
 * Within this time a second request to stop is the same one: Ctrl-C reaches the whole foreground group, and npm hands it
 * on once more.
 */
const SAME_SIGNAL = 500;

/** `delaying`: still serving. `draining`: no new connections, the open ones finish. `ended`: everything is closed. */
type Phase = 'delaying' | 'draining' | 'ended';

function announceClose(_req: IncomingMessage, res: ServerResponse): void {
  if (!res.headersSent) res.setHeader('Connection', 'close');
}

/** The drain of one server, begun by constructing it. */
export class ServerDrain {
  /** Settles when the server and its last connection are closed. */
  readonly ended: Promise<void>;
  readonly #server: Server;
  readonly #connections: ConnectionTracker;
  readonly #clock: Clock;
  readonly #started: number;
  readonly #delay: Timer;
  readonly #deadline: Timer;
  #sweep: Timer | undefined;
  #phase: Phase = 'delaying';
  #isClosed = false;
  #settle!: () => void;

  constructor(server: Server, connections: ConnectionTracker, { delay, timeout }: DrainTimes, clock: Clock) {
    this.#server = server;
    this.#connections = connections;
    this.#clock = clock;
    this.#started = clock.now();
    this.ended = new Promise((resolve) => (this.#settle = resolve));
    this.#deadline = startTimer(clock, () => this.endNow(), timeout);
    this.#delay = startTimer(clock, () => this.#stopListening(), Math.min(delay, timeout));
  }

  /** Asked to stop once more: ends at once, unless it is the first signal arriving a second time. */
  hurry(): void {
    if (this.#clock.now() - this.#started >= SAME_SIGNAL) this.endNow();
  }

  /** Skips what is left of the wait and destroys every connection, upgraded ones included. */
  endNow(): void {
    if (this.#phase === 'delaying') this.#stopListening();
    if (this.#phase === 'ended') return;
    this.#server.closeAllConnections();
    for (const socket of this.#connections.socketsOf(this.#server)) socket.destroy();
  }

  #stopListening(): void {
    if (this.#phase !== 'delaying') return;
    this.#phase = 'draining';
    this.#delay.cancel();
    this.#server.prependListener('request', announceClose);
    for (const response of this.#connections.unfinishedResponsesOf(this.#server)) {
      if (!response.headersSent) response.setHeader('Connection', 'close');
    }
    this.#sweep = startInterval(this.#clock, () => this.#closeIdle(), SWEEP_PERIOD);
    // Also closes idle connections. A server that was closed before reports that as an error: what it still has open is
    // waited for all the same.
    this.#server.close((error) => {
      this.#isClosed = true;
      if (error === undefined || this.#connections.socketsOf(this.#server).length === 0) this.#end();
    });
  }

  /** Closes connections that finished their last response, or were opened and never used. */
  #closeIdle(): void {
    this.#server.closeIdleConnections();
    const open = this.#connections.socketsOf(this.#server);
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy();
    if (this.#isClosed && open.length === 0) this.#end();
  }

  #end(): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.#deadline.cancel();
    this.#sweep?.cancel();
    this.#server.removeListener('request', announceClose);
    this.#settle();
  }
}
