/**
 * One client request: attempts at instances until one responds, within the deadline and the retry budget. Until the
 * first byte of a response goes to the client, every step can be retried elsewhere; after it, none can.
 *
 * An exception at any time ends this exchange alone (`fail`), which then releases everything it holds.
 */
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NextFunction } from '../../shared/http.js';
import {
  servedRequest,
  type RequestFollower,
  type RequestOutcome,
  type ServedRequest,
} from '../../shared/request-over.js';
import { Answer } from './answer.js';
import type { ResponseHead } from './answer-head.js';
import type { Attempt } from './attempt.js';
import { Attempts, type AttemptsOwner } from './attempts.js';
import type { ForwarderCore } from './forwarder-core.js';
import type { ResponseFields } from './headers.js';
import type { PreparedRequest } from './incoming.js';
import { isEventStream } from './methods.js';
import type { RelayOwner } from './relay.js';
import type { BodyOwner, RequestBody } from './request-body.js';
import { bodyTimeoutError, timeoutError } from './upstream-error.js';
import { Watchdog } from './watchdog.js';

const MANUALLY_DESTROYED = { requireManualDestroy: true };

/**
 * Thousands of these may be in progress, and the garbage collector copies each of them. Everything that most requests
 * need only at their end, or never, is therefore created at that time. Listeners are this object, and not closures.
 */
export class Exchange extends Watchdog implements AttemptsOwner, RelayOwner, BodyOwner, RequestFollower {
  readonly req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #core: ForwarderCore;
  readonly #prepared: PreparedRequest;
  readonly #body: RequestBody;
  readonly #next: NextFunction;
  readonly #attempts: Attempts;
  /** The async context of the request: its trace, and what the application keeps there. */
  readonly #context = new AsyncResource('ForwardedRequest', MANUALLY_DESTROYED);
  /** Created when there is something to send. */
  #answer: Answer | undefined;
  #served: ServedRequest | undefined;
  #isOver = false;
  #isStreaming = false;

  constructor(
    core: ForwarderCore,
    req: IncomingMessage,
    res: ServerResponse,
    prepared: PreparedRequest,
    body: RequestBody,
    next: NextFunction,
  ) {
    super(core.watching, prepared.timeout);
    this.#core = core;
    this.req = req;
    this.#res = res;
    this.#prepared = prepared;
    this.#body = body;
    this.#next = next;
    this.#attempts = new Attempts(core, prepared, body, this);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get accepted(): Attempt | undefined {
    return this.#answer?.attempt;
  }

  /** Answers the request. Never throws. */
  start(): void {
    try {
      this.#served = servedRequest(this.req, this.#res);
      this.#served.followAtOnce(this);
      this.startWatching();
      this.#body.begin(this);
      if (this.#body.isReady) this.#attempts.begin();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Runs a step in the async context of the request. An exception in it fails this exchange alone. */
  enter(step: () => void): void {
    this.#context.runInAsyncScope(this.#guarded, this, step);
  }

  protected override onSilence(): void {
    this.enter(() => this.#timeOut());
  }

  uploadProgressed(isLast: boolean): void {
    this.progressed();
    if (!isLast) return;
    this.#attempts.uploaded();
    if (this.#isStreaming) this.#limitSilence();
  }

  bodyCollected(): void {
    this.enter(() => this.#attempts.begin()); // Node emits `end` in the context of the connection
  }

  proceed(): void {
    this.#reply.proceed();
  }

  inform(head: ResponseHead): void {
    this.#reply.inform(head);
  }

  accept(attempt: Attempt, head: ResponseHead): void {
    this.#attempts.stop(attempt);
    this.#reply.begin(attempt, head, this);
    this.#isStreaming = isEventStream(head.headers);
    this.#limitSilence();
  }

  relay(chunk: Buffer): void {
    this.progressed();
    this.#answer?.write(chunk);
  }

  relayed(attempt: Attempt, trailers: ResponseFields): void {
    attempt.route.end();
    attempt.span?.end();
    this.#answer?.end(trailers, () => this.#over());
  }

  /** A part of the response could not be written. */
  onCrash(error: unknown): void {
    this.fail(error);
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#giveUp();
    this.#reply.fail(error);
  }

  /** The client disconnected, or other code has sent a response. */
  requestOver(outcome: RequestOutcome): void {
    if (this.#isOver) return;
    try {
      this.#giveUp();
    } finally {
      if (outcome === 'aborted') {
        this.#core.counters.clientGone++;
        this.#reply.abandon();
      }
    }
  }

  get #reply(): Answer {
    return (this.#answer ??= new Answer(this.#core, this.req, this.#res, this.#next));
  }

  /**
   * An event stream may be silent for as long as its client stays. While the request is not read to its end, Node does not
   * notice that the client left, so the idle limit holds until then.
   */
  #limitSilence(): void {
    this.limitSilence(this.#isStreaming && this.req.complete ? Infinity : this.#core.idleTimeout);
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(error);
    }
  }

  #giveUp(): void {
    try {
      this.#answer?.stop();
      this.#attempts.stop();
      this.#answer?.attempt?.cancel();
    } finally {
      this.#over();
    }
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.stopWatching();
    this.#attempts.release();
    this.#core.onOver();
    this.#served?.unfollow(this);
    this.#body.discard();
  }

  /** Before the head this is the deadline, and after it the longest pause of the body. */
  #timeOut(): void {
    // After it, either the instance or the client may stop the body from moving, so it counts against neither.
    if (this.#answer?.isDecided === true) return this.fail(timeoutError(this.#prepared.service));
    if (this.#body.isStarved) return this.fail(bodyTimeoutError());
    const error = this.#attempts.timeOut();
    if (error !== undefined) this.fail(error);
    else this.startWatching();
  }
}
