/**
 * The connections to one instance. The one used last is taken first: it is warm, and the others fall idle and are
 * closed. If none is idle, a request opens another one, or waits for the next step of the ramp or a free connection.
 */
import type { Client, Dispatcher } from 'undici';
import { monotonicClock, startTimer, type Clock, type Timer } from '../../shared/clock.js';
import { WaiterQueue } from '../../shared/waiter-queue.js';
import { Connection, type ConnectionOwner } from './connection.js';
import { ConnectionRamp } from './connection-ramp.js';
import { LinkedStack } from './linked-stack.js';
import type { UpstreamCall } from './upstream-call.js';
import { instanceClosedError } from './upstream-error.js';

export interface ConnectionsOptions {
  readonly createClient: () => Client;
  /** The most that are open at once. */
  readonly maxConnections: number;
  /** A socket was open and is closed. */
  readonly onDisconnect: (error: NodeJS.ErrnoException) => void;
  readonly clock?: Clock;
}

interface HeldRequest {
  readonly call: UpstreamCall;
  readonly options: Dispatcher.DispatchOptions;
}

export class Connections implements ConnectionOwner {
  readonly onDisconnect: (error: NodeJS.ErrnoException) => void;
  readonly #createClient: () => Client;
  readonly #maxConnections: number;
  readonly #clock: Clock;
  readonly #ramp: ConnectionRamp;
  readonly #all = new Set<Connection>();
  readonly #idle = new LinkedStack<Connection>();
  /** Requests that wait for a connection. While there are any, none is idle. */
  readonly #held = new WaiterQueue<HeldRequest>();
  #stepTimer: Timer | undefined;
  #closing: Promise<void> | undefined;
  #onClosed: (() => void) | undefined;

  constructor({ createClient, maxConnections, onDisconnect, clock = monotonicClock }: ConnectionsOptions) {
    this.#createClient = createClient;
    this.#maxConnections = maxConnections;
    this.onDisconnect = onDisconnect;
    this.#clock = clock;
    this.#ramp = new ConnectionRamp(clock, maxConnections);
  }

  /** Sends a request on a connection, as soon as there is one. */
  send(call: UpstreamCall, options: Dispatcher.DispatchOptions): void {
    if (this.#closing !== undefined) return call.onResponseError(undefined as never, instanceClosedError());
    const connection = this.#held.length === 0 ? this.#take() : undefined;
    if (connection !== undefined) return connection.send(call, options);
    call.place = this.#held.push({ call, options });
    this.#awaitStep();
  }

  /** Waits for the requests that it has, then closes the connections. */
  close(): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      this.#onClosed = resolve;
      for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) void idle.destroy();
      this.#endIfClosed();
    });
    return this.#closing;
  }

  /** Closes everything now. */
  async destroy(): Promise<void> {
    const connections = [...this.#all];
    const closed = this.close();
    for (let held = this.#next(); held !== undefined; held = this.#next()) {
      held.call.onResponseError(undefined as never, instanceClosedError());
    }
    await Promise.all([closed, ...connections.map((connection) => connection.destroy())]);
  }

  onFree(connection: Connection): void {
    const held = this.#next();
    if (held !== undefined) connection.send(held.call, held.options);
    else if (this.#closing === undefined) this.#idle.push(connection);
    else void connection.destroy();
  }

  onLost(connection: Connection): void {
    this.#idle.remove(connection);
    this.#all.delete(connection);
    if (this.#held.length > 0)
      queueMicrotask(this.#serve); // a connection may be lost while another is being opened
    else this.#endIfClosed();
  }

  readonly #serve = (): void => {
    this.#cancelStep();
    while (this.#held.length > 0) {
      const connection = this.#take();
      if (connection === undefined) return this.#awaitStep();
      const { call, options } = this.#next()!;
      connection.send(call, options);
    }
    this.#endIfClosed();
  };

  /** The request that has waited longest. */
  #next(): HeldRequest | undefined {
    const held = this.#held.shift();
    if (held !== undefined) held.call.place = undefined;
    if (this.#held.length === 0) this.#cancelStep();
    return held;
  }

  #take(): Connection | undefined {
    const idle = this.#idle.pop();
    if (idle !== undefined || !this.#ramp.allowsAnother(this.#all.size)) return idle;
    const connection = new Connection(this.#createClient(), this);
    this.#all.add(connection);
    return connection;
  }

  #awaitStep(): void {
    if (this.#stepTimer !== undefined || this.#all.size >= this.#maxConnections) return;
    this.#stepTimer = startTimer(this.#clock, this.#serve, this.#ramp.timeToNextStep);
  }

  #cancelStep(): void {
    this.#stepTimer?.cancel();
    this.#stepTimer = undefined;
  }

  #endIfClosed(): void {
    if (this.#all.size === 0 && this.#held.length === 0) this.#onClosed?.();
  }
}
