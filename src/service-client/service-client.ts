/** A client for one other service: an axios instance with tracing, retries, circuit breakers and collapsed requests. */
// eslint-disable-next-line @typescript-eslint/ban-ts-comment -- an error cannot be expected: it depends on the user's packages
/** @ts-ignore: axios is an optional peer. Where it is not installed, its types are `any`, also in the declarations. */
import type { AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import { Agent as HttpAgent } from 'node:http';
import type { CircuitBreakerOptions, CircuitState } from '../shared/circuit-breaker.js';
import { monotonicClock, type Clock } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';
import { withPresentNames } from '../shared/former-options.js';
import { axiosNow, isAxiosCancel, isAxiosError } from '../shared/lazy-axios.js';
import { nodeModule } from '../shared/node-modules.js';
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
import { SECRET_FIELDS, conceal, splitCredentials } from './concealment.js';
import { isTimeout, startDeadline } from './deadline.js';
import { deferredAxios } from './deferred-axios.js';
import { Peers, type CircuitChange, type ServiceRouter } from './peers.js';
import { RequestDeduplicator } from './request-deduplicator.js';
import { FORMER_RETRY_NAMES } from './retry.js';

/** The address of the service and the handling of failures. */
export interface ServiceClientOptions {
  /** The address of the service. Set this or `router`. */
  readonly baseURL?: string;
  /** Names the instance for each attempt. This or `baseURL`. */
  readonly router?: ServiceRouter;
  /** How idempotent requests are tried again (any, where nothing was sent); false: never. */
  readonly retry?: ClientRetryOptions | false;
  /** The breaker of each peer; false: none. */
  readonly circuitBreaker?: CircuitBreakerOptions | false;
  /** Whether identical GETs at the same time are one. Default true. */
  readonly dedupe?: boolean;
  /** Milliseconds for a request with all its attempts; a request's own `timeout` overrides it. Default 10 000. */
  readonly timeout?: number;
  /** Bytes of a response, decompressed, above which it fails. Default 10 MiB. */
  readonly maxContentLength?: number;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** Calls since the start. */
export interface ServiceClientStats {
  readonly service: string;
  /** Requests made with the client, and how many of them joined another request. */
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

/** An axios instance with the statistics and the circuits of its service. */
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
  const named = withPresentNames<ClientRetryOptions>('serviceClient: retry', retry, FORMER_RETRY_NAMES);
  return checkOptions<ClientRetryOptions>('serviceClient: retry', named, {
    retries: count(0),
    base: milliseconds,
    cap: milliseconds,
    attemptTimeout: positive,
    budget: object('{ ratio, min }'),
  });
}

/** Applies axios' own status check for each caller, because the shared request accepts every status. */
function settle(response: AxiosResponse, config: InternalAxiosRequestConfig): AxiosResponse {
  const { status } = response;
  response.config = config;
  if (!config.validateStatus || config.validateStatus(status)) return response;
  const { AxiosError } = axiosNow();
  const code = status < 500 ? AxiosError.ERR_BAD_REQUEST : AxiosError.ERR_BAD_RESPONSE;
  throw new AxiosError(`Request failed with status code ${status}`, code, config, response.request, response);
}

/** An error as axios would have raised it for this caller; those of this kit stay what they are. */
function ownError(error: unknown, config: InternalAxiosRequestConfig, timeout: number): unknown {
  const { AxiosError, CanceledError } = axiosNow();
  if (config.signal?.aborted === true) return new CanceledError(undefined, config);
  if (isTimeout(error)) {
    const code = config.transitional?.clarifyTimeoutError === true ? AxiosError.ETIMEDOUT : AxiosError.ECONNABORTED;
    const timedOut = new AxiosError(`timeout of ${timeout}ms exceeded`, code, config);
    timedOut.cause = error as Error;
    return timedOut;
  }
  if (!isAxiosError(error) || isAxiosCancel(error) || error.config === config) return error;
  return AxiosError.from(new Error(messageOf(error), { cause: error }), error.code, config, error.request);
}

/**
 * An axios instance for one service. Every request carries the current trace. Idempotent requests are retried on
 * connection errors, 502, 503 and 504, within one deadline and a retry budget; the service's Retry-After is respected.
 * Each peer has its own breaker. Identical GETs at the same time are sent once.
 *
 * It deliberately differs from axios' defaults: it follows no redirects, takes no proxy from the environment, and
 * bounds the response. An absolute URL does not lead to another host.
 *
 * Errors are axios' own (`error.response`, `error.code`), and ResilienceError CIRCUIT_OPEN or NO_TARGET_AVAILABLE.
 * axios must be installed beside this package. Without it, every request rejects with ResilienceError PACKAGE_MISSING.
 * `upstreamError(error)` converts each of them to the error for this service's own client.
 *
 * @param name of the service, in errors, spans and for the router
 * @throws TypeError or RangeError for a wrong option
 *
 * @example
 * import { serviceClient } from '@tooloo/resilience';
 *
 * const billing = serviceClient('billing', { baseURL: 'http://billing:3000', timeout: 2000 });
 * const { data } = await billing.get('/invoices/7');
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
  const agents = {
    httpAgent: new HttpAgent(agentOptions),
    httpsAgent: new (nodeModule('node:https').Agent)(agentOptions),
  };
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

  const place = baseURL === undefined ? undefined : splitCredentials(baseURL);
  const client = deferredAxios({
    ...(place !== undefined && { baseURL: place.url, ...(place.auth && { auth: place.auth }) }),
    redact: [...SECRET_FIELDS],
    ...agents,
    proxy: false,
    allowAbsoluteUrls: false,
    maxRedirects: 0,
    maxContentLength: checked.maxContentLength ?? DEFAULT_MAX_CONTENT,
    timeout,
    adapter,
  });

  // The first to see every failure, also of a call that axios cancelled before it began.
  client.interceptors.response.use(undefined, (error: Error) => Promise.reject(conceal(error)));

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
