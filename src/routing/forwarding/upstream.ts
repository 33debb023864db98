/**
 * The requests to one instance: a bounded number in flight and, beyond that, a bounded queue. A request can leave the
 * queue because its client disconnected or another instance was faster.
 */
import type { Socket } from 'node:net';
import type { buildConnector, Client } from 'undici';
import type { Target } from '../target.js';
import { Connections } from './connections.js';
import { Http2Transport } from './http2-transport.js';
import { ListeningCheck } from './listening-check.js';
import { sendThroughNode } from './node-transport.js';
import { tlsConnectOptions, type TlsConnectOptions } from './tls.js';
import { loadUndici, undiciNow, type UndiciModule } from '../../shared/lazy-undici.js';
import { WaiterQueue } from '../../shared/waiter-queue.js';
import type { UpstreamCall, UpstreamOptions, UpstreamRequest } from './upstream-call.js';
import { isUnaskedContinue } from './upstream-error.js';

export class Upstream {
  readonly target: Target;
  readonly #origin: string;
  readonly #options: UpstreamOptions;
  #connections: Connections | undefined;
  /** Settles when the connections can be opened; undefined if nothing waits for that. */
  #loading: Promise<void> | undefined;
  #isDestroyed = false;
  readonly #http2: Http2Transport | undefined;
  readonly #waiting = new WaiterQueue<UpstreamCall>();
  readonly #listening: ListeningCheck;
  /** The instance sends an unrequested 100, which Node's client accepts and undici does not. */
  #needsNode = false;
  #active = 0;

  /** @param onRefused called when a connection was lost and no process listens for another */
  constructor(target: Target, options: UpstreamOptions, onRefused: () => void) {
    this.target = target;
    this.#origin = `${target.protocol}://${target.authority}`;
    this.#options = options;
    this.#listening = new ListeningCheck(target, options.connectTimeout, onRefused);
    this.#http2 = options.http2 && target.protocol === 'https' ? new Http2Transport(target, options) : undefined;
    const undici = undiciNow();
    if (options.dispatcher === undefined && undici !== undefined) this.#createConnections(undici);
  }

  /** Requests in flight: sent, or waiting for the connection that is free or opened next. */
  get active(): number {
    return this.#active;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  get hasRoom(): boolean {
    return this.#active < this.#options.maxConnections;
  }

  /** Sends a request now, or when a connection is free. Returns false, and does nothing, if the queue is full. */
  send(call: UpstreamCall): boolean {
    if (this.hasRoom) this.#dispatch(call);
    else if (this.#waiting.length < this.#options.maxQueue) call.place = this.#waiting.push(call);
    else return false;
    return true;
  }

  /** Takes a request out of its queue. Returns false if it is in none, because it was sent. */
  withdraw(call: UpstreamCall): boolean {
    const { place } = call;
    call.place = undefined;
    return place !== undefined && place.leave();
  }

  /** A request handed to a connection is over, and the next one may have its place. Called once per request. */
  release(): void {
    this.#active--;
    if (this.#waiting.length > 0) queueMicrotask(this.#admit); // undici calls from inside its parser
  }

  /** Waits for the requests in flight, then closes the connections. */
  async close(): Promise<void> {
    this.#http2?.close();
    await this.#loading?.catch(() => undefined); // its requests have been rejected
    await this.#connections?.close();
  }

  /** Closes everything now. */
  async destroy(): Promise<void> {
    this.#isDestroyed = true;
    this.#waiting.clear();
    this.#http2?.destroy();
    await this.#connections?.destroy();
  }

  readonly #admit = (): void => {
    while (this.hasRoom) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next.place = undefined;
      this.#dispatch(next);
    }
  };

  #createConnections({ Client, buildConnector }: UndiciModule): void {
    const { maxConnections, connectTimeout, keepAliveTimeout, maxHeaderSize, tls } = this.#options;
    const { target } = this;
    const url = new URL(this.#origin);
    const connect = connector(buildConnector, target, {
      timeout: connectTimeout,
      allowH2: false,
      ...(target.socketPath !== undefined && { socketPath: target.socketPath }),
      ...tlsConnectOptions(target, tls),
    });
    const options: Client.Options = {
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout,
      maxHeaderSize,
      headersTimeout: 0, // the exchange watches the time, over all its attempts
      bodyTimeout: 0,
    };
    this.#connections = new Connections({
      createClient: (onSocket) => new Client(url, { ...options, connect: watching(connect, onSocket) }),
      maxConnections,
      onDisconnect: (error) => {
        if (isUnaskedContinue(error)) this.#needsNode = true;
        this.#listening.connectionEnded(error);
      },
    });
  }

  async #awaitUndici(): Promise<void> {
    const undici = await loadUndici();
    if (this.#isDestroyed) throw new Error('the proxy was closed before its first request was sent');
    this.#createConnections(undici);
  }

  /** An exception of a transport is a failure of the call, which then releases its place. */
  #dispatch(call: UpstreamCall): void {
    this.#active++;
    try {
      const request = call.request();
      if (this.#http2 !== undefined) this.#http2.send(call, request, () => this.#sendHttp1(call, request));
      else this.#sendHttp1(call, request);
    } catch (error) {
      queueMicrotask(() => fail(call, error));
    }
  }

  #sendHttp1(call: UpstreamCall, request: UpstreamRequest): void {
    // undici refuses Expect and cannot send trailers. Node's client supports both, at a third of the speed.
    if (request.expectContinue || request.trailers !== undefined || request.onFreshConnection || this.#needsNode) {
      sendThroughNode(this.target, this.#options, call, request);
      return;
    }
    const { method, path, headers, body } = request;
    // The name is constant: undici would use the client's Host as the name, and would reconnect whenever it changes.
    const options = { origin: this.#origin, method, path, headers, body, servername: this.target.host };
    const { dispatcher } = this.#options;
    if (dispatcher !== undefined) dispatcher.dispatch(options, call);
    else if (this.#connections !== undefined) this.#connections.send(call, options);
    else this.#sendWithUndici(call, request);
  }

  #sendWithUndici(call: UpstreamCall, request: UpstreamRequest): void {
    const wait = (this.#loading ??= this.#awaitUndici());
    wait.then(() => this.#sendHttp1(call, request)).catch((error: unknown) => fail(call, error));
  }
}

function fail(call: UpstreamCall, error: unknown): void {
  call.onResponseError(undefined as never, error as Error);
}

/** Connects under the target's own name, or the one configured: never under the client's `Host`, which names this proxy. */
function connector(
  build: UndiciModule['buildConnector'],
  target: Target,
  options: buildConnector.BuildOptions & TlsConnectOptions,
): buildConnector.connector {
  const connect = build(options);
  if (target.protocol === 'http') return connect;
  const servername = options.servername === '' ? undefined : options.servername;
  return (given, callback) => connect({ ...given, servername }, callback);
}

/** Calls back with each socket before undici has it, so that its listeners come after those that are added here. */
function watching(connect: buildConnector.connector, onSocket: (socket: Socket) => void): buildConnector.connector {
  return (options, callback) =>
    connect(options, (...result) => {
      const [error, socket] = result;
      if (error === null) onSocket(socket);
      callback(...result);
    });
}
