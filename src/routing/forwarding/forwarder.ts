/** Forwards the requests of one proxy: chooses how each is handled, and keeps the state that all of them share. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Random } from '../../shared/backoff.js';
import type { Clock } from '../../shared/clock.js';
import type { NextFunction } from '../../shared/http.js';
import type { RetryBudget } from '../../shared/retry-budget.js';
import type { IntelligentRouter, TargetChange } from '../intelligent-router.js';
import type { Route } from '../route.js';
import type { StickySessions } from '../sticky-sessions.js';
import type { Target } from '../target.js';
import { AnswerDoor, type AnswerOptions } from './answer-door.js';
import { Exchange } from './exchange.js';
import type { ForwarderCore, ForwarderCounters, RetrySettings } from './forwarder-core.js';
import type { Door, PreparedRequest } from './incoming.js';
import { probeLiveness } from './liveness-probe.js';
import type { Mirror } from './mirror.js';
import { bodyOf } from './request-body.js';
import { TargetWaits } from './target-wait.js';
import type { UpstreamOptions } from './upstream-call.js';
import { noTargetError, queueFullError } from './upstream-error.js';
import { Upstreams } from './upstreams.js';
import { WaitingRequests } from './waiting-requests.js';
import { WatchQueue } from './watchdog.js';

export interface ForwarderOptions {
  readonly router: IntelligentRouter;
  readonly door: Door;
  readonly answers: AnswerOptions;
  readonly mirror: Mirror | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: RetryBudget;
  readonly retry: RetrySettings;
  readonly hedge: { readonly delay: number } | undefined;
  /** Milliseconds that a request waits for an instance if none is available. */
  readonly targetTimeout: number;
  /** The longest pause of a response body, in milliseconds. */
  readonly idleTimeout: number;
  readonly maxBodyBuffer: number;
  readonly sticky: StickySessions | undefined;
  readonly upstream: UpstreamOptions;
  readonly answerError: ForwarderCore['answerError'];
}

export class Forwarder {
  readonly counters: ForwarderCounters = { retries: 0, clientGone: 0 };
  readonly upstreams: Upstreams;
  readonly #core: ForwarderCore;
  readonly #options: ForwarderOptions;
  readonly #waiting = new WaitingRequests();
  readonly #targetWaits: TargetWaits;
  readonly #stopListening: () => void;
  readonly #stopProbing: () => void;
  readonly #isFull = (target: Target): boolean => !this.upstreams.hasRoom(target);
  #active = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    const { router, upstream } = options;
    const upstreams = new Upstreams(upstream, (target) => router.reportRefused(target));
    this.upstreams = upstreams;
    this.#targetWaits = new TargetWaits(upstream.maxQueue, options.clock, options.targetTimeout);
    const answers = new AnswerDoor(options.answers);
    this.#core = {
      ...options,
      waiting: this.#waiting,
      watching: new WatchQueue(options.clock, options.door.usualTimeout),
      targetWaits: this.#targetWaits,
      counters: this.counters,
      upstream: (target) => upstreams.get(target),
      hasRoom: (target) => upstreams.hasRoom(target),
      firstRoute: (req, prepared) => this.route(req, prepared),
      nextRoute: ({ service, key }, tried) => router.acquire(service, key, tried),
      routeTo: ({ service }, { id }) => router.acquireTarget(service, id, true),
      hasAnother: ({ service }, tried) => router.size(service) > (tried?.size ?? 1),
      finalHead: (req, head, attempt) => answers.finalHead(req, head, attempt),
      mirror: (req, prepared, body) => options.mirror?.copy(req, prepared, body),
      openRelay: (req, res, head, attempt, owner) => answers.open(req, res, head, attempt, owner),
      onOver: () => void this.#active--,
    };
    this.#stopListening = router.onTargetChange((change) => this.#targetChanged(change));
    this.#stopProbing = router.probeWith((target, onResult) => probeLiveness(target, upstream, onResult));
  }

  /** The number of requests in progress. */
  get active(): number {
    return this.#active;
  }

  /**
   * Forwards a request and sends the response.
   *
   * @throws ResilienceError for a request that cannot be forwarded as it is, or for which there is no room; nothing was sent
   *   in that case
   */
  forward(req: IncomingMessage, res: ServerResponse, next: NextFunction): void {
    const prepared = this.#options.door.admit(req, res);
    this.#checkRoom(prepared);
    const { framing, parsedBody, expectContinue } = prepared;
    const body = bodyOf(req, framing, parsedBody, expectContinue, this.#options.maxBodyBuffer);
    const exchange = new Exchange(this.#core, req, res, prepared, body, next);
    this.#active++;
    exchange.start();
  }

  /** The route for a request: the instance of its session, or the choice of the balancer. */
  route(req: IncomingMessage, { service, key }: PreparedRequest): Route | undefined {
    const { router, sticky } = this.#options;
    const id = sticky?.recall(req, () => router.targetIds(service));
    return (id === undefined ? undefined : router.acquireTarget(service, id)) ?? router.acquire(service, key);
  }

  /** Refuses a request that no instance has room for, before anything is created for it. A flood of them must be cheap. */
  #checkRoom({ service }: PreparedRequest): void {
    const { router } = this.#options;
    if (this.#targetWaits.areAllowed || !router.isEvery(service, this.#isFull)) return;
    throw router.size(service) === 0 ? noTargetError(service) : queueFullError(service);
  }

  /** Closes every connection to the instances. Requests in progress fail. */
  async close(): Promise<void> {
    this.#stopListening();
    this.#stopProbing();
    await this.upstreams.destroy();
  }

  #targetChanged({ service, state, instance, target }: TargetChange): void {
    switch (state) {
      case 'up':
        this.#targetWaits.targetCame(service);
        return;
      case 'unhealthy':
      case 'stalled':
      case 'circuit-open':
        this.#waiting.move(instance);
        return;
      case 'removed':
        this.#waiting.move(instance);
        this.#waiting.forget(instance);
        this.upstreams.remove(target);
        return;
      case 'draining':
      case 'ejected': // requests that wait for it may still get a response
    }
  }
}
