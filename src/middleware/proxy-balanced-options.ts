/** The options of `proxyBalanced`, and their defaults. */
import type { IncomingMessage } from 'node:http';
import type { CheckSettings } from '../health/index.js';
import { ALGORITHM_NAMES, type AlgorithmName } from '../routing/algorithms/index.js';
import type { TlsOptions, UpstreamOptions } from '../routing/forwarding/upstream.js';
import type { IntelligentRouter } from '../routing/intelligent-router.js';
import type { OutlierOptions } from '../routing/outlier-detector.js';
import type { TargetSource } from '../routing/sources/target-source.js';
import type { StickyOptions } from '../routing/sticky-sessions.js';
import type { TargetSpec, TargetUrl } from '../routing/target.js';
import type { Random } from '../shared/backoff.js';
import type { CircuitBreakerOptions } from '../shared/circuit-breaker.js';
import type { TrustProxy } from '../shared/client-address.js';
import type { Clock } from '../shared/clock.js';
import {
  anyOf,
  anything,
  array,
  arrayOf,
  boolean,
  checkOptions,
  clock as clockCheck,
  count,
} from '../shared/options.js';
import { func, having, milliseconds, number, object, oneOf, positive, string } from '../shared/options.js';
import type { RetryBudgetOptions } from '../shared/retry-budget.js';

/** How often, and how far apart. */
export interface RetryOptions {
  /** Attempts in all, the first included, each at another instance. Default 3; 1 never retries. */
  readonly attempts?: number;
  /** Statuses of idempotent requests that are worth asking another instance. Default 500, 502, 503, 504. */
  readonly statuses?: readonly number[];
  /** Milliseconds: the n-th retry waits a random part of (2^n − 1) times this. Default 25. */
  readonly backoff?: number;
  /** Milliseconds a retry waits at most. Default 250. */
  readonly maxBackoff?: number;
}

/** When a slow attempt gets a second one beside it. */
export interface HedgeOptions {
  /** Milliseconds without a response head after which an idempotent request is sent to another instance too. */
  readonly delay: number;
}

/** Where requests go, what is tried again, and every bound on the way. */
export interface ProxyBalancedOptions {
  /** The instances, or a source that tells of them. Without it, those the `router` has for `service`. */
  readonly targets?: ReadonlyArray<string | TargetUrl | TargetSpec> | TargetSource;
  /** Name of the service: in the router, in errors, in statistics. Default 'upstream'. */
  readonly service?: string;
  /** A router shared with others. Default: one of its own, closed with it. */
  readonly router?: IntelligentRouter;
  /** For a router of its own. Default 'p2c-ewma'. */
  readonly algorithm?: AlgorithmName;
  /** Forward only requests whose path is this or below it, and leave the others to the next handler. Default: all. */
  readonly prefix?: string;
  /** Changes the path and query sent upstream. Default: as the middleware sees them, without the path it is mounted at. */
  readonly rewrite?: (path: string, req: IncomingMessage) => string;
  /**
   * Active checks of the instances, `true` with defaults: every 2 s, unhealthy after 2 failures, GET /health. Only with
   * a router of its own; a shared one has its `monitor`. Default: none, answers alone decide.
   */
  readonly health?: boolean | CheckSettings;
  /** Further attempts at other instances; `false` for none. Default: up to 3 attempts in all. */
  readonly retry?: RetryOptions | false;
  /** How many retries there may be at once, by the requests in flight. */
  readonly retryBudget?: RetryBudgetOptions;
  /** A second attempt beside one that is slow. Default: none. */
  readonly hedge?: HedgeOptions;
  /** Milliseconds until the head of the response, all attempts included. Default 30 000. */
  readonly timeout?: number;
  /**
   * Milliseconds a request waits for an instance while the service has none that may be asked: one that restarts loses
   * nothing then. As many wait as `maxQueue` says. Default 0: 503 at once.
   */
  readonly targetTimeout?: number;
  /** Milliseconds a response may pause; event streams may pause for ever. Default 300 000. */
  readonly idleTimeout?: number;
  /** Milliseconds to connect. Default 2000. */
  readonly connectTimeout?: number;
  /** Milliseconds an idle connection is kept. Default 4000, below the 5 s of a Node server. */
  readonly keepAliveTimeout?: number;
  /** Connections to one instance. Default 256. */
  readonly maxConnections?: number;
  /** Requests waiting for a connection to one instance. Default 1024. */
  readonly maxQueue?: number;
  /** Bytes of a request body that are kept for another attempt. Default 65 536. */
  readonly maxBodyBuffer?: number;
  /** Bytes of a response's header fields. Default 16 384. */
  readonly maxHeaderSize?: number;
  /** Keep sessions with their instance. Default: no. */
  readonly sticky?: StickyOptions;
  /** What 'ip-hash' and 'consistent-hash' hash. Default: the client's address. */
  readonly key?: (req: IncomingMessage) => string | undefined;
  /** For a router of its own, as in IntelligentRouter. */
  readonly circuitBreaker?: CircuitBreakerOptions | false;
  /** Which instances are set aside by their answers, and for how long; `false` for none ever. */
  readonly outlier?: OutlierOptions | false;
  /** Milliseconds an instance that joins or returns takes to reach its whole weight. Default 0. */
  readonly slowStart?: number;
  /** Below this share of usable instances, unhealthy and ejected ones are used too. Default 0.5. */
  readonly panicThreshold?: number;
  /** The own zone of the router; instances there are preferred. Default: none. */
  readonly zone?: string;
  /** Whose `X-Forwarded-*` and `Forwarded` are believed and continued. Default: nobody's. */
  readonly trustProxy?: TrustProxy;
  /** For `https:` targets. */
  readonly tls?: TlsOptions;
  /** Speak HTTP/2 to `https:` targets that offer it. Default false. */
  readonly http2?: boolean;
  /** Forward upgrades. Default true. */
  readonly webSocket?: boolean;
  /** Upgraded connections open at once. Default 10 000. */
  readonly maxUpgraded?: number;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** Where chance comes from. Default `Math.random`. */
  readonly random?: Random;
}

