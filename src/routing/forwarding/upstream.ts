/**
 * The connections to one instance: a pool of bounded size and, when all are busy, a bounded queue. What waits here can
 * still leave: the client may go away, another instance may be quicker.
 */
import { buildConnector, Pool, type Dispatcher } from 'undici';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Target } from '../target.js';
import { ListeningCheck } from './listening-check.js';
import { sendThroughNode } from './node-transport.js';

/** How `https:` instances are trusted, and what they are shown. */
export interface TlsOptions {
  /** Certificates to trust beside the public ones, in PEM. */
  readonly ca?: string | Buffer | Array<string | Buffer>;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** The name the certificate must have and the server is asked for. Default: the target's host. */
  readonly servername?: string;
  /** False accepts any certificate: for tests. Default true. */
  readonly rejectUnauthorized?: boolean;
}

export interface UpstreamOptions {
  /** Connections, and with that requests in flight, of one instance. */
  readonly maxConnections: number;
  /** Requests that may wait for one of them. */
  readonly maxQueue: number;
  /** Milliseconds to connect, TLS included. */
  readonly connectTimeout: number;
  /** Milliseconds an idle connection is kept, less than the upstream's own patience; its `Keep-Alive` hint lowers it. */
  readonly keepAliveTimeout: number;
  /** Bytes of a response's header fields. */
  readonly maxHeaderSize: number;
  readonly http2: boolean;
  readonly tls: TlsOptions | undefined;
}

/** One request to the upstream. */
export interface UpstreamRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: string[];
  readonly body: Dispatcher.DispatchOptions['body'];
  /** The client waits for the upstream's consent before it sends its body. */
  readonly expectContinue: boolean;
  /** The request's own trailer section, read when its body has ended; undefined: it announced none. */
  readonly trailers: (() => Readonly<Record<string, string | undefined>>) | undefined;
}

/** What follows a request through the queue and the connection. */
export interface UpstreamCall extends Required<
  Pick<
    Dispatcher.DispatchHandler,
    'onRequestStart' | 'onResponseStarted' | 'onResponseStart' | 'onResponseData' | 'onResponseEnd' | 'onResponseError'
  >
> {
  /** The request, asked for when a connection is free. */
  request(): UpstreamRequest;
  /** The upstream agrees to be sent the body. */
  onContinue(): void;
}

const H2_STREAMS = 100;

export class Upstream {
  readonly target: Target;
  readonly #options: UpstreamOptions;
  readonly #pool: Pool;
  readonly #waiting = new Set<UpstreamCall>();
  #active = 0;

  /** @param onRefused called when a connection was lost and nobody listens for another */
  constructor(target: Target, options: UpstreamOptions, onRefused: () => void) {
    this.target = target;
    this.#options = options;
    const { maxConnections, connectTimeout, keepAliveTimeout, maxHeaderSize, http2, tls } = options;
    this.#pool = new Pool(target.origin, {
      connections: http2 ? Math.ceil(maxConnections / H2_STREAMS) : maxConnections,
      pipelining: http2 ? H2_STREAMS : 1,
      allowH2: http2,
      keepAliveTimeout,
      maxHeaderSize,
      headersTimeout: 0, // the exchange watches the time, over all its attempts
      bodyTimeout: 0,
      connect: connector(target, { timeout: connectTimeout, allowH2: http2, ...tlsConnectOptions(target, tls) }),
    });
    const listening = new ListeningCheck(target, connectTimeout, onRefused);
    this.#pool.on('disconnect', (_origin, _clients, error) => listening.connectionEnded(error));
  }

  /** Requests handed to a connection and not over. */
  get active(): number {
    return this.#active;
  }

  get queued(): number {
    return this.#waiting.size;
  }

  get hasRoom(): boolean {
    return this.#active < this.#options.maxConnections;
  }

  /** Sends a request now, or when a connection is free; false when the queue is full and nothing was done. */
  send(call: UpstreamCall): boolean {
    if (this.hasRoom) this.#dispatch(call);
    else if (this.#waiting.size < this.#options.maxQueue) this.#waiting.add(call);
    else return false;
    return true;
  }

  /** Takes a request out of the queue; false when it is not there, because it was sent. */
  withdraw(call: UpstreamCall): boolean {
    return this.#waiting.delete(call);
  }

  /** A request handed to a connection is over: the next may have its place. Called once for each. */
  release(): void {
    this.#active--;
    if (this.#waiting.size > 0) queueMicrotask(this.#admit); // undici calls from inside its parser
  }

  /** Lets what is in flight end, then closes the connections. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  /** Ends everything now. */
  destroy(): Promise<void> {
    this.#waiting.clear();
    return this.#pool.destroy();
  }

  readonly #admit = (): void => {
    for (const next of this.#waiting) {
      if (!this.hasRoom) return;
      this.#waiting.delete(next);
      this.#dispatch(next);
    }
  };

  #dispatch(call: UpstreamCall): void {
    this.#active++;
    const request = call.request();
    // undici refuses Expect and cannot send trailers; Node's client can do both, at a third of the speed.
    if (request.expectContinue || request.trailers !== undefined) {
      sendThroughNode(this.target, this.#options, request, call);
      return;
    }
    const { method, path, headers, body } = request;
    // The name is constant: undici would take it from the client's Host, and reconnect whenever that changes.
    const options = { method, path, headers, body, servername: this.target.host };
    this.#pool.dispatch(options, call);
  }
}

/** Connects under the target's own name, or the one configured: never under the client's `Host`, which names this proxy. */
function connector(target: Target, options: buildConnector.BuildOptions & TlsConnectOptions): buildConnector.connector {
  const connect = buildConnector(options);
  if (target.protocol === 'http') return connect;
  const servername = options.servername === '' ? undefined : options.servername;
  return (given, callback) => connect({ ...given, servername }, callback);
}

/** An address is no server name (RFC 6066 §3): certificates for addresses are checked without one. */
export function tlsConnectOptions(target: Target, tls: TlsOptions | undefined): TlsConnectOptions {
  if (target.protocol === 'http') return {};
  return { ...tls, servername: tls?.servername ?? (isIP(target.host) === 0 ? target.host : '') };
}

type TlsConnectOptions = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;
