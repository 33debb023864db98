/** The checks and the defaults of the options of `proxyBalanced`. */
import { ALGORITHM_NAMES } from '../routing/algorithms/index.js';
import type { RetrySettings } from '../routing/forwarding/forwarder-core.js';
import type { CookieRewrites } from '../routing/forwarding/response-rewrites.js';
import type { UpstreamOptions } from '../routing/forwarding/upstream-call.js';
import type { IntelligentRouter } from '../routing/intelligent-router.js';
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
import { func, having, milliseconds, number, object, oneOf, positive, recordOf, string } from '../shared/options.js';
import type { HedgeOptions, MirrorOptions, ProxyBalancedOptions, RetryOptions } from './proxy-balanced-types.js';

const WHO = 'proxyBalanced';
/** Options for a router of its own. A given router has its own options. */
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

/** @throws TypeError or RangeError for an unknown or invalid option, or if both `targets` and `router` are missing */
export function checkProxyOptions(options: ProxyBalancedOptions): ProxyBalancedOptions {
  const checked = checkOptions(WHO, options, {
    targets: anyOf(array, having('a target source', 'subscribe', 'close')),
    service: anyOf(string, func),
    router: anyOf(having('an IntelligentRouter', 'acquire', 'follow', 'onTargetChange'), func),
    algorithm: oneOf(...ALGORITHM_NAMES),
    prefix: string,
    rewrite: func,
    changeOrigin: boolean,
    preserveHeaderCase: boolean,
    allowClientFields: arrayOf(string),
    onRequestHeaders: func,
    onResponseHeaders: func,
    transformResponse: func,
    maxTransformedBody: count(),
    rewriteLocation: anyOf(boolean, func),
    rewriteCookies: object('{ domain, path }'),
    onError: anyOf(oneOf('next'), func),
    mirror: object('{ target }'),
    dispatcher: having('an undici dispatcher', 'dispatch'),
    retry: anyOf(oneOf(false), object()),
    retryBudget: object('{ ratio, min }'),
    hedge: object('{ delay }'),
    timeout: anyOf(positive, func),
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
  if (typeof checked.service === 'function' && !isRouter(checked.router)) {
    throw new TypeError(`${WHO}: a function as 'service' needs a 'router' that knows the services`);
  }
  if (!isRouter(checked.router)) return checked;
  for (const name of OF_OWN_ROUTER) {
    if (checked[name] !== undefined)
      throw new TypeError(`${WHO}: option '${name}' belongs to the router that is given`);
  }
  return checked;
}

/** The given router, if it is not a function that chooses targets. */
export function isRouter(router: ProxyBalancedOptions['router']): router is IntelligentRouter {
  return router !== undefined && typeof router !== 'function';
}

export function resolveRetry(options: RetryOptions | false = {}): RetrySettings {
  const checked = checkOptions(`${WHO}: retry`, options === false ? { attempts: 1 } : options, {
    attempts: count(),
    statuses: arrayOf(number({ min: 400, max: 599, integer: true })),
    methods: arrayOf({ ...string, range: (name: string) => /^[A-Z-]+$/.test(name), expected: 'a method in capitals' }),
    backoff: milliseconds,
    maxBackoff: milliseconds,
  });
  return {
    attempts: checked.attempts ?? 3,
    statuses: new Set(checked.statuses ?? RETRIED_STATUSES),
    methods: checked.methods && new Set(checked.methods),
    backoff: checked.backoff ?? 25,
    maxBackoff: checked.maxBackoff ?? 250,
  };
}

export function checkHedge(options: HedgeOptions | undefined): HedgeOptions | undefined {
  return options && checkOptions(`${WHO}: hedge`, options, { delay: positive });
}

export function resolveUpstream(options: ProxyBalancedOptions): UpstreamOptions {
  const { maxConnections, maxQueue, connectTimeout, keepAliveTimeout, maxHeaderSize, http2, tls, dispatcher } = options;
  return {
    maxConnections: maxConnections ?? 256,
    maxQueue: maxQueue ?? 1024,
    connectTimeout: connectTimeout ?? 2000,
    keepAliveTimeout: keepAliveTimeout ?? 4000,
    maxHeaderSize: maxHeaderSize ?? 16_384,
    http2: http2 ?? false,
    tls,
    dispatcher,
  };
}

export function checkMirror(options: MirrorOptions | undefined): MirrorOptions | undefined {
  if (options === undefined) return undefined;
  const checked = checkOptions(`${WHO}: mirror`, options, {
    target: anyOf(string, object('a target')),
    ratio: number({ min: 0, max: 1 }),
    maxInFlight: count(),
  });
  if (checked.target === undefined) throw new TypeError(`${WHO}: mirror: option 'target' is missing`);
  return checked;
}

export function checkCookieRewrites(options: CookieRewrites | undefined): CookieRewrites | undefined {
  const rule = anyOf({ expected: 'a string', type: (value) => typeof value === 'string' }, recordOf(anything));
  return options && checkOptions(`${WHO}: rewriteCookies`, options, { domain: rule, path: rule });
}
