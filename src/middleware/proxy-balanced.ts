/** `proxyBalanced`: forwards requests to the instances of a service, and to another instance if one fails. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { afterEarlierResponses } from '../routing/forwarding/earlier-responses.js';
import type { ForwarderCore } from '../routing/forwarding/forwarder-core.js';
import { Forwarder } from '../routing/forwarding/forwarder.js';
import { Door, isLastForward } from '../routing/forwarding/incoming.js';
import { Mirror } from '../routing/forwarding/mirror.js';
import { matchesPrefix } from '../routing/forwarding/request-path.js';
import { attachTo } from '../routing/forwarding/server-attachment.js';
import { refuse } from '../routing/forwarding/upgrade-answer.js';
import { UpgradeForwarder } from '../routing/forwarding/upgrade.js';
import type { IntelligentRouter } from '../routing/intelligent-router.js';
import { stickySessions } from '../routing/sticky-sessions.js';
import { isBackgroundRequest } from '../shared/background-request.js';
import { clientAddress, compileTrust } from '../shared/client-address.js';
import { monotonicClock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { prepareForExpress } from '../shared/express-shapes.js';
import type { Middleware, NextFunction } from '../shared/http.js';
import { INSPECT, type Inspection } from '../shared/inspection.js';
import { nameRouteOf } from '../shared/instrumentation.js';
import { sendError } from '../shared/problem.js';
import { warnOfFailedRequest } from '../shared/request-failure.js';
import { isPlainData, NEEDS_NO_CONTEXT } from '../shared/request-context.js';
import { inTurn } from '../shared/request-turn.js';
import { RetryBudget } from '../shared/retry-budget.js';
import {
  checkCookieRewrites,
  checkHedge,
  checkMirror,
  checkProxyOptions,
  resolveRetry,
  resolveUpstream,
} from './proxy-balanced-options.js';
import { named } from './named.js';
import { resolveRouting } from './proxy-balanced-routing.js';
import type { ProxyBalancedOptions } from './proxy-balanced-types.js';
import { requireNodeSockets } from './runtime.js';

export type {
  HedgeOptions,
  MirrorOptions,
  ProxyBalancedOptions,
  ProxyErrorHandler,
  RetryOptions,
} from './proxy-balanced-types.js';

/** The counters of the proxy, and its instances. */
export interface ProxyBalancedStats {
  readonly service: string;
  /** The number of requests in progress. */
  readonly active: number;
  /** The number of open upgraded connections. */
  readonly upgraded: number;
  readonly retries: number;
  /** Clients that disconnected before they received their response: 499 in a log. */
  readonly clientGone: number;
}

/**
 * The middleware that `proxyBalanced` returns.
 *
 * @example
 * import { proxyBalanced } from '@tooloo/resilience';
 *
 * const proxy = proxyBalanced({ targets: ['http://10.0.0.1:8080'] });
 * app.use('/api', proxy);
 * proxy.attach(server); // also forwards WebSockets
 */
export interface ProxyBalanced<
  Req extends IncomingMessage = IncomingMessage,
  Res extends ServerResponse = ServerResponse,
