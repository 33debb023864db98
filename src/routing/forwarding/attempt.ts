/** One try at one instance: follows the request through the connection and tells its exchange what happens. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { startSpan, type RecordedSpan } from '../../shared/instrumentation.js';
import type { Route } from '../route.js';
import { judgeAnswer, type Verdict } from '../verdict.js';
import type { ResponseFields } from './headers.js';
import type { Upstream, UpstreamCall, UpstreamRequest } from './upstream.js';
import type { Wait } from './waiting-requests.js';

export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: ResponseFields;
}

/** Whom an attempt tells. Nothing is told after `cancel` or `discard`. */
export interface AttemptOwner {
  requestFor(attempt: Attempt): UpstreamRequest;
  onContinue(attempt: Attempt): void;
  onInformation(attempt: Attempt, head: ResponseHead): void;
  /** The response head came: `relay`, `hold` it back or `discard` it. */
  onHead(attempt: Attempt, head: ResponseHead): void;
  onData(attempt: Attempt, chunk: Buffer): void;
  onEnd(attempt: Attempt, trailers: ResponseFields): void;
  onFailure(attempt: Attempt, error: Error): void;
}

/** Bytes of an unwanted response that are read to keep its connection; beyond, closing it is cheaper. */
const DISCARD_LIMIT = 65_536;

const CANCELLED = Object.assign(new Error('the attempt was given up'), { code: 'ABORT_ERR' });

export class Attempt implements UpstreamCall {
  readonly route: Route;
  readonly upstream: Upstream;
  readonly span: RecordedSpan | undefined;
  /** The head it got; a final one. */
  head: ResponseHead | undefined;
  /** What that head says of the instance. */
  verdict: Verdict | undefined;
  /** Its place among those that wait for the instance, while it does and could be moved. */
  wait: Wait | undefined;
  /** Whether any of the request was written to a connection. */
  wasSent = false;
  /** Whether any of a response came. */
  hasByte = false;
  /** Whether its response, all of it, is here: only while it is held back. */
  heldTrailers: ResponseFields | undefined;
  readonly #owner: AttemptOwner;
  #controller: Dispatcher.DispatchController | undefined;
  #isSilent = false;
  #isOver = false;
  #wasDispatched = false;
  #discarded = 0;

  /** @param resendCount attempts before this one */
  constructor(owner: AttemptOwner, route: Route, upstream: Upstream, resendCount: number) {
    this.#owner = owner;
    this.route = route;
    this.upstream = upstream;
    this.span = startSpan('proxy.attempt', {
      'server.address': route.target.host,
      'server.port': route.target.port,
      'http.request.resend_count': resendCount,
    });
  }

  /** Sends it, or queues it; false when the queue is full. */
  start(): boolean {
    return this.upstream.send(this);
  }

  /** There was no room for it: nothing of it went out. */
  refused(error: Error): void {
    this.route.end();
    this.span?.end(error);
  }

  /** Gives it up: its connection is closed, its place is free. */
  cancel(): void {
    this.#isSilent = true;
    if (this.upstream.withdraw(this)) this.#finish();
    else this.#controller?.abort(CANCELLED);
    this.span?.end(CANCELLED);
    this.route.end();
  }

  /** Its response is not wanted: what is left of it is thrown away. */
  discard(): void {
    this.#isSilent = true;
    this.span?.end();
    this.route.end();
    if (!this.#isOver) this.resume();
  }

  pause(): void {
    this.#controller?.pause();
  }

  /** Deferred: undici's parser must not be entered while another connection's is being left. */
  resume(): void {
    queueMicrotask(() => this.#controller?.resume());
  }

  request(): UpstreamRequest {
    this.#wasDispatched = true;
    return this.#owner.requestFor(this);
  }

  onContinue(): void {
    if (!this.#isSilent) this.#owner.onContinue(this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.wasSent = true;
    if (this.#isSilent) controller.abort(CANCELLED); // given up while it was connecting
  }

  onResponseStarted(): void {
    this.hasByte = true;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusText = '',
  ): void {
    this.hasByte = true;
    if (this.#isSilent) return;
    const head = { status, statusText, headers };
    if (status < 200) {
      this.#owner.onInformation(this, head);
      return;
    }
    this.head = head;
    this.verdict = judgeAnswer(status, headers);
    this.route.answered(this.verdict);
    this.span?.setAttribute('http.response.status_code', status);
    this.#owner.onHead(this, head);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#isSilent) {
      this.#owner.onData(this, chunk);
      return;
    }
    this.#discarded += chunk.length;
    if (this.#discarded > DISCARD_LIMIT) controller.abort(CANCELLED);
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#finish();
    if (this.#isSilent) return;
    this.#owner.onEnd(this, trailers);
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#finish();
    if (this.#isSilent) return;
    this.#isSilent = true;
    this.#owner.onFailure(this, error);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#wasDispatched) this.upstream.release();
  }
}
