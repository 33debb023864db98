/** The parts that all exchanges of one proxy share. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Random } from '../../shared/backoff.js';
import type { Clock } from '../../shared/clock.js';
import type { NextFunction } from '../../shared/http.js';
import type { RetryBudget } from '../../shared/retry-budget.js';
import type { Instance } from '../instance.js';
import type { Route } from '../route.js';
import type { Target } from '../target.js';
import type { ResponseHead } from './answer-head.js';
import type { Attempt } from './attempt.js';
import type { PreparedRequest } from './incoming.js';
import type { BodySink, RelayOwner } from './relay.js';
import type { TargetWaits } from './target-wait.js';
import type { Upstream } from './upstream.js';
import type { WaitingRequests } from './waiting-requests.js';
import type { WatchQueue } from './watchdog.js';

export interface RetrySettings {
  /** The number of attempts, including the first. */
  readonly attempts: number;
  readonly statuses: ReadonlySet<number>;
  /** Methods that may be sent to another instance while the first may still be processing them. */
  readonly methods: ReadonlySet<string> | undefined;
  readonly backoff: number;
  readonly maxBackoff: number;
}

export interface ForwarderCounters {
  retries: number;
  clientGone: number;
}

export interface ForwarderCore {
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: RetryBudget;
  readonly retry: RetrySettings;
  readonly hedge: { readonly delay: number } | undefined;
  /** The longest pause of a response body, in milliseconds. */
  readonly idleTimeout: number;
  readonly maxBodyBuffer: number;
  readonly waiting: WaitingRequests;
  readonly watching: WatchQueue;
  readonly targetWaits: TargetWaits;
  readonly counters: ForwarderCounters;
  upstream(target: Target): Upstream;
  /** Whether an instance can be sent one more request, or has a place for it in its queue. */
  hasRoom(target: Target): boolean;
  /** The route for a request: the instance of its session, or the choice of the balancer. */
  firstRoute(req: IncomingMessage, prepared: PreparedRequest): Route | undefined;
  /** A route to an instance that was not tried. */
  nextRoute(prepared: PreparedRequest, tried?: ReadonlySet<Instance>): Route | undefined;
  /** A route to a given instance, regardless of its state. */
  routeTo(prepared: PreparedRequest, instance: Instance): Route | undefined;
  /** Whether the service has an instance besides those tried, or more than one. */
  hasAnother(prepared: PreparedRequest, tried?: { readonly size: number }): boolean;
  /** The head for the client, with the changes that the application makes. */
  finalHead(req: IncomingMessage, head: ResponseHead, attempt: Attempt): ResponseHead;
  /** Writes the head of a response, and opens the relay for its body. */
  openRelay(
    req: IncomingMessage,
    res: ServerResponse,
    head: ResponseHead,
    attempt: Attempt,
    owner: RelayOwner,
  ): BodySink;
  /** Sends a copy of a request whose whole body is here, if mirroring is configured. */
  mirror(req: IncomingMessage, prepared: PreparedRequest, body: Buffer | null): void;
  answerError(req: IncomingMessage, res: ServerResponse, error: unknown, next: NextFunction): void;
  onOver(): void;
}
