/** Forwards the requests of one service: prepares each, picks its way and keeps what all of them share. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Random } from '../../shared/backoff.js';
import type { TrustedHop } from '../../shared/client-address.js';
import type { Clock } from '../../shared/clock.js';
import type { ResilienceError } from '../../shared/errors.js';
import type { RetryBudget } from '../../shared/retry-budget.js';
import type { Instance } from '../instance.js';
import type { IntelligentRouter } from '../intelligent-router.js';
import type { Route } from '../route.js';
import type { StickySessions } from '../sticky-sessions.js';
import type { Target } from '../target.js';
import { Absentees } from './absence.js';
import { takeOverContinue } from './deferred-continue.js';
import { Exchange } from './exchange.js';
import { addForwardedFields, FORWARDED_FIELDS } from './forwarded.js';
import { endToEndFields } from './headers.js';
import { BODY_FIELDS, serializeParsedBody } from './parsed-body.js';
import { bufferedBody, collectBody, StreamedBody, type RequestBody } from './request-body.js';
import type { PreparedRequest } from './prepared-request.js';
import { requestTarget } from './request-target.js';
import { isChunked } from './transfer-coding.js';
import type { Upstream, UpstreamOptions } from './upstream.js';
import { Upstreams } from './upstreams.js';
import { WaitingRequests } from './waiting-requests.js';

export interface ForwarderOptions {
  readonly service: string;
  readonly router: IntelligentRouter;
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: RetryBudget;
  readonly retry: {
    /** Attempts in all, the first included. */
    readonly attempts: number;
    readonly statuses: ReadonlySet<number>;
    readonly backoff: number;
    readonly maxBackoff: number;
  };
  readonly hedge: { readonly delay: number } | undefined;
  /** Milliseconds until the response head, over all attempts; an upload counts from its last progress. */
  readonly timeout: number;
  /** Milliseconds a request waits for an instance where there is none. */
  readonly targetTimeout: number;
  /** Milliseconds a response body may pause. */
  readonly idleTimeout: number;
  readonly maxBodyBuffer: number;
  readonly isTrusted: TrustedHop;
  readonly key: ((req: IncomingMessage) => string | undefined) | undefined;
  readonly rewrite: ((path: string, req: IncomingMessage) => string) | undefined;
  readonly sticky: StickySessions | undefined;
  readonly upstream: UpstreamOptions;
  readonly onError: (req: IncomingMessage, res: ServerResponse, error: ResilienceError) => void;
}

export interface ForwarderCounters {
  retries: number;
  clientGone: number;
}

/** What exchanges share. */
export interface ForwarderCore extends Omit<ForwarderOptions, 'upstream'> {
  readonly waiting: WaitingRequests;
  readonly absentees: Absentees;
  readonly counters: ForwarderCounters;
  upstream(target: Target): Upstream;
  /** Whether there is an instance besides those tried. */
  hasAnother(tried: ReadonlySet<Instance>): boolean;
  onRelay(req: IncomingMessage, res: ServerResponse, route: Route): void;
  onOver(): void;
}

const NOT_FORWARDED: ReadonlySet<string> = new Set([...FORWARDED_FIELDS, 'expect']);
const NOT_FORWARDED_PARSED: ReadonlySet<string> = new Set([...NOT_FORWARDED, ...BODY_FIELDS]);

