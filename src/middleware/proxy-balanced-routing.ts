/** How `proxyBalanced` finds the instances for a request: its own router or a shared one, health checks and sources. */
import type { IncomingMessage } from 'node:http';
import type { Agent } from 'node:https';
import { checkHttp } from '../health/http-check.js';
import { HealthMonitor, type CheckOutcome, type CheckTarget } from '../health/index.js';
import { DynamicTargets } from '../routing/dynamic-targets.js';
import type { TlsOptions } from '../routing/forwarding/upstream-call.js';
import { tlsConnectOptions } from '../routing/forwarding/tls.js';
import { IntelligentRouter } from '../routing/intelligent-router.js';
import { staticTargets } from '../routing/sources/static-targets.js';
import { monitoredId } from '../routing/service-group.js';
import type { TargetSpec, TargetUrl } from '../routing/target.js';
import type { Clock } from '../shared/clock.js';
import { nodeModule } from '../shared/node-modules.js';
import { isRouter } from './proxy-balanced-options.js';
import type { ProxyBalancedOptions } from './proxy-balanced-types.js';

export interface Routing {
  readonly router: IntelligentRouter;
  /** The service, if it does not depend on the request. */
  readonly name: string;
  readonly serviceOf: ((req: IncomingMessage) => string) | undefined;
  /** Whether the balancer may use a key. */
  readonly hashesKeys: boolean;
  /** Stops following the source of targets. */
  unfollow(): void;
  /** Closes its own router. */
  close(): void;
}

const DEFAULT_SERVICE = 'upstream';

export function resolveRouting(options: ProxyBalancedOptions, clock: Clock): Routing {
  const { algorithm, router: given, service = DEFAULT_SERVICE } = options;
  const name = typeof service === 'string' ? service : DEFAULT_SERVICE;
  const owned = isRouter(given) ? undefined : ownRouter(options, clock);
  const router = isRouter(given) ? given : owned!.router;
  const dynamic = typeof given === 'function' ? new DynamicTargets(router, name, given) : undefined;
  const chosen = typeof service === 'function' ? service : undefined;
  return {
    router,
    name,
    serviceOf: dynamic === undefined ? chosen : (req) => dynamic.serviceOf(req),
    hashesKeys: algorithm === 'ip-hash' || algorithm === 'consistent-hash' || owned === undefined,
    unfollow: follow(options, router, name),
    close: () => owned?.close(),
  };
}

const DEFAULT_CHECKS = { checkInterval: 2000, fastInterval: 500, timeout: 1000, fall: 2 };

/** The middleware's own router, with health checks if they are configured. */
function ownRouter(options: ProxyBalancedOptions, clock: Clock): { readonly router: IntelligentRouter; close(): void } {
  const { algorithm: balancer, circuitBreaker, outlier, slowStart, panicThreshold, zone, random, health } = options;
  const settings = health === true ? {} : health;
  const watched = new WatchedTargets(options.tls);
  const monitor = settings
    ? new HealthMonitor({
        ...DEFAULT_CHECKS,
        ...settings,
        clock,
        check: (target, signal) => watched.check(target, signal),
      })
    : undefined;
  const parts = { balancer, circuitBreaker, outlier, slowStart, panicThreshold, zone, random };
  const router = new IntelligentRouter({ ...parts, monitor, clock });
  const unwatch = monitor && watched.follow(router, monitor);
  return {
    router,
    close() {
      unwatch?.();
      router.close();
      monitor?.close();
    },
  };
}

/** Checks all instances of the router, with the same names and TLS settings as the requests to them. */
class WatchedTargets {
  readonly #tls: TlsOptions | undefined;
  /** By the name of an instance in the monitor; undefined for an instance without TLS. */
  readonly #agents = new Map<string, Agent | undefined>();

  constructor(tls: TlsOptions | undefined) {
    this.#tls = tls;
  }

  check({ id, url }: CheckTarget, signal: AbortSignal): Promise<CheckOutcome> {
    return checkHttp(url, signal, this.#agents.get(id));
  }

  follow(router: IntelligentRouter, monitor: HealthMonitor): () => void {
    return router.onTargetChange(({ service, target, state }) => {
      const { host, port, protocol, socketPath } = target;
      if (socketPath !== undefined) return; // a check identifies an instance by host and port
      const id = monitoredId(target);
      if (state === 'up' && !this.#agents.has(id)) {
        const agent =
          protocol === 'https' ? new (nodeModule('node:https').Agent)(tlsConnectOptions(target, this.#tls)) : undefined;
        this.#agents.set(id, agent);
        monitor.registerService(service, port, { host, protocol });
      } else if (state === 'removed' && this.#agents.delete(id)) {
        monitor.unregisterService(service, port, host);
      }
    });
  }
}

function follow({ targets }: ProxyBalancedOptions, router: IntelligentRouter, service: string): () => void {
  if (targets === undefined) return () => undefined;
  const source = isList(targets) ? staticTargets(targets) : targets;
  return router.follow(service, source);
}

function isList(targets: ProxyBalancedOptions['targets']): targets is ReadonlyArray<string | TargetUrl | TargetSpec> {
  return Array.isArray(targets);
}
