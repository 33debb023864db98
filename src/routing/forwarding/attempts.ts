/** The attempts at one request: which instance is tried, when another one is, and which response is kept for later. */
import type { IncomingMessage } from 'node:http';
import { startTimer, type Timer } from '../../shared/clock.js';
import type { ResilienceError } from '../../shared/errors.js';
import type { Instance } from '../instance.js';
import type { Route } from '../route.js';
import { ActiveAttempts } from './active-attempts.js';
import type { ResponseHead } from './answer-head.js';
import { Attempt, type AttemptOwner } from './attempt.js';
import type { ForwarderCore } from './forwarder-core.js';
import type { ResponseFields } from './headers.js';
import type { PreparedRequest } from './incoming.js';
import type { RequestBody } from './request-body.js';
import { Retries, type RetriesOwner } from './retries.js';
import * as rules from './retry-rules.js';
import { routeWithRoom } from './room.js';
import type { TargetWait } from './target-wait.js';
import { TriedInstances } from './tried-instances.js';
import type { UpstreamRequest } from './upstream-call.js';
import { requestAt } from './upstream-request.js';
import { noTargetError, queueFullError, timeoutError, upstreamError } from './upstream-error.js';

/** The owner of the attempts. */
export interface AttemptsOwner {
  readonly req: IncomingMessage;
  readonly isOver: boolean;
  /** The attempt whose response goes to the client, once this is decided. */
  readonly accepted: Attempt | undefined;
  /** Runs a step in the trace of the request. An exception in it fails the request. */
  enter(step: () => void): void;
  proceed(): void;
  inform(head: ResponseHead): void;
  /** This response goes to the client, and no other instance is tried. */
  accept(attempt: Attempt, head: ResponseHead): void;
  relay(chunk: Buffer): void;
  /** The accepted response, or the one held back, is complete. */
  relayed(attempt: Attempt, trailers: ResponseFields): void;
  /** There is no response, or it was cut off. */
  fail(error: unknown): void;
}

export class Attempts implements AttemptOwner, rules.Retriable, RetriesOwner {
  readonly core: ForwarderCore;
  readonly prepared: PreparedRequest;
  readonly body: RequestBody;
  readonly #owner: AttemptsOwner;
  readonly #active: ActiveAttempts;
  /** Attempts that count for the limit. */
  #started = 0;
  #retries: Retries | undefined;
  readonly #tried = new TriedInstances();
  /** A response that should be retried and not relayed, kept in case no better one arrives. */
  #held: Attempt | undefined;
  #lastError: ResilienceError | undefined;
  #hedgeTimer: Timer | undefined;
  #targetWait: TargetWait | undefined;
  #hasUsedFreshConnection = false;
  /** Whether the request counts for the retry budget. */
  #isCounted = false;

  constructor(core: ForwarderCore, prepared: PreparedRequest, body: RequestBody, owner: AttemptsOwner) {
    this.core = core;
    this.prepared = prepared;
    this.body = body;
    this.#owner = owner;
    this.#active = new ActiveAttempts(core.waiting);
  }

  /** Whether the request waits for a response and could be sent to another instance at the same time. */
  get isMovable(): boolean {
    return !this.#isDecided && rules.mayRunTwice(this) && this.body.isComplete;
  }

  get hasAttemptsLeft(): boolean {
    return this.#started < this.core.retry.attempts;
  }

  get isUploading(): boolean {
    return this.body.isUploading;
  }