export class Forwarder {
  readonly counters: ForwarderCounters = { retries: 0, clientGone: 0 };
  readonly upstreams: Upstreams;
  readonly #core: ForwarderCore;
  readonly #options: ForwarderOptions;
  #active = 0;
  readonly #stopListening: () => void;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    const { router, service, sticky } = options;
    const upstreams = new Upstreams(options.upstream, (target) => router.reportRefused(target));
    const waiting = new WaitingRequests();
    const absentees = new Absentees(options.upstream.maxQueue, options.clock);
    this.upstreams = upstreams;
    this.#core = {
      ...options,
      waiting,
      absentees,
      counters: this.counters,
      upstream: (target) => upstreams.get(target),
      hasAnother: (tried) => router.size(service) > tried.size,
      onRelay: (req, res, route) => sticky?.remember(req, res, route.target),
      onOver: () => void this.#active--,
    };
    this.#stopListening = router.onTargetChange((change) => {
      if (change.service !== service) return;
      if (change.state === 'up') absentees.targetCame();
      if (change.state === 'unhealthy' || change.state === 'stalled' || change.state === 'circuit-open') {
        waiting.move(change.instance);
      } else if (change.state === 'removed') {
        waiting.move(change.instance);
        waiting.forget(change.instance);
        upstreams.remove(change.target);
      }
    });
  }

  /** Requests under way. */
  get active(): number {
    return this.#active;
  }

  /**
   * Forwards a request and answers it.
   *
   * @throws ResilienceError for a request that cannot be forwarded as it is; nothing was done then
   */
  forward(req: IncomingMessage, res: ServerResponse): void {
    const { maxBodyBuffer } = this.#options;
    const length = Number(req.headers['content-length'] ?? 0);
    const inChunks = isChunked(req);
    if (!inChunks && length === 0) {
      this.#begin(req, res, this.#prepare(req, false), bufferedBody(null));
      return;
    }
    const parsed = serializeParsedBody(req);
    const prepared = this.#prepare(req, parsed !== undefined);
    if (parsed !== undefined) {
      prepared.fields.fields.push('Content-Length', String(parsed.length));
      this.#begin(req, res, prepared, bufferedBody(parsed));
    } else if (!inChunks && length <= maxBodyBuffer && !prepared.expectContinue) {
      collectBody(req, length, (body) => this.#begin(req, res, prepared, body));
    } else {
      const body = new StreamedBody(req, maxBodyBuffer, (isLast) => exchange?.uploadProgressed(isLast));
      const exchange = this.#begin(req, res, prepared, body);
    }
  }

  /** The route for a request: its session's instance, or the balancer's choice. */
  route(req: IncomingMessage, key: string | undefined): Route | undefined {
    const { router, service, sticky } = this.#options;
    const id = sticky?.recall(req);
    return (id === undefined ? undefined : router.acquireTarget(service, id)) ?? router.acquire(service, key);
  }

  /** Header fields for the upstream, with what it should know of the client. */
  fields(req: IncomingMessage, replaced: ReadonlySet<string>): PreparedRequest['fields'] {
    const prepared = endToEndFields(req, replaced);
    addForwardedFields(prepared.fields, req, this.#options.isTrusted);
    return prepared;
  }

  key(req: IncomingMessage): string | undefined {
    return this.#options.key?.(req);
  }

  /** Ends every connection to the instances. Requests under way fail. */
  async close(): Promise<void> {
    this.#stopListening();
    await this.upstreams.destroy();
  }

  #prepare(req: IncomingMessage, isParsed: boolean): PreparedRequest {
    const { method = 'GET', headers } = req;
    const { path, host } = requestTarget(req);
    const fields = this.fields(req, isParsed ? NOT_FORWARDED_PARSED : NOT_FORWARDED);
    if (host !== undefined) replaceHost(fields.fields, host);
    return {
      method,
      path: this.#options.rewrite?.(path, req) ?? path,
      fields,
      expectContinue: headers.expect !== undefined && takeOverContinue(req),
      hasTrailers: headers.trailer !== undefined && headers['transfer-encoding'] !== undefined,
      key: this.key(req),
    };
  }

  #begin(
    req: IncomingMessage,
    res: ServerResponse,
    prepared: PreparedRequest,
    body: RequestBody,
  ): Exchange | undefined {
    if (res.destroyed) return undefined; // gone while its body was read
    const exchange = new Exchange(this.#core, req, res, prepared, body);
    this.#active++;
    exchange.start(this.route(req, prepared.key));
    return exchange;
  }
}

function replaceHost(fields: string[], host: string): void {
  const index = fields.findIndex((field, i) => i % 2 === 0 && field === 'host');
  if (index === -1) fields.push('host', host);
  else fields[index + 1] = host;
}
