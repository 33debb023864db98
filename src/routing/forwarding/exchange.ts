/**
 * One client request on its way: attempts at instances until one answers, within the deadline and the retry budget.
 * Until the first byte of a response goes to the client everything can still be tried elsewhere; after it, nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { startTimer, type Timer } from '../../shared/clock.js';
import type { ResilienceError } from '../../shared/errors.js';
import { bindContext, currentTrace } from '../../shared/instrumentation.js';
import type { Instance } from '../instance.js';
import type { Route } from '../route.js';
import { Absence } from './absence.js';
import { ActiveAttempts } from './active-attempts.js';
import { Attempt, type AttemptOwner, type ResponseHead } from './attempt.js';
import type { ForwarderCore } from './forwarder.js';
import { attemptFields, type ResponseFields } from './headers.js';
import { isEventStream, isIdempotent, type PreparedRequest } from './prepared-request.js';
import { Relay } from './relay.js';
import type { RequestBody } from './request-body.js';
import { setHead, writeInformation } from './response-writer.js';
import { Retries } from './retries.js';
import type { UpstreamRequest } from './upstream.js';
import { Watchdog } from './watchdog.js';
import { bodyTimeoutError, noTargetError, queueFullError, timeoutError, upstreamError } from './upstream-error.js';

export class Exchange implements AttemptOwner {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly isIdempotent: boolean;
  readonly #core: ForwarderCore;
  readonly #prepared: PreparedRequest;
  readonly #body: RequestBody;
  readonly #tried = new Set<Instance>();
  readonly #active: ActiveAttempts;
  readonly #inContext: (call: () => void) => void;
  readonly #retries: Retries;
  /** A response that would be retried rather than relayed, kept in case there is nothing better. */
  #held: Attempt | undefined;
  #relay: Relay | undefined;
  #lastError: ResilienceError | undefined;
  #hedgeTimer: Timer | undefined;
  readonly #watchdog: Watchdog;
  #absence: Absence | undefined;
  #isOver = false;

  constructor(
    core: ForwarderCore,
    req: IncomingMessage,
    res: ServerResponse,
    prepared: PreparedRequest,
    body: RequestBody,
  ) {
    this.#core = core;
    this.req = req;
    this.res = res;
    this.#prepared = prepared;
    this.#body = body;
    this.isIdempotent = isIdempotent(prepared.method);
    this.#active = new ActiveAttempts(core.waiting, this);
    this.#watchdog = new Watchdog(core.clock, core.timeout, () => this.#timeOut());
    this.#retries = new Retries(core, () => this.#inContext(() => this.#retryNow()));
    this.#inContext = currentTrace() === undefined ? (call) => call() : bindContext((call: () => void) => call());
  }

  /** Whether it waits for a response and could be sent elsewhere at the same time. */
  get isMovable(): boolean {
    return !this.#isOver && this.#relay === undefined && this.isIdempotent && this.#body.isComplete;
  }

  start(route: Route | undefined): void {
    this.#core.budget.begin();
    this.res.once('close', () => this.#close());
    this.#watchdog.start();
    if (route === undefined) {
      if (!this.#awaitTarget()) this.#fail(noTargetError(this.#core.service));
      return;
    }
    this.#launch(route);
    const { hedge } = this.#core;
    if (hedge === undefined || !this.isMovable) return;
    this.#hedgeTimer = startTimer(this.#core.clock, () => this.tryElsewhere(), hedge.delay);
  }

  /** Something moved: neither side hangs. */
  readonly progressed = (): void => {
    this.#watchdog.progressed();
  };

  /** More of the body came, or its end. */
  uploadProgressed(isLast: boolean): void {
    this.progressed();
    if (isLast) this.#active.uploaded();
  }

  /** Sends it to another instance too, where it may be: the first to answer wins. */
  tryElsewhere(): void {
    if (this.isMovable) this.#retries.schedule();
  }

  requestFor(attempt: Attempt): UpstreamRequest {
    const { method, path, fields, expectContinue, hasTrailers } = this.#prepared;
    return {
      method,
      path,
      headers: attemptFields(fields, attempt.span),
      body: this.#body.open(),
      expectContinue,
      trailers: hasTrailers ? () => this.req.trailers : undefined,
    };
  }

  onContinue(): void {
    if (this.#prepared.expectContinue && !this.res.headersSent) this.res.writeContinue();
  }

  onInformation(_attempt: Attempt, head: ResponseHead): void {
    this.progressed();
    if (this.#relay === undefined) writeInformation(this.res, head);
  }

  onHead(attempt: Attempt, head: ResponseHead): void {
    if (this.#shouldHold(head)) {
      this.#held?.discard();
      this.#held = attempt;
      if (attempt.verdict === 'busy') this.#retries.endPatience();
      attempt.pause();
      this.#active.remove(attempt);
      this.#next();
      return;
    }
    this.#accept(attempt, head);
  }

  onData(_attempt: Attempt, chunk: Buffer): void {
    this.progressed();
    this.#relay?.write(chunk);
  }

  onEnd(attempt: Attempt, trailers: ResponseFields): void {
    if (attempt === this.#held) {
      attempt.heldTrailers = trailers;
      return;
    }
    this.#finishRelay(attempt, trailers);
  }

  onFailure(attempt: Attempt, cause: Error): void {
    const error = upstreamError(this.#core.service, cause);
    this.#active.remove(attempt);
    if (error.code === 'BAD_REQUEST') attempt.route.end();
    else attempt.route.failed(cause);
    attempt.route.end();
    attempt.span?.end(cause);
    this.#lastError = error;
    if (attempt === this.#held) this.#held = undefined;
    if (attempt === this.#relay?.attempt) {
      this.#fail(error); // a truncated response must look truncated
      return;
    }
    if (this.#mayRetry(attempt, error)) this.#retries.schedule();
    else this.#settle();
  }

  #launch(route: Route): void {
    this.#tried.add(route.instance);
    const attempt = new Attempt(this, route, this.#core.upstream(route.target), this.#retries.started());
    this.#active.add(attempt);
    if (this.#body.isUploading) route.uploading();
    if (attempt.start()) return;
    this.#active.remove(attempt);
    this.#lastError = queueFullError(route.service);
    attempt.refused(this.#lastError);
    this.#next(); // nothing of it went out: another instance may have room
  }

  /** Whether the attempt's failure can be mended by another: nothing of it may have had an effect that a second doubles. */
  #mayRetry(attempt: Attempt, error: ResilienceError): boolean {
    if (error.code === 'BAD_REQUEST') return false;
    return this.#canTryAgain() && (!attempt.wasSent || this.isIdempotent);
  }

  #canTryAgain(): boolean {
    return this.#retries.areLeft && this.#body.isReplayable && !this.#isOver;
  }

  #shouldHold({ status }: ResponseHead): boolean {
    if (!this.#core.retry.statuses.has(status) || !this.isIdempotent) return false;
    return this.#active.count > 1 || (this.#canTryAgain() && this.#core.hasAnother(this.#tried));
  }

  #next(): void {
    if (this.#canTryAgain()) this.#retries.schedule();
    else this.#settle();
  }

  #retryNow(): void {
    if (this.#isOver || this.#relay !== undefined || !this.#canTryAgain()) return;
    const { counters, router, service } = this.#core;
    if (!this.#retries.take()) {
      if (this.#retries.isPatient) this.#retries.schedule();
      else this.#settle();
      return;
    }
    const route = router.acquire(service, this.#prepared.key, this.#tried);
    if (route === undefined) {
      this.#retries.giveBackOne();
      if (!this.#awaitTarget()) this.#settle();
      return;
    }
    counters.retries++;
    this.#launch(route);
  }

  /** There is no instance, but one is expected back: waits for it, where there is nothing else to answer with. */
  #awaitTarget(): boolean {
    if (this.#active.count > 0 || this.#held !== undefined) return false;
    const { absentees, clock, targetTimeout } = this.#core;
    this.#absence ??= new Absence({
      absentees,
      clock,
      targetTimeout,
      onTarget: () => this.#inContext(() => this.#targetCame()),
      onTimeout: () => this.#inContext(() => this.#settle()),
    });
    return this.#absence.begin();
  }

  /** That it was tried before it went is no reason not to ask it now, nor not to try it again. */
  #targetCame(): void {
    const { router, service } = this.#core;
    this.#retries.startAnew();
    const route = router.acquire(service, this.#prepared.key);
    if (route !== undefined) this.#launch(route);
    else if (!this.#awaitTarget()) this.#settle();
  }

  /** Nothing more is tried: wait for what is under way, or make do with what there is. */
  #settle(): void {
    if (this.#isOver || this.#relay !== undefined || this.#active.count > 0 || this.#retries.isPending) return;
    const held = this.#held;
    if (held === undefined) {
      this.#fail(this.#lastError ?? noTargetError(this.#core.service));
      return;
    }
    this.#held = undefined;
    this.#accept(held, held.head!);
    if (held.heldTrailers !== undefined) this.#finishRelay(held, held.heldTrailers);
    else held.resume();
  }

  /** This is the answer: nothing else is tried, and it goes to the client. */
  #accept(attempt: Attempt, head: ResponseHead): void {
    const { res } = this;
    this.#stopTrying(attempt);
    this.#retries.giveBack(); // a long body is no retry any more
    this.progressed();
    try {
      setHead(res, head);
      this.#core.onRelay(this.req, res, attempt.route);
    } catch (cause) {
      for (const name of res.getHeaderNames()) res.removeHeader(name);
      attempt.cancel();
      this.#fail(upstreamError(this.#core.service, cause));
      return;
    }
    this.#watchdog.setLimit(isEventStream(head.headers) ? Infinity : this.#core.idleTimeout);
    this.#relay = new Relay(attempt, res, this.progressed);
  }

  #finishRelay(attempt: Attempt, trailers: ResponseFields): void {
    attempt.route.end();
    attempt.span?.end();
    this.#relay?.end(trailers);
    this.#over();
  }

  #fail(error: ResilienceError): void {
    if (this.#isOver) return;
    const wasRelayed = this.#relay !== undefined && this.res.headersSent;
    this.#relay?.stop();
    this.#stopTrying();
    this.#over();
    if (wasRelayed) this.res.destroy();
    else this.#core.onError(this.req, this.res, error);
  }

  /** The client is gone, or has everything. */
  #close(): void {
    if (!this.#isOver) {
      this.#core.counters.clientGone++;
      this.#stopTrying();
      this.#over();
    }
  }

  #stopTrying(except?: Attempt): void {
    this.#retries.cancel();
    this.#hedgeTimer?.cancel();
    if (this.#held !== except) this.#held?.discard();
    this.#held = undefined;
    this.#active.cancelExcept(except);
    if (except === undefined) this.#relay?.attempt.cancel();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#watchdog.stop();
    this.#absence?.cancel();
    this.#body.discard();
    this.#retries.giveBack();
    this.#core.budget.end();
    this.#core.onOver();
  }

  /** Before the head this is the deadline, after it the longest pause of the body. */
  #timeOut(): void {
    if (this.#relay === undefined && this.#body.isStarved) {
      this.#fail(bodyTimeoutError());
      return;
    }
    this.#active.timeOut();
    if (this.#relay === undefined && this.#held !== undefined) {
      this.#active.cancelExcept();
      this.#retries.cancel();
      this.#settle();
      this.#watchdog.start();
    } else this.#fail(timeoutError(this.#core.service));
  }
}
