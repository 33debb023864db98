/** `proxyBalanced`: forwards requests to the instances of a service, and to another when one fails. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { HealthMonitor } from '../health/index.js';
import { deferContinue } from '../routing/forwarding/deferred-continue.js';
import { Forwarder } from '../routing/forwarding/forwarder.js';
import { refuse } from '../routing/forwarding/upgrade-answer.js';
import { UpgradeForwarder } from '../routing/forwarding/upgrade.js';
import { IntelligentRouter } from '../routing/intelligent-router.js';
import { staticTargets } from '../routing/sources/static-targets.js';
import { stickySessions } from '../routing/sticky-sessions.js';
import type { TargetSpec, TargetUrl } from '../routing/target.js';
import { isBackgroundRequest } from '../shared/background-request.js';
import { clientAddress, compileTrust } from '../shared/client-address.js';
import { monotonicClock, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { originalPath, type Middleware } from '../shared/http.js';
import { nameRoute } from '../shared/instrumentation.js';
import { sendError } from '../shared/problem.js';
import { RetryBudget } from '../shared/retry-budget.js';
import {
  checkHedge,
  checkProxyOptions,
  resolveRetry,
  resolveUpstream,
  type ProxyBalancedOptions,
} from './proxy-balanced-options.js';

export type { HedgeOptions, ProxyBalancedOptions, RetryOptions } from './proxy-balanced-options.js';

/** What the proxy counts, and its instances. */
export interface ProxyBalancedStats {
  readonly service: string;
  /** Requests under way. */
  readonly active: number;
  /** Upgraded connections open. */
  readonly upgraded: number;
  readonly retries: number;
  /** Clients that left before they had their response: 499 in a log. */
  readonly clientGone: number;
}

export interface ProxyBalanced extends Middleware {
  readonly router: IntelligentRouter;
  stats(): ProxyBalancedStats;
  /** Forwards an upgrade request, as a server's 'upgrade' event gives it. */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  /**
   * Makes a server forward upgrades here and leave `Expect: 100-continue` to the upstream.
   *
   * @returns what undoes it
   */
  attach(server: Server): () => void;
  /** Ends every connection to the instances, and a router of its own. Let the server drain first. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Middleware that answers with what an instance of the service answers.
 *
 * Errors are problem documents: 502 (refused, reset, invalid), 503 with Retry-After (no instance, queue full), 504.
 *
 * @throws TypeError or RangeError for an unknown or wrong option, or when there is neither `targets` nor `router`
 */
export function proxyBalanced(options: ProxyBalancedOptions): ProxyBalanced {
  const checked = checkProxyOptions(options);
  const { service = 'upstream', prefix, clock = monotonicClock, timeout = 30_000, webSocket = true } = checked;
  const isTrusted = compileTrust(checked.trustProxy);
  const owned = checked.router === undefined ? ownRouter(checked, service, clock) : undefined;
  const router = checked.router ?? owned!.router;
  const sticky = checked.sticky && stickySessions(service, checked.sticky);
  const retry = resolveRetry(checked.retry);
  const upstream = resolveUpstream(checked);
  const forwarder = new Forwarder({
    service,
    router,
    clock,
    random: checked.random ?? Math.random,
    budget: new RetryBudget(checked.retryBudget),
    retry,
    hedge: checkHedge(checked.hedge),
    timeout,
    targetTimeout: checked.targetTimeout ?? 0,
    idleTimeout: checked.idleTimeout ?? 300_000,
    maxBodyBuffer: checked.maxBodyBuffer ?? 65_536,
    isTrusted,
    key: checked.key ?? (hashesKeys(checked) ? (req) => clientAddress(req, isTrusted) : undefined),
    rewrite: checked.rewrite,
    sticky,
    upstream,
    onError: sendError,
  });
  const { attempts } = retry;
  const { maxUpgraded = 10_000 } = checked;
  const upgrades = new UpgradeForwarder({
    service,
    router,
    forwarder,
    clock,
    attempts,
    timeout,
    upstream,
    maxUpgraded,
  });
  const unfollow = follow(checked, router, service);

  const upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (webSocket) upgrades.forward(req, socket, head);
    else refuse(socket, new ResilienceError('NOT_FOUND', `${service}: upgrades are not forwarded`));
  };
  let closing: Promise<void> | undefined;
  const shutDown = async (): Promise<void> => {
    unfollow();
    sticky?.close();
    upgrades.close();
    await forwarder.close();
    owned?.close();
  };
  const close = (): Promise<void> => (closing ??= shutDown());

