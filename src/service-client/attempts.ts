/** The attempts of one request: each to a peer its breaker admits, in a span of its own, until one is good or none is left. */
// eslint-disable-next-line @typescript-eslint/ban-ts-comment -- an error cannot be expected: it depends on the user's packages
/** @ts-ignore: axios is an optional peer. Where it is not installed, its types are `any`, also in the declarations. */
import type { AxiosAdapter, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import type { Readable } from 'node:stream';
import type { Clock } from '../shared/clock.js';
import { injectTrace, startSpan, type RecordedSpan } from '../shared/instrumentation.js';
import { axiosNow } from '../shared/lazy-axios.js';
import type { RetryBudget, RetryBudgetOptions } from '../shared/retry-budget.js';
import {
  isIdempotent,
  isPassingStatus,
  isWorthRetrying,
  judgeError,
  judgeResponse,
  PassingStatus,
  retryAfterOf,
} from './failures.js';
import type { Peer, Peers } from './peers.js';
import { retryUnchecked } from './retry.js';

/** Which calls are retried, and how often. */
export interface ClientRetryOptions {
  /** Attempts after the first. Default 2. */
  readonly retries?: number;
  /** Waits are random in [0, (2^n − 1) · base) milliseconds. Default 25. */
  readonly base?: number;
  /** The longest wait in milliseconds, unless the service's Retry-After is longer. Default 250. */
  readonly cap?: number;
  /** Milliseconds an attempt may take, so that a frozen instance leaves time for another. Default: the whole `timeout`. */
  readonly attemptTimeout?: number;
  /** Retries in flight for all requests of this client. Default max(3, 20 % of the requests in flight). */
  readonly budget?: RetryBudgetOptions;
}

let send: AxiosAdapter | undefined;

/** Whether the body can be sent a second time: a stream is gone after the first. */
function isReplayable(data: unknown): boolean {
  return data === undefined || data === null || typeof data === 'string' || ArrayBuffer.isView(data);
}

/** Frees the connection of a response that will not be read. */
function discard(error: unknown): void {
  if (!(error instanceof PassingStatus)) return;
  const { data } = error.response as AxiosResponse<Partial<Readable> | undefined>;
  data?.destroy?.();
}

function pathOf(config: InternalAxiosRequestConfig): string {
  const path = config.url ?? '/';
  const query = path.search(/[?#]/); // a query may hold what no trace should
  return query === -1 ? path : path.slice(0, query);
}

export class Attempts {
  readonly #service: string;
  readonly #peers: Peers;
  readonly #retry: ClientRetryOptions | undefined;
  readonly #budget: RetryBudget;
  readonly #clock: Clock;
  #attempts = 0;
  #retries = 0;

  /** @param options undefined: one attempt */
  constructor(
    service: string,
    peers: Peers,
    options: ClientRetryOptions | undefined,
    budget: RetryBudget,
    clock: Clock,
  ) {
    this.#service = service;
    this.#peers = peers;
    this.#retry = options;
    this.#budget = budget;
    this.#clock = clock;
  }

  get stats(): { readonly attempts: number; readonly retries: number } {
    return { attempts: this.#attempts, retries: this.#retries };
  }

  /**
   * Returns the response, with any status, or throws the last attempt's error. `patience`: milliseconds worth waiting
   * for.
   */
  async run(config: InternalAxiosRequestConfig, signal: AbortSignal, patience: number): Promise<AxiosResponse> {
    const { retries, base, cap, attemptTimeout } = this.#retry ?? { retries: 0 };
    const idempotent = isIdempotent(config.method ?? 'GET');
    const tried = new Set<string>();
    try {
      return await retryUnchecked((attemptSignal, attempt) => this.#attempt(config, attemptSignal, attempt, tried), {
        retries: isReplayable(config.data) ? retries : 0,
        base,
        cap,
        attemptTimeout,
        budget: this.#budget,
        signal,
        clock: this.#clock,
        isRetryable: (error) => isWorthRetrying(error, idempotent) && (retryAfterOf(error) ?? 0) < patience,
        retryAfter: retryAfterOf,
        onRetry: (error) => {
          this.#retries++;
          discard(error);
        },
      });
    } catch (error) {
      if (error instanceof PassingStatus) return error.response; // the last one stands: an answer, not an error
      throw error;
    }
  }

  async #attempt(
    config: InternalAxiosRequestConfig,
    signal: AbortSignal,
    attempt: number,
    tried: Set<string>,
  ): Promise<AxiosResponse> {
    const peer = this.#peers.take(config.baseURL, tried);
    this.#attempts++;
    const span = this.#startSpan(config, peer, attempt);
    const started = this.#clock.now();
    try {
      const response = await (send ??= axiosNow().getAdapter('http'))(this.#attemptConfig(config, peer, signal, span));
      const outcome = judgeResponse(response);
      peer.permit?.end(outcome);
      peer.report(this.#clock.now() - started, outcome !== 'failure');
      span?.setAttribute('http.response.status_code', response.status);
      span?.end(outcome === 'failure' ? new Error(`answered ${response.status}`) : undefined);
      if (isPassingStatus(response.status)) throw new PassingStatus(response);
      return response;
    } catch (error) {
      if (error instanceof PassingStatus) throw error;
      const cause: unknown = signal.aborted ? signal.reason : error;
      // A request that the caller aborted proves nothing about the peer, even if the abort reason is an error.
      const outcome = config.signal?.aborted === true ? 'ignored' : judgeError(cause);
      peer.permit?.end(outcome);
      if (outcome === 'failure') peer.report(this.#clock.now() - started, false);
      span?.end(cause);
      throw cause;
    }
  }

  #startSpan(config: InternalAxiosRequestConfig, { origin }: Peer, attempt: number): RecordedSpan | undefined {
    return startSpan('http.client', {
      'peer.service': this.#service,
      'http.request.method': config.method?.toUpperCase() ?? 'GET',
      'url.path': pathOf(config),
      'server.address': origin,
      ...(attempt > 1 && { 'http.request.resend_count': attempt - 1 }),
    });
  }

  /** The request as this attempt sends it: deadlines are the signal's, statuses are judged here. */
  #attemptConfig(
    config: InternalAxiosRequestConfig,
    { origin }: Peer,
    signal: AbortSignal,
    span: RecordedSpan | undefined,
  ): InternalAxiosRequestConfig {
    const fields: Record<string, string | string[] | undefined> = {};
    if (span === undefined) injectTrace(fields);
    else span.inject(fields);
    const headers = axiosNow().AxiosHeaders.concat(config.headers);
    for (const [name, value] of Object.entries(fields)) if (value !== undefined) headers.set(name, value);
    return {
      ...config,
      baseURL: config.baseURL ?? origin,
      headers,
      signal,
      timeout: 0,
      validateStatus: () => true,
    };
  }
}
