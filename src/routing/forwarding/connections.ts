/**
 * The connections to one instance. The one used last is taken first: it is warm, and the others fall idle and are
 * closed. If none is idle, a request opens another one, or waits for the next step of the ramp or a free connection.
 */
import type { Dispatcher } from 'undici';
import { monotonicClock, type Clock } from '../../shared/clock.js';
import { WaiterQueue } from '../../shared/waiter-queue.js';
import { Connection, type ConnectionOwner, type CreateClient } from './connection.js';
import { ConnectionRamp } from './connection-ramp.js';
import { LinkedStack } from './linked-stack.js';
import type { UpstreamCall } from './upstream-call.js';
import { instanceClosedError } from './upstream-error.js';

export interface ConnectionsOptions {
  readonly createClient: CreateClient;
  /** The most that are open at once. */
  readonly maxConnections: number;
  /** A socket was open and is closed. */
  readonly onDisconnect: (error: NodeJS.ErrnoException) => void;
  readonly clock?: Clock;
}

/** A class, because V8 would create literals that wait in its old generation. */
class HeldRequest {
  readonly call: UpstreamCall;
  readonly options: Dispatcher.DispatchOptions;

  constructor(call: UpstreamCall, options: Dispatcher.DispatchOptions) {
    this.call = call;
    this.options = options;
  }
}

export class Connections implements ConnectionOwner {
  readonly onDisconnect: (error: NodeJS.ErrnoException) => void;
  readonly #createClient: CreateClient;
  readonly #ramp: ConnectionRamp;
  readonly #all = new Set<Connection>();
  readonly #idle = new LinkedStack<Connection>();
  /** Requests that wait for a connection. While there are any, none is idle. */
  readonly #held = new WaiterQueue<HeldRequest>();
  #closing: Promise<void> | undefined;
  #onClosed: (() => void) | undefined;

  constructor({ createClient, maxConnections, onDisconnect, clock = monotonicClock }: ConnectionsOptions) {
    this.#createClient = createClient;
    this.onDisconnect = onDisconnect;
    this.#ramp = new ConnectionRamp(clock, maxConnections, () => this.#continueRamp());
  }

  /** Sends a request on a connection, as soon as there is one. */
  send(call: UpstreamCall, options: Dispatcher.DispatchOptions): void {
    if (this.#closing !== undefined) return call.onResponseError(undefined as never, instanceClosedError());
    const connection = this.#held.length === 0 ? (this.#idle.pop() ?? this.#open()) : undefined;
    if (connection !== undefined) return connection.send(call, options);
    call.place = this.#held.push(new HeldRequest(call, options));
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
    if (held !== undefined) {
      this.#ramp.turnedOver();
      connection.send(held.call, held.options);
    } else if (this.#closing === undefined) this.#idle.push(connection);
    else void connection.destroy();
  }

  onLost(connection: Connection): void {
    this.#idle.remove(connection);
    this.#all.delete(connection);
    if (this.#held.length === 0) return this.#endIfClosed();
    this.#ramp.turnedOver();
    queueMicrotask(this.#serve); // a connection may be lost while another is being opened
  }

  #continueRamp(): void {
    if (this.#held.length === 0) return;
    this.#ramp.continueFor(this.#held.length, this.#all.size);
    this.#serve();
  }

  /** Opens connections for the requests that wait, as far as the ramp allows it. */
  readonly #serve = (): void => {
    while (this.#held.length > 0) {
      const connection = this.#open();
      if (connection === undefined) return;
      const { call, options } = this.#next()!;
      connection.send(call, options);
    }
    this.#endIfClosed();
  };

  /** The request that has waited longest. */
  #next(): HeldRequest | undefined {
    const held = this.#held.shift();
    if (held !== undefined) held.call.place = undefined;
    return held;
  }

  #open(): Connection | undefined {
    if (!this.#ramp.allowsAnother(this.#all.size)) return undefined;
    const connection = new Connection(this.#createClient, this);
    this.#all.add(connection);
    return connection;
  }

  #endIfClosed(): void {
    if (this.#onClosed === undefined || this.#all.size > 0 || this.#held.length > 0) return;
    this.#ramp.stop();
    this.#onClosed();
  }
}
