/** The gateway: routes each path to the instances of its service. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { Router } from 'express';
import { proxyBalanced, refuseControl, type IntelligentRouter } from '../../src/index.js';
import { FLEET, SERVICE_NAMES, type ServiceName } from '../support/fleet.js';
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
  readonly router: Router;
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
export function serviceOfPath(target: string): ServiceName | undefined {
  const path = target.split('?', 1)[0]!;
  return FORWARDS.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))?.service;
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

  // Separate routes give each prefix its own label in metrics and logs.
  const routes = Router();
  for (const { prefix, service } of FORWARDS) {
    const proxy = proxies.get(service)!;
    routes.all([prefix, `${prefix}/*path`], (req, res, next) => {
      authenticate(req);
      proxy(req, res, next);
    });
  }

  return {
    forwards: FORWARDS,
    router: routes,
    attach(server) {
      server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
        const proxy = proxies.get(serviceOfPath(req.url ?? '') ?? 'web');
        if (proxy === undefined) socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
        else proxy.upgrade(req, socket, head);
      });
    },
    async close() {
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
    },
  };
}
