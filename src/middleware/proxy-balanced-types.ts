/** The public options of `proxyBalanced`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import type { CheckSettings } from '../health/index.js';
import type { AlgorithmName } from '../routing/algorithms/index.js';
import type { RequestFieldsHook } from '../routing/forwarding/incoming.js';
import type { CookieRewrites, ResponseFieldsHook } from '../routing/forwarding/response-rewrites.js';
import type { BodyTransform } from '../routing/forwarding/transform-relay.js';
import type { TlsOptions } from '../routing/forwarding/upstream-call.js';
import type { IntelligentRouter } from '../routing/intelligent-router.js';
import type { OutlierOptions } from '../routing/outlier-detector.js';
import type { TargetSource } from '../routing/sources/target-source.js';
import type { StickyOptions } from '../routing/sticky-sessions.js';
import type { TargetSpec, TargetUrl } from '../routing/target.js';
import type { Random } from '../shared/backoff.js';
import type { CircuitBreakerOptions } from '../shared/circuit-breaker.js';
import type { TrustProxy } from '../shared/client-address.js';
import type { Clock } from '../shared/clock.js';
import type { NextFunction } from '../shared/http.js';
import type { RetryBudgetOptions } from '../shared/retry-budget.js';

/** The number of attempts and the delay between them. */
export interface RetryOptions {
  /** The number of attempts, including the first, each at another instance. Default 3; 1 disables retries. */
  readonly attempts?: number;
  /** Response statuses after which a safe request is retried at another instance. Default 500, 502, 503, 504. */
  readonly statuses?: readonly number[];
  /**
   * Methods that may be sent to another instance while the first may still be processing them: by `hedge`, by
   * `statuses`, or because the first instance is frozen. Default: the safe methods GET, HEAD, OPTIONS, TRACE, PROPFIND,
   * REPORT, SEARCH and QUERY. PUT and DELETE are otherwise retried only if their connection broke before the first byte
   * of a response.
   */
  readonly methods?: readonly string[];
  /** Milliseconds: the n-th retry waits a random part of (2^n − 1) times this value. Default 25. */
  readonly backoff?: number;
  /** The longest delay of a retry in milliseconds. Default 250. */
  readonly maxBackoff?: number;
}

/** When a slow attempt is hedged by a second attempt. */
export interface HedgeOptions {
  /** Milliseconds without a response head after which a safe request is also sent to another instance. */
  readonly delay: number;
}

/** The target of copied requests, and how many are copied. */
export interface MirrorOptions {
  /** The target that receives the copies. */
  readonly target: string | TargetUrl | TargetSpec;
  /** The share of the requests that are copied, from 0 to 1. Default 1. */
  readonly ratio?: number;
  /** The most copies in flight. At this number, requests are not copied. Default 64. */
  readonly maxInFlight?: number;
}

/** Answers a request that could not be forwarded, in place of a problem document. */
export type ProxyErrorHandler<
  Req extends IncomingMessage = IncomingMessage,
  Res extends ServerResponse = ServerResponse,
> = (error: unknown, req: Req, res: Res, next: NextFunction) => void;

/** The targets, the retries, and the limits of a proxy. */
export interface ProxyBalancedOptions<
  Req extends IncomingMessage = IncomingMessage,
  Res extends ServerResponse = ServerResponse,