  /** Tries the first instance. */
  begin(): void {
    if (this.#owner.isOver) return;
    this.core.budget.begin(); // not before: slow uploads must not widen the budget
    this.#isCounted = true;
    const route = this.#withRoom(this.core.firstRoute(this.#owner.req, this.prepared));
    if (route === undefined) {
      if (!this.#awaitTarget()) this.#settle();
      return;
    }
    this.#launch(route);
    const { hedge, clock } = this.core;
    if (this.body.isComplete) this.core.mirror(this.#owner.req, this.prepared, this.body.open() as Buffer | null);
    if (hedge === undefined || !this.isMovable) return;
    this.#hedgeTimer = startTimer(clock, () => this.#owner.enter(() => this.tryElsewhere()), hedge.delay);
  }

  /** Sends a hedged request to another instance, if that is allowed. The first response wins. */
  tryElsewhere(): void {
    if (this.isMovable) this.#schedule();
  }

  /** Every instance that was tried has the whole body. */
  uploaded(): void {
    this.#active.uploaded();
  }

  onTurn(): void {
    this.#owner.enter(() => this.#retryNow());
  }

  /** No other instance is tried, and all attempts but this one are cancelled. */
  stop(except?: Attempt): void {
    this.#retries?.cancel();
    this.#hedgeTimer?.cancel();
    if (this.#held !== except) this.#held?.discard();
    this.#held = undefined;
    this.#active.cancelExcept(except);
    if (except !== undefined) this.#retries?.giveBack(); // a long body no longer counts as a retry
  }

  /** The request is over: releases everything it holds. */
  release(): void {
    this.#targetWait?.cancel();
    this.#hedgeTimer?.cancel();
    this.#retries?.cancel();
    this.#retries?.giveBack();
    if (this.#isCounted) this.core.budget.end();
    this.#isCounted = false;
  }

  /**
   * The deadline of the response head has passed.
   *
   * @returns the error for the client; undefined if the response held back is sent instead
   */
  timeOut(): ResilienceError | undefined {
    const { service } = this.prepared;
    const isAnyUnderWay = this.#active.count > 0;
    const isQueued = isAnyUnderWay && !this.#active.wasAnyDispatched;
    this.#active.timeOut();
    if (this.#held === undefined) {
      if (isQueued) return queueFullError(service);
      return isAnyUnderWay ? timeoutError(service) : (this.#lastError ?? timeoutError(service));
    }
    this.#active.cancelExcept();
    this.#retries?.cancel();
    this.#settle();
    return undefined;
  }

  requestFor({ route, span, onFreshConnection }: Attempt): UpstreamRequest {
    const { req } = this.#owner;
    return requestAt(route.target, this.prepared, this.body.open(), { req, span, onFreshConnection });
  }

  onContinue(): void {
    if (this.prepared.expectContinue && !this.#isDecided) this.#owner.proceed();
  }

  /** Informational responses are not progress: an instance that keeps sending them must still meet the deadline. */
  onInformation(_attempt: Attempt, head: ResponseHead): void {
    if (!this.#isDecided) this.#owner.inform(head);
  }

  onHead(attempt: Attempt, head: ResponseHead): void {
    if (this.#owner.isOver || !rules.shouldHold(this, head, this.#active.count, this.#tried)) {
      this.#owner.accept(attempt, head);
      return;
    }
    this.#held?.discard();
    this.#held = attempt;
    attempt.pause();
    this.#active.remove(attempt);
    this.#tryNext();
  }

  onData(_attempt: Attempt, chunk: Buffer): void {
    this.#owner.relay(chunk);
  }

  onEnd(attempt: Attempt, trailers: ResponseFields): void {
    if (attempt === this.#held) attempt.heldTrailers = trailers;
    else this.#owner.relayed(attempt, trailers);
  }

  onFailure(attempt: Attempt, cause: Error): void {
    const error = upstreamError(this.prepared.service, cause);
    this.#active.remove(attempt);
    if (error.code !== 'BAD_REQUEST') attempt.route.failed(cause);
    attempt.route.end();
    attempt.span?.end(cause);
    this.#lastError = error;
    if (attempt === this.#held) this.#held = undefined;
    if (attempt === this.#owner.accepted)
      this.#owner.fail(error); // a truncated response must look truncated
    else if (this.#mayResend(attempt, cause)) this.#resendTo(attempt.route.instance);
    else if (!this.#owner.isOver && rules.mayRetry(this, attempt, error)) this.#schedule();
    else this.#settle();
  }

  /** Handles an unexpected exception: in the function of an option, in a hook of the application or in this proxy. */
  onCrash(error: unknown): void {
    this.#owner.fail(error);
  }

  get #isDecided(): boolean {
    return this.#owner.isOver || this.#owner.accepted !== undefined;
  }

  get #mayTryAgain(): boolean {
    return !this.#isDecided && rules.canTryAgain(this);
  }

  #launch(route: Route, onFreshConnection = false): void {
    this.#tried.add(route.instance);
    const upstream = this.core.upstream(route.target);
    const attempt = new Attempt(this, this.#owner.req, route, upstream, this.#started++, onFreshConnection);
    this.#active.add(attempt);
    attempt.start();
  }

  #withRoom(chosen: Route | undefined): Route | undefined {
    const route = routeWithRoom(this, this.#tried, chosen);
    if (route === undefined && chosen !== undefined) this.#lastError = queueFullError(chosen.service);
    return route;
  }

  #schedule(): void {
    (this.#retries ??= new Retries(this.core, this)).schedule(this.#started);
  }

  #mayResend(attempt: Attempt, cause: Error): boolean {
    if (this.#hasUsedFreshConnection || this.#owner.isOver) return false;
    return this.#active.count === 0 && this.#held === undefined && rules.mayUseFreshConnection(this, attempt, cause);
  }

  #resendTo(instance: Instance): void {
    this.#hasUsedFreshConnection = true;
    const route = this.#withRoom(this.core.routeTo(this.prepared, instance));
    if (route === undefined) return this.#settle();
    this.core.counters.retries++;
    this.#launch(route, true);
  }

  #tryNext(): void {
    if (!this.#mayTryAgain) this.#settle();
    else if (this.#held !== undefined && !this.core.budget.hasRoom) this.#settle();
    else this.#schedule();
  }

  /** An answer that is here goes out at once. A request that has none waits for its turn. */
  #awaitBudget(): void {
    if (this.#held === undefined && this.#retries?.mayAwaitBudget === true) this.#schedule();
    else this.#settle();
  }

  #retryNow(): void {
    if (!this.#mayTryAgain) return;
    if (this.#retries?.take() !== true) return this.#awaitBudget();
    const route = this.#withRoom(this.core.nextRoute(this.prepared, this.#tried.all()));
    if (route === undefined) {
      this.#retries.giveBackOne();
      if (!this.#awaitTarget()) this.#settle();
      return;
    }
    this.core.counters.retries++;
    this.#launch(route);
  }

  /** There is no instance, but one is expected to return: waits for it, unless there is a response to send. */
  #awaitTarget(): boolean {
    if (!this.core.targetWaits.areAllowed || this.#active.count > 0 || this.#held !== undefined) return false;
    this.#targetWait ??= this.core.targetWaits.create(this.prepared.service, {
      onTarget: () => this.#owner.enter(() => this.#targetCame()),
      onTimeout: () => this.#owner.enter(() => this.#settle()),
    });
    return this.#targetWait.begin();
  }

  /** That it was tried before it became unavailable is no reason to exclude it now, or to refuse another attempt. */
  #targetCame(): void {
    this.#started = 0;
    const route = this.#withRoom(this.core.nextRoute(this.prepared));
    if (route !== undefined) this.#launch(route);
    else if (!this.#awaitTarget()) this.#settle();
  }

  /** Starts no other attempt: waits for those in progress, or uses the response held back. */
  #settle(): void {
    if (this.#isDecided || this.#active.count > 0 || this.#retries?.isPending === true) return;
    const held = this.#held;
    if (held === undefined) return this.#owner.fail(this.#lastError ?? noTargetError(this.prepared.service));
    this.#held = undefined;
    this.#owner.accept(held, held.head!);
    if (held.heldTrailers !== undefined) this.#owner.relayed(held, held.heldTrailers);
    else held.resume();
  }
}
