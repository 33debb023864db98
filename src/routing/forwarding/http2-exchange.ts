/** One request to an instance over HTTP/2, from its stream's first frame to its last. */
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { isBodiless } from './answer-head.js';
import type { ResponseFields } from './headers.js';
import type { Http2Session } from './http2-session.js';
import { fieldsOf } from './raw-fields.js';
import type { UpstreamCall, UpstreamRequest } from './upstream-call.js';
import { DEAD_SESSION, isDeadSession, REFUSED_STREAM, STREAM_RESET } from './upstream-error.js';

// RFC 9113 §7 and §6.1, named as Node names them.
const NGHTTP2_REFUSED_STREAM = 7;
const NGHTTP2_CANCEL = 8;
const NGHTTP2_FLAG_END_STREAM = 1;

type Head = IncomingHttpHeaders & { ':status'?: number };

/** The view of a stream that undici's handlers expect. */
class StreamController implements Dispatcher.DispatchController {
  readonly #stream: ClientHttp2Stream;
  readonly #session: Http2Session;
  paused = false;
  aborted = false;
  reason: Error | null = null;

  constructor(stream: ClientHttp2Stream, session: Http2Session) {
    this.#stream = stream;
    this.#session = session;
  }

  abort(reason: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    if (this.#stream.destroyed) return;
    cancel(this.#stream);
    this.#session.doubt();
  }

  pause(): void {
    this.paused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.paused = false;
    this.#stream.resume();
  }
}

/** One request on its own stream. */
export class Http2Exchange {
  readonly #stream: ClientHttp2Stream;
  readonly #session: Http2Session;
  readonly #call: UpstreamCall;
  readonly #sent: UpstreamRequest;
  readonly #controller: StreamController;
  #trailers: ResponseFields = {};
  #hasHead = false;
  /** Whether the instance ended its response (END_STREAM). Node distinguishes this from a reset nowhere else. */
  #wasEnded = false;
  #isOver = false;
  #error: Error | undefined;

  constructor(stream: ClientHttp2Stream, session: Http2Session, call: UpstreamCall, sent: UpstreamRequest) {
    this.#stream = stream;
    this.#session = session;
    this.#call = call;
    this.#sent = sent;
    this.#controller = new StreamController(stream, session);
  }

  start(): void {
    const stream = this.#stream;
    const session = this.#session;
    const call = this.#call;
    session.began();
    this.#watchEnd();
    stream.on('error', (error: Error) => (this.#error = error));
    stream.on('headers', (head: Head, _flags: number, raw: string[]) => this.#informed(head, raw));
    stream.once('response', (head: Head, flags: number, raw: string[]) => this.#answered(head, flags, raw));
    stream.once('trailers', (_head: Head, _flags: number, raw: string[]) => (this.#trailers = fieldsOf(raw)));
    stream.on('data', (chunk: Buffer) => {
      session.heard();
      call.onResponseData(this.#controller, chunk);
    });
    stream.once('end', () => this.#ended());
    stream.once('close', () => {
      session.ended();
      this.#closed();
    });
    call.onRequestStart(this.#controller, {});
    if (!this.#controller.aborted) this.#sendBody();
  }

  /**
   * Node ends the readable side on END_STREAM, and also after a stream was reset or its session was lost, even with
   * code 0. The difference is that the stream is already closed in the second case.
   */
  #watchEnd(): void {
    const stream = this.#stream;
    const push = stream.push.bind(stream);
    const watched = (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (chunk === null && !stream.closed) this.#wasEnded = true;
      return push(chunk, encoding);
    };
    stream.push = watched;
  }

  #informed({ ':status': status = 0 }: Head, raw: string[]): void {
    this.#session.heard();
    if (status === 100) this.#call.onContinue();
    else this.#call.onResponseStart(this.#controller, status, fieldsOf(raw), '');
  }

  #answered({ ':status': status = 0 }: Head, flags: number, raw: string[]): void {
    this.#hasHead = true;
    this.#session.heard();
    this.#call.onResponseStarted();
    this.#call.onResponseStart(this.#controller, status, fieldsOf(raw), '');
    // Without waiting for the stream's end, so that the client also gets a head without a body as one frame: gRPC reads the
    // status of a call that fails immediately from that frame.
    if ((flags & NGHTTP2_FLAG_END_STREAM) !== 0) this.#complete();
    else if (this.#sent.method === 'HEAD' || isBodiless(status)) {
      this.#complete(); // the stream may never end
      this.#stream.close(NGHTTP2_CANCEL);
    }
  }

  #ended(): void {
    if (this.#hasHead && this.#wasEnded) this.#complete();
  }

  /** The response is complete. The instance does not need the remaining part of the request (RFC 9113 §8.1). */
  #complete(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#call.onResponseEnd(this.#controller, this.#trailers);
    const stream = this.#stream;
    stream.resume();
    if (!stream.writableEnded) cancel(stream);
  }

  #closed(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { rstCode } = this.#stream;
    // An instance that refuses a stream, or leaves with GOAWAY before it, has not begun with it (RFC 9113 §8.7).
    const isRefused = rstCode === NGHTTP2_REFUSED_STREAM;
    const lostCode = isDeadSession(this.#error) ? DEAD_SESSION : 'ECONNRESET';
    const code = isRefused ? REFUSED_STREAM : this.#session.isOpen ? STREAM_RESET : lostCode;
    const reset = Object.assign(new Error(`the stream was reset with code ${rstCode}`, { cause: this.#error }), {
      code,
    });
    this.#call.onResponseError(this.#controller, this.#controller.reason ?? reset);
  }

  #sendBody(): void {
    const { body, trailers } = this.#sent;
    const stream = this.#stream;
    if (body === null) return;
    if (trailers !== undefined) stream.once('wantTrailers', () => this.#sendTrailers(trailers));
    if (!(body instanceof Readable)) {
      stream.end(body);
      return;
    }
    body.on('data', (chunk: Buffer) => {
      if (!stream.destroyed && !stream.write(chunk)) body.pause();
    });
    stream.on('drain', () => body.resume());
    body.once('end', () => stream.end());
    body.once('close', () => {
      if (!body.readableEnded) cancel(stream);
    });
  }

  #sendTrailers(trailers: () => Array<[name: string, value: string]>): void {
    try {
      this.#stream.sendTrailers(Object.fromEntries(trailers()));
    } catch (error) {
      this.#stream.destroy(error as Error);
    }
  }
}

/**
 * Resets a stream. Not by `close()`, which ends what was written first (END_STREAM): the instance would take
 * a part of an upload for all of it.
 */
function cancel(stream: ClientHttp2Stream): void {
  stream.destroy(Object.assign(new Error('the request was given up'), { name: 'AbortError' }));
}
