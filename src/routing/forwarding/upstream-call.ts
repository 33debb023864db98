/** The request to an upstream and its listener: the contract between an attempt and every transport. */
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';

/** How `https:` instances are trusted, and which certificate is presented to them. */
export interface TlsOptions {
  /** Certificates to trust besides the public ones, in PEM. */
  readonly ca?: string | Buffer | Array<string | Buffer>;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /**
   * The name that the certificate must have, also sent as the server name. Default: the name of the target, otherwise
   * its host.
   */
  readonly servername?: string;
  /** False accepts any certificate. Use it for tests only. Default true. */
  readonly rejectUnauthorized?: boolean;
}

export interface UpstreamOptions {
  /** The most connections to one instance, and with that the most requests in flight. */
  readonly maxConnections: number;
  /** The most requests that may wait for one of them. */
  readonly maxQueue: number;
  /** Milliseconds to connect, including TLS. */
  readonly connectTimeout: number;
  /**
   * Milliseconds an idle connection is kept, less than the keep-alive timeout of the upstream. A `Keep-Alive` hint
   * lowers it.
   */
  readonly keepAliveTimeout: number;
  /** The most bytes of the header fields of a response. */
  readonly maxHeaderSize: number;
  readonly http2: boolean;
  readonly tls: TlsOptions | undefined;
  /** A dispatcher of the user that sends ordinary requests in place of a connection pool. */
  readonly dispatcher?: Dispatcher | undefined;
}

/**
 * One request to the upstream. Its framing is decided: a body is a Buffer, or a stream of `length` bytes or in chunks.
 */
export interface UpstreamRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: string[];
  readonly body: Buffer | Readable | null;
  /** Whether a streamed body is sent in chunks; otherwise `headers` holds its Content-Length. */
  readonly isChunked: boolean;
  /** Whether the client waits for the consent of the upstream before it sends its body. */
  readonly expectContinue: boolean;
  /** The trailer section of the request, read after its body has ended; undefined: it has none. */
  readonly trailers: (() => Array<[name: string, value: string]>) | undefined;
  /** Send it on a connection that no other request has used. */
  readonly onFreshConnection: boolean;
}

/** A place in a queue. */
export interface Place {
  /** Leaves the queue. Returns false if the request is no longer in it. */
  leave(): boolean;
}

/** The listener that follows a request through the queue and the connection. */
export interface UpstreamCall extends Required<
  Pick<
    Dispatcher.DispatchHandler,
    'onRequestStart' | 'onResponseStarted' | 'onResponseStart' | 'onResponseData' | 'onResponseEnd' | 'onResponseError'
  >
> {
  /** Its place in a queue for the connections of the instance, set there; undefined: it waits for no connection. */
  place: Place | undefined;
  /** The request, read when a connection is free. */
  request(): UpstreamRequest;
  /** The upstream accepts the body, or did not say in time whether it does. */
  onContinue(): void;
}
