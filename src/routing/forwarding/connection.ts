/** One connection to an instance: an undici client that has at most one request at a time. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Client, Dispatcher } from 'undici';
import type { StackMember } from './linked-stack.js';
import type { UpstreamCall } from './upstream-call.js';

export interface ConnectionOwner {
  /** It can take a request. */
  onFree(connection: Connection): void;
  /** It no longer takes requests. */
  onLost(connection: Connection): void;
  /** Its socket was open and is closed. */
  onDisconnect(error: NodeJS.ErrnoException): void;
}

/** Creates a client, which calls back with its socket before it listens to it. */
export type CreateClient = (onSocket: (socket: Socket) => void) => Client;

/** The listener of all its requests, one after the other, so that a request needs no listener of its own. */
export class Connection implements Dispatcher.DispatchHandler, StackMember<Connection> {
  above: Connection | undefined = undefined;
  below: Connection | undefined = undefined;
  isStacked = false;
  readonly #client: Client;
  readonly #owner: ConnectionOwner;
  /** The request that it has, until its response is complete or has failed. */
  #call: UpstreamCall | undefined;
  /** Whether the final response to that request, or to one that failed, has begun. */
  #hasHead = false;
  /** The controller of that request, or of one that failed. */
  #controller: Dispatcher.DispatchController | undefined;
  #hasFailed = false;
  #isLost = false;

  constructor(createClient: CreateClient, owner: ConnectionOwner) {
    const client = createClient((socket) => this.#watch(socket));
    this.#client = client;
    this.#owner = owner;
    client.on('drain', () => this.#settle());
    client.on('connectionError', (_origin, _clients, error) => this.#disconnected(error));
    client.on('disconnect', (_origin, _clients, error) => {
      owner.onDisconnect(error);
      this.#disconnected(error);
    });
  }

  /** Sends a request, when it is connected. */
  send(call: UpstreamCall, options: Dispatcher.DispatchOptions): void {
    this.#call = call;
    this.#hasFailed = false;
    this.#client.dispatch(options, this);
    // undici rejects an invalid request without `drain`. If `drain` follows, it comes before this microtask.
    if (this.#call === undefined) queueMicrotask(() => this.#settle());
  }

  /** Closes it now. Its request fails. Settles when its socket is closed. */
  destroy(cause: Error | null = null): Promise<void> {
    const isFirst = !this.#isLost;
    this.#isLost = true;
    const destroyed = this.#client.destroy(cause); // without a cause, it creates an error with a stack
    if (isFirst) this.#owner.onLost(this);
    return destroyed;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: object): void {
    this.#controller = controller;
    this.#hasHead = false;
    this.#call?.onRequestStart(controller, context);
  }

  onResponseStarted(): void {
    this.#call?.onResponseStarted();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusText?: string,
  ): void {
    this.#hasHead = status >= 200;
    this.#call?.onResponseStart(controller, status, headers, statusText);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#call?.onResponseData(controller, chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#controller = undefined;
    this.#takeCall()?.onResponseEnd(controller, trailers);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#hasFailed = true;
    this.#takeCall()?.onResponseError(controller, error);
  }

  /**
   * Makes two faults of undici 7 impossible. It throws out of its listeners, which ends the process, if the connection of a
   * paused response ends (nodejs/undici#5360). And it takes a response without a length as complete if its connection was
   * reset.
   *
   * A response that arrived as a whole is therefore read to its end before undici hears of that end. All of its bytes are
   * in memory already. A reset that is named like a connection lost otherwise fails the response.
   */
  #watch(socket: Socket): void {
    socket.on('end', () => {
      while (this.#controller?.paused === true) this.#controller.resume();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#hasHead && error.code === 'ECONNRESET') error.code = 'UND_ERR_SOCKET';
    });
  }

  #takeCall(): UpstreamCall | undefined {
    const call = this.#call;
    this.#call = undefined;
    return call;
  }

  /** undici is done with the request. After a failure, its socket may be about to close. */
  #settle(): void {
    if (this.#isLost || this.isStacked || this.#call !== undefined) return;
    if (this.#hasFailed && !this.#client.stats.connected) void this.destroy();
    else this.#owner.onFree(this);
  }

  /**
   * A request that was not written yet stays: undici connects again for it, or has failed it. Otherwise the client is
   * destroyed, because undici would also connect again after an aborted request.
   */
  #disconnected(cause: Error): void {
    if (this.#call === undefined) void this.destroy(cause);
  }
}
