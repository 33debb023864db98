/**
 * HTTP/2 to instances that support it, through Node's client. A reset by the instance is passed on as a reset, and
 * trailers and 1xx responses pass. undici's own HTTP/2 supports neither.
 */
import type { OutgoingHttpHeaders } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { nodeModule } from '../../shared/node-modules.js';
import type { Target } from '../target.js';
import { Http2Exchange } from './http2-exchange.js';
import { Http2Session, type SessionOwner } from './http2-session.js';
import { tlsConnectOptions } from './tls.js';
import type { UpstreamCall, UpstreamOptions, UpstreamRequest } from './upstream-call.js';
import { DeadSessionError, instanceClosedError } from './upstream-error.js';

/** Fields of the connection, not of the message (RFC 9113 §8.2.2). */
const NOT_IN_HTTP2: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'host',
]);

/** The one HTTP/2 session with an instance, made when first needed and again when it ended. */
export class Http2Transport implements SessionOwner {
  readonly #target: Target;
  readonly #options: UpstreamOptions;
  #session: Promise<Http2Session | undefined> | undefined;
  #current: Http2Session | undefined;
  /** Not to be used for further requests, and not closed yet. */
  readonly #retired = new Set<Http2Session>();
  #isClosed = false;

  constructor(target: Target, options: UpstreamOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** Sends a request, or calls `otherwise` for an instance that supports only HTTP/1.1. Never throws. */
  send(call: UpstreamCall, sent: UpstreamRequest, otherwise: () => void): void {
    (this.#session ??= this.#connect()).then(
      (session) => {
        if (session === undefined) otherwise();
        else if (session.isOpen) this.#request(session, call, sent);
        else {
          this.#forget(session); // it ended while this request came: the next one takes it
          this.send(call, sent, otherwise);
        }
      },
      (error: Error) => call.onResponseError(undefined as never, error),
    );
  }

  close(): void {
    this.#isClosed = true;
    for (const { session } of this.#all()) session.close();
  }

  destroy(): void {
    this.#isClosed = true;
    for (const { session } of this.#all()) session.destroy();
  }

  /** It is dead if a new connection to the instance can be made while it still does not answer. */
  onUnanswered(suspect: Http2Session): void {
    if (this.#isClosed) return;
    this.#forget(suspect);
    const judge = (): void => {
      if (suspect.isUnanswered) suspect.session.destroy(new DeadSessionError());
      else suspect.session.close(); // it was only slow: its requests go on
    };
    (this.#session ??= this.#connect()).then(judge, () => undefined);
  }

  *#all(): Generator<Http2Session> {
    if (this.#current !== undefined) yield this.#current;
    yield* [...this.#retired];
  }

  #request(session: Http2Session, call: UpstreamCall, sent: UpstreamRequest): void {
    try {
      const stream = session.session.request(headersOf(this.#target, sent), streamOptions(sent));
      new Http2Exchange(stream, session, call, sent).start();
    } catch (error) {
      // None of it was sent, and another instance would not change that.
      const cause = new Error('Node does not send this request', { cause: error });
      call.onResponseError(undefined as never, Object.assign(cause, { code: 'UND_ERR_INVALID_ARG' }));
    }
  }

  async #connect(): Promise<Http2Session | undefined> {
    try {
      const socket = await this.#negotiate();
      if (this.#isClosed) {
        socket.destroy();
        throw instanceClosedError();
      }
      if (socket.alpnProtocol !== 'h2') {
        socket.destroy();
        return undefined; // remembered: it is requested over HTTP/1.1 from now on
      }
      return this.#open(socket);
    } catch (error) {
      this.#session = undefined;
      throw error;
    }
  }

  #open(socket: TLSSocket): Http2Session {
    const session = nodeModule('node:http2').connect(`https://${this.#target.authority}`, {
      createConnection: () => socket,
    });
    const opened = new Http2Session(session, this);
    this.#current = opened;
    session.on('error', () => undefined); // each of its streams reports the error too
    session.setTimeout(this.#options.keepAliveTimeout, () => {
      if (session.destroyed || !opened.isIdle) return;
      this.#forget(opened);
      session.close();
    });
    session.once('goaway', () => this.#forget(opened));
    session.once('close', () => {
      this.#forget(opened);
      this.#retired.delete(opened);
    });
    session.unref();
    return opened;
  }

  /** It takes no further requests. */
  #forget(session: Http2Session): void {
    if (this.#current === session) this.#session = this.#current = undefined;
    if (!session.session.destroyed) this.#retired.add(session);
  }

  #negotiate(): Promise<TLSSocket> {
    const { host, port, socketPath } = this.#target;
    const address = socketPath === undefined ? { host, port } : { path: socketPath };
    return new Promise((resolve, reject) => {
      const options = { ...address, ...tlsConnectOptions(this.#target, this.#options.tls) };
      const socket = nodeModule('node:tls').connect({ ...options, ALPNProtocols: ['h2', 'http/1.1'] });
      socket.setTimeout(this.#options.connectTimeout, () => {
        socket.destroy(Object.assign(new Error('the connection took too long'), { code: 'ETIMEDOUT' }));
      });
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        socket.setTimeout(0);
        socket.removeAllListeners('timeout');
        socket.off('error', reject);
        resolve(socket);
      });
    });
  }
}

function headersOf(target: Target, { method, path, headers }: UpstreamRequest): OutgoingHttpHeaders {
  const fields: OutgoingHttpHeaders = { ':method': method, ':path': path, ':scheme': 'https' };
  fields[':authority'] = headers[0]?.toLowerCase() === 'host' ? headers[1] : target.authority;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase();
    if (NOT_IN_HTTP2.has(name)) continue;
    const before = fields[name];
    fields[name] = before === undefined ? headers[i + 1] : [before, headers[i + 1]].flat().map(String);
  }
  return fields;
}

function streamOptions({ body, trailers }: UpstreamRequest): { endStream: boolean; waitForTrailers: boolean } {
  return { endStream: body === null, waitForTrailers: trailers !== undefined && body !== null };
}