const WHO = 'proxyBalanced';
/** Options that make a router: one that is given has its own. */
const OF_OWN_ROUTER = [
  'algorithm',
  'health',
  'circuitBreaker',
  'outlier',
  'slowStart',
  'panicThreshold',
  'zone',
] as const;
const RETRIED_STATUSES = [500, 502, 503, 504];

/** @throws TypeError or RangeError for an unknown or wrong option, or when there is neither `targets` nor `router` */
export function checkProxyOptions(options: ProxyBalancedOptions): ProxyBalancedOptions {
  const checked = checkOptions(WHO, options, {
    targets: anyOf(array, having('a target source', 'subscribe', 'close')),
    service: string,
    router: having('an IntelligentRouter', 'acquire', 'follow', 'onTargetChange'),
    algorithm: oneOf(...ALGORITHM_NAMES),
    prefix: string,
    rewrite: func,
    retry: anyOf(oneOf(false), object()),
    retryBudget: object('{ ratio, min }'),
    hedge: object('{ delay }'),
    timeout: positive,
    targetTimeout: milliseconds,
    idleTimeout: positive,
    connectTimeout: positive,
    keepAliveTimeout: positive,
    maxConnections: count(),
    maxQueue: count(0),
    maxBodyBuffer: count(0),
    maxHeaderSize: count(),
    sticky: object(),
    key: func,
    circuitBreaker: anyOf(oneOf(false), object()),
    outlier: anyOf(oneOf(false), object()),
    slowStart: milliseconds,
    panicThreshold: number({ min: 0, max: 1 }),
    zone: string,
    trustProxy: anything, // checked where it is compiled
    tls: object(),
    http2: boolean,
    webSocket: boolean,
    maxUpgraded: count(),
    health: anyOf(boolean, object()),
    clock: clockCheck,
    random: func,
  });
  if (checked.targets === undefined && checked.router === undefined) {
    throw new TypeError(`${WHO}: expected 'targets', or a 'service' of a 'router'`);
  }
  if (checked.router === undefined) return checked;
  for (const name of OF_OWN_ROUTER) {
    if (checked[name] !== undefined)
      throw new TypeError(`${WHO}: option '${name}' belongs to the router that is given`);
  }
  return checked;
}

export function resolveRetry(options: RetryOptions | false = {}): {
  readonly attempts: number;
  readonly statuses: ReadonlySet<number>;
  readonly backoff: number;
  readonly maxBackoff: number;
} {
  const checked = checkOptions(`${WHO}: retry`, options === false ? { attempts: 1 } : options, {
    attempts: count(),
    statuses: arrayOf(number({ min: 400, max: 599, integer: true })),
    backoff: milliseconds,
    maxBackoff: milliseconds,
  });
  return {
    attempts: checked.attempts ?? 3,
    statuses: new Set(checked.statuses ?? RETRIED_STATUSES),
    backoff: checked.backoff ?? 25,
    maxBackoff: checked.maxBackoff ?? 250,
  };
}

export function checkHedge(options: HedgeOptions | undefined): HedgeOptions | undefined {
  return options && checkOptions(`${WHO}: hedge`, options, { delay: positive });
}

export function resolveUpstream(options: ProxyBalancedOptions): UpstreamOptions {
  const { maxConnections, maxQueue, connectTimeout, keepAliveTimeout, maxHeaderSize, http2, tls } = options;
  return {
    maxConnections: maxConnections ?? 256,
    maxQueue: maxQueue ?? 1024,
    connectTimeout: connectTimeout ?? 2000,
    keepAliveTimeout: keepAliveTimeout ?? 4000,
    maxHeaderSize: maxHeaderSize ?? 16_384,
    http2: http2 ?? false,
    tls,
  };
}
