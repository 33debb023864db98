/** One attempt at one instance: follows the request through the connection and reports its progress to the exchange. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Dispatcher } from 'undici';
import { monotonicClock, startTimer, type Timer } from '../../shared/clock.js';
import { OwnedAttributes, startSpanOf, type RecordedSpan } from '../../shared/instrumentation.js';
import type { Route } from '../route.js';
import type { Target } from '../target.js';
import { judgeAnswer } from '../verdict.js';
import { checkHead, isBodiless, type ResponseHead } from './answer-head.js';
import type { ResponseFields } from './headers.js';
import type { Place, UpstreamCall, UpstreamRequest } from './upstream-call.js';
import type { Upstream } from './upstream.js';
import { NOT_WAITING, type Wait } from './waiting-requests.js';

/**
 * The listener of an attempt. It is not called after `cancel` or `discard`. An error thrown by one of these methods
 * goes to `onCrash` and never to the transport that called, because an exception in one of Node's events ends the
 * process.
 */
export interface AttemptOwner {
  requestFor(attempt: Attempt): UpstreamRequest;
  /** Whether the client still has to send a part of the body. */
  readonly isUploading: boolean;
  /** Whether the request waits for a response and could be sent to another instance at the same time. */
  readonly isMovable: boolean;
  /** Sends the request to another instance too, if that is allowed. */
  tryElsewhere(): void;
  onContinue(attempt: Attempt): void;
  onInformation(attempt: Attempt, head: ResponseHead): void;
  /** The response head arrived and was checked: call `relay`, `hold` or `discard`. */
  onHead(attempt: Attempt, head: ResponseHead): void;
  onData(attempt: Attempt, chunk: Buffer): void;
  onEnd(attempt: Attempt, trailers: ResponseFields): void;
  onFailure(attempt: Attempt, error: Error): void;
  onCrash(error: unknown): void;
}

/**
 * Bytes of a discarded response that are read to keep its connection. Beyond that, closing the connection is cheaper.
 */
const DISCARD_LIMIT = 65_536;
/** Milliseconds for which it is read. */
const DISCARD_TIMEOUT = 1000;

const CANCELLED = Object.assign(new Error('the attempt was given up'), { code: 'ABORT_ERR' });

/** By the names of the semantic conventions. */
class AttemptAttributes extends OwnedAttributes {
  readonly 'server.address': string;
  readonly 'server.port': number;
  readonly 'http.request.resend_count': number;
  /** Set when the head arrives. */
  readonly 'http.response.status_code': number | undefined = undefined;

  constructor({ host, port }: Target, resendCount: number) {
    super();
    this['server.address'] = host;
    this['server.port'] = port;
    this['http.request.resend_count'] = resendCount;
  }
}

export class Attempt implements UpstreamCall, Wait {
  readonly route: Route;
  readonly upstream: Upstream;
  readonly span: RecordedSpan | undefined;
  /** Whether it must not use a connection that served another request. */
  readonly onFreshConnection: boolean;
  /** The final response head that it received. */
  head: ResponseHead | undefined;
  waitPlace = NOT_WAITING;
  /** The attempt before it, while both are in progress. */
  older: Attempt | undefined = undefined;
  place: Place | undefined = undefined;
  /** Whether it was handed to a connection, open or still to be opened. */
  wasDispatched = false;
  /** Whether any of the request was written to a connection. */
  wasSent = false;
  /** Whether any of a response arrived. */
  hasByte = false;
  /** Whether its complete response is here. Used only while the response is held back. */
  heldTrailers: ResponseFields | undefined;
  readonly #owner: AttemptOwner;
  #controller: Dispatcher.DispatchController | undefined;
  #isSilent = false;
  #isOver = false;
  #isHead = false;
  #discarded = 0;
  #discardTimer: Timer | undefined;

  /** @param resendCount the number of attempts before this one */
  constructor(
    owner: AttemptOwner,
    req: IncomingMessage,
    route: Route,
    upstream: Upstream,
    resendCount: number,
    onFreshConnection: boolean,
  ) {
    this.#owner = owner;
    this.route = route;
    this.upstream = upstream;
    this.onFreshConnection = onFreshConnection;
    this.span = startSpanOf(req, 'proxy.attempt', new AttemptAttributes(route.target, resendCount));
  }