  // No router sees what is forwarded: it is counted under what it is forwarded by.
  const route = `${prefix?.replace(/\/$/, '') ?? ''}/*`;
  const proxy: Middleware = function proxyBalanced(req, res, next) {
    if (prefix !== undefined && !isBelow(originalPath(req), prefix)) {
      next();
      return;
    }
    // A cache's own request runs within a client's, which has its name already.
    if (!isBackgroundRequest(req)) nameRoute(route);
    try {
      forwarder.forward(req, res);
    } catch (error) {
      sendError(req, res, error);
    }
  };
  return Object.assign(proxy, {
    router,
    stats: () => ({ service, active: forwarder.active, upgraded: upgrades.open, ...forwarder.counters }),
    upgrade,
    attach: (server: Server) => {
      const undo = deferContinue(server);
      server.on('upgrade', upgrade);
      return () => {
        undo();
        server.off('upgrade', upgrade);
      };
    },
    close,
    [Symbol.asyncDispose]: close,
  });
}

const DEFAULT_CHECKS = { checkInterval: 2000, fastInterval: 500, timeout: 1000, fall: 2 };

/** A router of the middleware's own, whose instances are checked where that is asked for. */
function ownRouter(
  options: ProxyBalancedOptions,
  service: string,
  clock: Clock,
): { readonly router: IntelligentRouter; close(): void } {
  const { algorithm: balancer, circuitBreaker, outlier, slowStart, panicThreshold, zone, random, health } = options;
  const settings = health === true ? {} : health;
  const monitor = settings ? new HealthMonitor({ ...DEFAULT_CHECKS, ...settings, clock }) : undefined;
  const parts = { balancer, circuitBreaker, outlier, slowStart, panicThreshold, zone, random };
  const router = new IntelligentRouter({ ...parts, monitor, clock });
  const unwatch = monitor && watchTargets(router, monitor, service);
  return {
    router,
    close() {
      unwatch?.();
      router.close();
      monitor?.close();
    },
  };
}

/** Checks whatever instances the router has. */
function watchTargets(router: IntelligentRouter, monitor: HealthMonitor, service: string): () => void {
  const watched = new Set<string>();
  return router.onTargetChange(({ target: { origin, host, port, protocol }, state }) => {
    if (state === 'up' && !watched.has(origin)) {
      watched.add(origin);
      monitor.registerService(service, port, { host, protocol });
    } else if (state === 'removed' && watched.delete(origin)) {
      monitor.unregisterService(service, port, host);
    }
  });
}

function follow({ targets }: ProxyBalancedOptions, router: IntelligentRouter, service: string): () => void {
  if (targets === undefined) return () => undefined;
  const source = isList(targets) ? staticTargets(targets) : targets;
  return router.follow(service, source);
}

function hashesKeys({ algorithm, router }: ProxyBalancedOptions): boolean {
  return algorithm === 'ip-hash' || algorithm === 'consistent-hash' || router !== undefined;
}

function isList(targets: ProxyBalancedOptions['targets']): targets is ReadonlyArray<string | TargetUrl | TargetSpec> {
  return Array.isArray(targets);
}

function isBelow(path: string, prefix: string): boolean {
  const folder = prefix.endsWith('/') ? prefix : `${prefix}/`;
  return path === prefix || path.startsWith(folder);
}
