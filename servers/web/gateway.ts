/** The gateway: routes each path to the instances of its service. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  isBackgroundRequest,
  nameRoute,
  proxyBalanced,
  refuseControl,
  type IntelligentRouter,
  type Middleware,
  type NextFunction,
} from '../../src/index.js';
import { FLEET, SERVICE_NAMES, type ServiceName } from '../support/fleet.js';
import { pathOf } from '../support/request-path.js';
import { forwardedRoute, forwardOf } from '../support/route-names.js';
import type { Forward } from '../support/system-routes.js';

/** Paths of the orchestrator, which are forwarded in the same way. */
const ORCHESTRATOR_PREFIXES = [
  'instances',
  'status',
  'services',
  'scale',
  'migrate',
  'scaling-status',
  'scaling-history',
].map((name) => `/api/v1/system/${name}`);

/** A service that restarts is available again within this time, in ms. Its callers wait instead of failing. */
const RESTART_MS = 5_000;

export interface GatewayOptions {
  readonly router: IntelligentRouter;
  readonly controlToken: string | undefined;
  readonly trustProxy: number | string[] | false;
}

export interface Gateway {
  /** Forwards the requests whose path belongs to a service. */
  readonly middleware: Middleware;
  /** The path prefixes of each service. */
  readonly forwards: readonly Forward[];
  /** Also forwards the upgrade requests of a server. */
  attach(server: Server): void;
  close(): Promise<void>;
}

export const FORWARDS: readonly Forward[] = [
  ...SERVICE_NAMES.flatMap((service) => FLEET[service].prefixes.map((prefix) => ({ prefix, service }))),
  ...ORCHESTRATOR_PREFIXES.map((prefix) => ({ prefix, service: 'orchestrator' as const })),
];

/** The service of a path. A prefix matches whole path segments. */
export function serviceOfPath(path: string): ServiceName | undefined {
  return forwardOf(path, FORWARDS)?.service;
}

export function createGateway({ router, controlToken, trustProxy }: GatewayOptions): Gateway {
  const services = [...new Set(FORWARDS.map(({ service }) => service))];
  const proxies = new Map(
    services.map((service) => [service, proxyBalanced({ service, router, trustProxy, targetTimeout: RESTART_MS })]),
  );

  /**
   * The services trust only the gateway on this machine. The gateway checks whether the caller may use control routes,
   * and if so adds the fleet's token. Otherwise it forwards the request headers unchanged.
   */
  function authenticate(req: IncomingMessage): void {
    if (controlToken !== undefined && refuseControl(req, controlToken) === undefined)
      req.headers['x-control-token'] = controlToken;
  }

  function gateway(req: IncomingMessage, res: ServerResponse, next: NextFunction): void {
    const path = pathOf(req);
    const forward = forwardOf(path, FORWARDS);
    if (forward === undefined) return next();
    authenticate(req);
    proxies.get(forward.service)!(req, res, next);
    // Each prefix has its own label in metrics and logs. A refresh by the cache keeps the label of the request.
    if (!isBackgroundRequest(req)) nameRoute(forwardedRoute(path, forward));
  }

  return {
    forwards: FORWARDS,
    middleware: gateway,
    attach(server) {
      server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
        const proxy = proxies.get(serviceOfPath(pathOf(req)) ?? 'web');
        if (proxy === undefined) socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
        else proxy.upgrade(req, socket, head);
      });
    },
    async close() {
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
    },
  };
}