  get isMovable(): boolean {
    return this.#owner.isMovable;
  }

  tryElsewhere(): void {
    this.#owner.tryElsewhere();
  }

  /** The names and values of the response fields exactly as received, if the transport provides them. */
  get rawFields(): readonly unknown[] | undefined {
    const raw = this.#controller?.rawHeaders;
    return Array.isArray(raw) ? raw : undefined;
  }

  /** Sends the request or queues it. The instance has room for it. */
  start(): void {
    this.upstream.send(this);
    // The time it waits in the queue of this proxy, or for its client, says nothing about the instance.
    if (!this.wasDispatched || this.#owner.isUploading) this.route.notWaiting();
  }

  /** Cancels the attempt: closes its connection and releases its place. */
  cancel(): void {
    this.#isSilent = true;
    this.route.end();
    this.span?.end(CANCELLED);
    if (this.upstream.withdraw(this)) this.#finish();
    else this.#controller?.abort(CANCELLED);
  }

  /** Its response is not used: the remaining part of it is discarded. */
  discard(): void {
    this.#isSilent = true;
    this.span?.end();
    this.route.end();
    if (this.#isOver) return;
    this.#discardTimer = startTimer(monotonicClock, () => this.#controller?.abort(CANCELLED), DISCARD_TIMEOUT);
    this.resume();
  }

  pause(): void {
    this.#controller?.pause();
  }

  /** Deferred, because undici's parser must not be entered from the parser of another connection. */
  resume(): void {
    queueMicrotask(() => {
      if (!this.#isOver) this.#controller?.resume();
    });
  }

  request(): UpstreamRequest {
    this.wasDispatched = true;
    if (!this.#owner.isUploading) this.route.waiting();
    const request = this.#owner.requestFor(this);
    this.#isHead = request.method === 'HEAD';
    return request;
  }

  onContinue(): void {
    if (this.#isSilent) return;
    try {
      this.#owner.onContinue(this);
    } catch (error) {
      this.#owner.onCrash(error);
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.wasSent = true;
    if (this.#isSilent) controller.abort(CANCELLED); // cancelled while it was connecting
  }

  onResponseStarted(): void {
    this.hasByte = true;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusText = '',
  ): void {
    this.hasByte = true;
    if (this.#isSilent) return;
    let head: ResponseHead;
    try {
      head = checkHead(status, statusText, headers);
    } catch (error) {
      if (status >= 100 && status < 200) return; // an informational response may be left out
      this.#failed(error as Error);
      controller.abort(error as Error);
      return;
    }
    try {
      if (status < 200) this.#owner.onInformation(this, head);
      else this.#answered(head);
    } catch (error) {
      this.#owner.onCrash(error);
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isSilent) {
      this.#discarded += chunk.length;
      if (this.#discarded > DISCARD_LIMIT) controller.abort(CANCELLED);
      return;
    }
    try {
      this.#owner.onData(this, chunk);
    } catch (error) {
      this.#owner.onCrash(error);
    }
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#finish();
    if (this.#isSilent) return;
    try {
      this.#owner.onEnd(this, trailers);
    } catch (error) {
      this.#owner.onCrash(error);
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#finish();
    this.#failed(error);
  }

  #answered(head: ResponseHead): void {
    const { status, headers } = head;
    this.head = head;
    this.route.answered(judgeAnswer(status, headers));
    this.span?.setAttribute('http.response.status_code', status);
    this.#owner.onHead(this, head);
    if ((isBodiless(status) || this.#isHead) && !this.#isSilent) this.#endWithHead();
  }

  /**
   * A response without a body is complete with its head (RFC 9112 §6.3), even if its connection fails later. For
   * example, undici closes a connection on which a 304 states the length that a 200 would have.
   */
  #endWithHead(): void {
    this.#isSilent = true;
    this.#owner.onEnd(this, {});
  }

  #failed(error: Error): void {
    if (this.#isSilent) return;
    this.#isSilent = true;
    try {
      this.#owner.onFailure(this, error);
    } catch (crash) {
      this.#owner.onCrash(crash);
    }
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#discardTimer?.cancel();
    if (this.wasDispatched) this.upstream.release();
  }
}