> {
  /** The instances, or a source that lists them. By default, the instances that the `router` has for `service`. */
  readonly targets?: ReadonlyArray<string | TargetUrl | TargetSpec> | TargetSource;
  /**
   * The name of the service in the router, in errors and in statistics. Default 'upstream'. With a shared `router` it
   * may also be a function that chooses the service of each request.
   */
  readonly service?: string | ((req: Req) => string);
  /**
   * A router shared with other proxies, or a function that chooses the target of each request. If the function returns
   * `undefined`, `targets` are used. The last 1000 different targets are kept. Default: its own router, closed with the
   * proxy.
   */
  readonly router?: IntelligentRouter | ((req: Req) => string | TargetUrl | undefined);
  /** For a router of its own. Default 'p2c-ewma'. */
  readonly algorithm?: AlgorithmName;
  /**
   * Forward only requests for this path or paths below it. The next handler receives the others. Default: forward all.
   */
  readonly prefix?: string;
  /** Changes the path and query sent upstream. Default: as the middleware sees them, without the path it is mounted at. */
  readonly rewrite?: (path: string, req: Req) => string;
  /** Send the target's own host as `Host`; the client's stays in `X-Forwarded-Host`. Default false: `Host` passes. */
  readonly changeOrigin?: boolean;
  /** Write field names in the case that the client and the instance used, and not in lowercase. Default false. */
  readonly preserveHeaderCase?: boolean;
  /**
   * Lowercase names of fields such as `x-client-version` that are forwarded although they look like a proxy's. Default:
   * none.
   */
  readonly allowClientFields?: readonly string[];
  /** Sees, and may change, the fields of each request that is sent. Framing fields are not its to change. */
  readonly onRequestHeaders?: RequestFieldsHook<Req>;
  /** Sees, and may change, the fields of each answer. Framing fields are not its to change. */
  readonly onResponseHeaders?: ResponseFieldsHook<Req>;
  /**
   * Changes whole response bodies of up to `maxTransformedBody` bytes. The instance is asked not to encode them.
   * Encoded, partial and larger bodies and event streams pass unchanged.
   */
  readonly transformResponse?: BodyTransform<Req, Res>;
  /** Bytes of a body that `transformResponse` may be given. Default 1 048 576. */
  readonly maxTransformedBody?: number;
  /** Make `Location` and `Content-Location` at the instance locations here; or change them by a function. Default false. */
  readonly rewriteLocation?: boolean | ((location: string, req: Req) => string);
  /** Change `Domain` and `Path` of the cookies an instance sets. Default: they pass. */
  readonly rewriteCookies?: CookieRewrites;
  /**
   * How errors of forwarding are answered: 'next' calls `next(error)`, for the error middleware of the application. A
   * function sends the response itself. The error of an expected refusal (`QUEUE_FULL`, `NO_TARGET_AVAILABLE`) has no stack
   * frames. Default: a problem document.
   */
  readonly onError?: 'next' | ProxyErrorHandler<Req, Res>;
  /** Sends copies of requests to a second target, whose answers are thrown away. Bodies that stream are not copied. */
  readonly mirror?: MirrorOptions;
  /** Sends ordinary requests in place of the proxy's own connections. It is not closed with the proxy. */
  readonly dispatcher?: Dispatcher;
  /**
   * Active health checks of the instances, `true` with defaults: every 2 s, unhealthy after 2 failures, GET /health.
   * Only with its own router; a shared router has its `monitor`. Default: no active checks, only responses decide.
   */
  readonly health?: boolean | CheckSettings;
  /** Retries at other instances; `false` disables them. Default: up to 3 attempts in total. */
  readonly retry?: RetryOptions | false;
  /** The largest number of concurrent retries, relative to the requests in flight. */
  readonly retryBudget?: RetryBudgetOptions;
  /** A second attempt while the first is slow. Default: disabled. */
  readonly hedge?: HedgeOptions;
  /**
   * Milliseconds until the response head, over all attempts. A function returns the value for each request, or
   * `undefined` for the default. Default 30 000.
   */
  readonly timeout?: number | ((req: Req) => number | undefined);
  /**
   * Milliseconds that a request waits if the service has no available instance. Requests are then not lost while an
   * instance restarts. At most `maxQueue` requests wait. Default 0: an error at once.
   */
  readonly targetTimeout?: number;
  /** The longest pause of a response body in milliseconds. Event streams may pause for any time. Default 300 000. */
  readonly idleTimeout?: number;
  /** The connect timeout in milliseconds. Default 2000. */
  readonly connectTimeout?: number;
  /** Milliseconds an idle connection is kept. Default 4000, below the 5 s of a Node server. */
  readonly keepAliveTimeout?: number;
  /** The most connections to one instance. Default 256. */
  readonly maxConnections?: number;
  /** The most requests that wait for a connection to one instance. Default 1024. */
  readonly maxQueue?: number;
  /** The most bytes of a request body that are kept for another attempt. Default 65 536. */
  readonly maxBodyBuffer?: number;
  /** The most bytes of the header fields of a response. Default 16 384. */
  readonly maxHeaderSize?: number;
  /** Keep each session at its instance. Default: disabled. */
  readonly sticky?: StickyOptions;
  /** What 'ip-hash' and 'consistent-hash' hash. Default: the client's address. */
  readonly key?: (req: Req) => string | undefined;
  /** For a router of its own, as in IntelligentRouter. */
  readonly circuitBreaker?: CircuitBreakerOptions | false;
  /** The responses that eject an instance, and the duration of the ejection; `false` disables ejection. */
  readonly outlier?: OutlierOptions | false;
  /** Milliseconds in which an instance that joins or returns reaches its whole weight. Default 0. */
  readonly slowStart?: number;
  /** If the share of usable instances is below this, unhealthy and ejected instances are used too. Default 0.5. */
  readonly panicThreshold?: number;
  /** The zone of the router. Instances in it are preferred. Default: none. */
  readonly zone?: string;
  /** The peers whose `X-Forwarded-*` and `Forwarded` are trusted and extended. Default: none. */
  readonly trustProxy?: TrustProxy;
  /** TLS settings for `https:` targets. */
  readonly tls?: TlsOptions;
  /** Use HTTP/2 for `https:` targets that support it. Default false. */
  readonly http2?: boolean;
  /** Forward upgrades. Default true. */
  readonly webSocket?: boolean;
  /** The most upgraded connections open at once. Default 10 000. */
  readonly maxUpgraded?: number;
  /** The clock for times and timers. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** The source of random numbers. Default `Math.random`. */
  readonly random?: Random;
}