> {
  (req: Req, res: Res, next: NextFunction): void;
  readonly router: IntelligentRouter;
  stats(): ProxyBalancedStats;
  /** Forwards an upgrade request from the 'upgrade' event of a server. */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  /**
   * Makes a server forward upgrades to this proxy and leave `Expect: 100-continue` to the upstream.
   *
   * @returns a function that reverses this
   */
  attach(server: Server): () => void;
  /** Closes every connection to the instances, and its own router. Let the server drain first. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Middleware that forwards each request to an instance of the service and passes on its response.
 *
 * Errors are problem documents: 502 (refused, reset, invalid), 503 with Retry-After (no instance, queue full), 504.
 *
 * @throws TypeError or RangeError for an unknown or invalid option, or if both `targets` and `router` are missing
 *
 * @example
 * import { proxyBalanced } from '@tooloo/resilience';
 *
 * app.use('/api', proxyBalanced({ targets: ['http://10.0.0.1:8080', 'http://10.0.0.2:8080'] }));
 */
export function proxyBalanced<
  Req extends IncomingMessage = IncomingMessage,
  Res extends ServerResponse = ServerResponse,
>(options: ProxyBalancedOptions<Req, Res>): ProxyBalanced<Req, Res>;
export function proxyBalanced(options: ProxyBalancedOptions): ProxyBalanced {
  requireNodeSockets('proxyBalanced');
  prepareForExpress();
  const checked = checkProxyOptions(options);
  const { prefix, clock = monotonicClock, webSocket = true, allowClientFields = [] } = checked;
  const isTrusted = compileTrust(checked.trustProxy);
  const routing = resolveRouting(checked, clock);
  const { router, name } = routing;
  const sticky = checked.sticky && stickySessions(name, checked.sticky);
  const retry = resolveRetry(checked.retry);
  const upstream = resolveUpstream(checked);
  const random = checked.random ?? Math.random;
  const mirrorOptions = checkMirror(checked.mirror);
  const mirror = mirrorOptions && new Mirror(mirrorOptions, upstream, random);
  const door = new Door({
    service: routing.serviceOf ?? name,
    prefix,
    rewrite: checked.rewrite,
    key: checked.key ?? (routing.hashesKeys ? (req) => clientAddress(req, isTrusted) : undefined),
    timeout: checked.timeout ?? DEFAULT_TIMEOUT,
    isTrusted,
    allowedClaims: new Set(allowClientFields.map((field) => field.toLowerCase())),
    changeOrigin: checked.changeOrigin ?? false,
    preserveHeaderCase: checked.preserveHeaderCase ?? false,
    onRequestHeaders: checked.onRequestHeaders,
    wantsPlainBodies: checked.transformResponse !== undefined,
  });
  const answerError = errorAnswerer(checked.onError);
  const forwarder = new Forwarder({
    router,
    door,
    clock,
    random,
    budget: new RetryBudget(checked.retryBudget),
    retry,
    hedge: checkHedge(checked.hedge),
    targetTimeout: checked.targetTimeout ?? 0,
    idleTimeout: checked.idleTimeout ?? 300_000,
    maxBodyBuffer: checked.maxBodyBuffer ?? 65_536,
    sticky,
    upstream,
    mirror,
    answerError,
    answers: {
      sticky,
      preserveHeaderCase: checked.preserveHeaderCase ?? false,
      transformResponse: checked.transformResponse,
      maxTransformedBody: checked.maxTransformedBody ?? 1_048_576,
      onResponseHeaders: checked.onResponseHeaders,
      rewriteLocation: checked.rewriteLocation ?? false,
      rewriteCookies: checkCookieRewrites(checked.rewriteCookies),
    },
  });
  const { maxUpgraded = 10_000 } = checked;
  const upgrades = new UpgradeForwarder({
    router,
    door,
    forwarder,
    clock,
    attempts: retry.attempts,
    upstream,
    maxUpgraded,
  });

  const upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    afterEarlierResponses(socket, head, (early) => {
      if (webSocket && matchesPrefix(req, prefix)) upgrades.forward(req, socket, early);
      else refuse(socket, new ResilienceError('NOT_FOUND', `${name}: upgrades are not forwarded here`));
    });
  };
  let closing: Promise<void> | undefined;
  const shutDown = async (): Promise<void> => {
    routing.unfollow();
    sticky?.close();
    upgrades.close();
    await Promise.all([forwarder.close(), mirror?.close()]);
    routing.close();
  };
  const close = (): Promise<void> => (closing ??= shutDown());

  // No router sees a forwarded request, so it is counted under the path of the proxy.
  const route = `${prefix?.replace(/\/$/, '') ?? ''}/*`;
  const forward: Middleware = (req, res, next) => {
    // A background request of a cache runs within the request of a client, which already has its name.
    if (!isBackgroundRequest(req)) nameRouteOf(req, route);
    try {
      if (isLastForward(req)) answerLastForward(req, res);
      else forwarder.forward(req, res, next);
    } catch (error) {
      answerError(req, res, error, next);
    }
  };
  const proxy = named<Middleware>('proxyBalanced', (req, res, next) => {
    if (matchesPrefix(req, prefix)) inTurn(req, res, next, forward);
    else next();
  });
  return Object.assign(proxy, {
    router,
    stats: () => ({ service: name, active: forwarder.active, upgraded: upgrades.open, ...forwarder.counters }),
    upgrade,
    attach: (server: Server) =>
      attachTo(server, { matches: (req) => matchesPrefix(req, prefix), upgrade }, (socket) =>
        refuse(socket, new ResilienceError('NOT_FOUND', 'upgrades are not accepted at this address')),
      ),
    close,
    [Symbol.asyncDispose]: close,
    [INSPECT]: (): Inspection => ({ kind: 'proxyBalanced', prefix: prefix ?? '' }),
    [NEEDS_NO_CONTEXT]: isPlainData(options),
  });
}

const DEFAULT_TIMEOUT = 30_000;

/** Sends the response to an error as the options define. Nothing has been written before. Never throws. */
function errorAnswerer(onError: ProxyBalancedOptions['onError']): ForwarderCore['answerError'] {
  return (req, res, error, next) => {
    try {
      if (onError === undefined) warnOfFailedRequest('proxyBalanced', req, res, error);
      if (onError === undefined || res.headersSent) {
        sendError(req, res, error);
        // Until an earlier response is finished, an unread body would keep Node from noticing that the client
        // disconnected.
        req.resume();
      } else if (onError === 'next') next(error);
      else onError(error, req, res, next);
    } catch (failure) {
      warnOfFailedRequest('proxyBalanced', req, res, failure);
      if (!res.writableEnded) sendError(req, res, failure);
    }
  };
}

/** The client limited the number of hops with `Max-Forwards`, and this proxy is the last (RFC 9110 §7.6.2). */
function answerLastForward(req: IncomingMessage, res: ServerResponse): void {
  res.statusCode = req.method === 'OPTIONS' ? 204 : 405; // a TRACE would show fields that other proxies have added
  res.end();
}
