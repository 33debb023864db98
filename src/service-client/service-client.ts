/** A client for one other service: an axios instance whose requests carry the trace, retry, break and collapse. */
import axios, {
  AxiosError,
  CanceledError,
  type AxiosInstance,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from 'axios';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { CircuitBreakerOptions, CircuitState } from '../shared/circuit-breaker.js';
import { monotonicClock, type Clock } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';
import {
  anyOf,
  boolean,
  checkOptions,
  checkValue,
  clock,
  count,
  having,
  milliseconds,
  number,
  object,
  oneOf,
  positive,
  string,
} from '../shared/options.js';
import { RetryBudget } from '../shared/retry-budget.js';
import { Attempts, type ClientRetryOptions } from './attempts.js';
import { isShareable, ownResponse, shareKey } from './collapsing.js';
import { isTimeout, startDeadline } from './deadline.js';
import { Peers, type CircuitChange, type ServiceRouter } from './peers.js';
import { RequestDeduplicator } from './request-deduplicator.js';

/** Where the service is and what is done when it does not answer. */
export interface ServiceClientOptions {
  /** Where the service is. This or `router`. */
  readonly baseURL?: string;
  /** Names the instance for each attempt. This or `baseURL`. */
  readonly router?: ServiceRouter;
  /** How idempotent requests are tried again (any, where nothing was sent); false: never. */
  readonly retry?: ClientRetryOptions | false;
  /** The breaker of each peer; false: none. */
  readonly circuitBreaker?: CircuitBreakerOptions | false;
  /** Whether identical GETs at the same time are one. Default true. */
  readonly dedupe?: boolean;
  /** Milliseconds for a request with all its attempts; a request's own `timeout` goes before. Default 10 000. */
  readonly timeout?: number;
  /** Bytes of a response, decompressed, above which it fails. Default 10 MiB. */
  readonly maxContentLength?: number;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** Calls since the start. */
export interface ServiceClientStats {
  readonly service: string;
  /** Requests made of the client, and how many joined another's. */
  readonly requests: number;
  readonly shared: number;
  /** Attempts sent, and how many of them were retries. */
  readonly attempts: number;
  readonly retries: number;
  /** Requests in flight. */
  readonly active: number;
  /** Circuits by peer, e.g. `{ 'http://127.0.0.1:3008': 'closed' }`. */
  readonly circuits: Readonly<Record<string, CircuitState>>;
}

export type ServiceClient = AxiosInstance & {
  readonly service: string;
  getStats(): ServiceClientStats;
  /** Calls back when a peer's circuit opens, half-opens or closes. Returns what ends the subscription. */
  onCircuitChange(callback: (change: CircuitChange) => unknown): () => void;
  /** Closes idle connections; requests in flight finish. Idempotent. */
  close(): void;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Node's servers close idle connections after 5 s; a client that does so first never writes into a closing one. */
const IDLE_TIMEOUT = 4000;
const MAX_SOCKETS = 256;
const DEFAULT_MAX_CONTENT = 10 * 2 ** 20;

function checkRetry(retry: ServiceClientOptions['retry']): ClientRetryOptions | undefined {
  if (retry === false) return undefined;
  return checkOptions<ClientRetryOptions>('serviceClient: retry', retry, {
    retries: count(0),
    base: milliseconds,
    cap: milliseconds,
    attemptTimeout: positive,
    budget: object('{ ratio, min }'),
  });
}

/** axios' own verdict, made for each caller: the shared request takes every status. */
function settle(response: AxiosResponse, config: InternalAxiosRequestConfig): AxiosResponse {
  const { status } = response;
  response.config = config;
  if (!config.validateStatus || config.validateStatus(status)) return response;
  const code = status < 500 ? AxiosError.ERR_BAD_REQUEST : AxiosError.ERR_BAD_RESPONSE;
  throw new AxiosError(`Request failed with status code ${status}`, code, config, response.request, response);
}

/** An error as axios would have raised it for this caller; those of this kit stay what they are. */
function ownError(error: unknown, config: InternalAxiosRequestConfig, timeout: number): unknown {
  if (config.signal?.aborted === true) return new CanceledError(undefined, config);
  if (isTimeout(error)) {
    const code = config.transitional?.clarifyTimeoutError === true ? AxiosError.ETIMEDOUT : AxiosError.ECONNABORTED;
    const timedOut = new AxiosError(`timeout of ${timeout}ms exceeded`, code, config);
    timedOut.cause = error as Error;
    return timedOut;
  }
  if (!axios.isAxiosError(error) || axios.isCancel(error) || error.config === config) return error;
  return AxiosError.from(new Error(messageOf(error), { cause: error }), error.code, config, error.request);
}

/**
 * An axios instance for one service. Every request carries the current trace; idempotent ones are tried again on
 * connection errors, 502, 503 and 504, within one deadline, a budget and the service's Retry-After; each peer has its
 * breaker; identical GETs at the same time are sent once.
 *
 * Deliberately not axios' defaults: no redirects, no proxy from the environment, a bounded response, and an absolute
 * URL does not lead to another host.
 *
 * ```ts
 * const reports = serviceClient('reports', { baseURL: 'http://127.0.0.1:3008' });
 * const { data } = await reports.get('/api/v1/reports/trends', { params: { days: 7 } });
 * ```
 *
 * Errors are axios' own (`error.response`, `error.code`), and ResilienceError CIRCUIT_OPEN or NO_TARGET_AVAILABLE;
 * `upstreamError(error)` turns any of them into what our own client is to be told.
 *
 * @param name of the service, in errors, spans and for the router
 * @throws TypeError or RangeError for a wrong option
 */
export function serviceClient(name: string, options: ServiceClientOptions): ServiceClient {
  checkValue('serviceClient: name', name, string);
  const checked = checkOptions('serviceClient', options, {
    baseURL: { ...string, expected: 'an http or https URL', range: (text: string) => /^https?:\/\/./i.test(text) },
    router: having('a router', 'routeRequest', 'recordLatency'),
    retry: anyOf(object('an object of options'), oneOf(false)),
    circuitBreaker: anyOf(object('an object of options'), oneOf(false)),
    dedupe: boolean,
    timeout: positive,
    maxContentLength: number({ min: 1 }),
    clock,
  });
  const { baseURL, router, timeout = 10_000, dedupe = true, clock: time = monotonicClock } = checked;
  if ((baseURL === undefined) === (router === undefined)) {
    throw new TypeError(`serviceClient: expected one of the options 'baseURL' and 'router'`);
  }
  const breaker = checked.circuitBreaker === false ? undefined : { clock: time, ...checked.circuitBreaker };
  const peers = new Peers(name, router, breaker);
  const retry = checkRetry(checked.retry);
  const budget = new RetryBudget(retry?.budget);
  const attempts = new Attempts(name, peers, retry, budget, time);
  const collapsed = new RequestDeduplicator<AxiosResponse>({ copy: ownResponse });
  const agentOptions = { keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_TIMEOUT };
  const agents = { httpAgent: new HttpAgent(agentOptions), httpsAgent: new HttpsAgent(agentOptions) };
  let requests = 0;

  async function adapter(config: InternalAxiosRequestConfig): Promise<AxiosResponse> {
    requests++;
    const limit = config.timeout || timeout;
    const deadline = startDeadline(time, limit, config.signal as AbortSignal | undefined);
    try {
      const share = dedupe && isShareable(config, client.defaults as Readonly<Record<string, unknown>>);
      const response = share
        ? await collapsed.run(shareKey(config), (signal) => attempts.run(config, signal, limit), {
            signal: deadline.signal,
          })
        : await attempts.run(config, deadline.signal, limit);
      return settle(response, config);
    } catch (error) {
      throw ownError(error, config, limit);
    } finally {
      deadline.release();
    }
  }

  const client = axios.create({
    ...(baseURL !== undefined && { baseURL }),
    ...agents,
    proxy: false,
    allowAbsoluteUrls: false,
    maxRedirects: 0,
    maxContentLength: checked.maxContentLength ?? DEFAULT_MAX_CONTENT,
    timeout,
    adapter,
  });

  const close = (): void => {
    agents.httpAgent.destroy();
    agents.httpsAgent.destroy();
    peers.close();
  };

  return Object.assign(client, {
    service: name,
    getStats(): ServiceClientStats {
      const { shared } = collapsed.getStats();
      return { service: name, requests, shared, ...attempts.stats, active: budget.active, circuits: peers.circuits() };
    },
    onCircuitChange: (callback: (change: CircuitChange) => unknown) => peers.onCircuitChange(callback),
    close,
    [Symbol.asyncDispose]: () => Promise.resolve(close()),
  });
}
