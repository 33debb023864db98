/** The gateway: each path to the service it belongs to, over its instances. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { Router } from 'express';
import { proxyBalanced, refuseControl, type IntelligentRouter } from '../../src/index.js';
import { FLEET, SERVICE_NAMES, type ServiceName } from '../support/fleet.js';
import type { Forward } from '../support/system-routes.js';

/** What the orchestrator answers, asked through the gateway like everything else. */
const ORCHESTRATOR_PREFIXES = [
  'instances',
  'status',
  'services',
  'scale',
  'migrate',
  'scaling-status',
  'scaling-history',
].map((name) => `/api/v1/system/${name}`);

/** A service that is started again is back within this time, in ms: its callers wait rather than fail. */
const RESTART_MS = 5_000;

export interface GatewayOptions {
  readonly router: IntelligentRouter;
  readonly controlToken: string | undefined;
  readonly trustProxy: number | string[] | false;
}

export interface Gateway {
  readonly router: Router;
  /** Which path prefix goes where. */
  readonly forwards: readonly Forward[];
  /** Forwards upgrade requests of a server as well. */
  attach(server: Server): void;
  close(): Promise<void>;
}

export const FORWARDS: readonly Forward[] = [
  ...SERVICE_NAMES.flatMap((service) => FLEET[service].prefixes.map((prefix) => ({ prefix, service }))),
  ...ORCHESTRATOR_PREFIXES.map((prefix) => ({ prefix, service: 'orchestrator' as const })),
];

/** The service a path belongs to: a prefix matches whole segments. */
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
   * The services see only the gateway, on this machine: it is here that a caller's right to control routes is judged,
   * and the fleet's token tells the service of it. What a caller claims without the right goes on as it came.
   */
  function vouch(req: IncomingMessage): void {
    if (controlToken !== undefined && refuseControl(req, controlToken) === undefined)
      req.headers['x-control-token'] = controlToken;
  }

  // As routes, so that each prefix has a label of its own in metrics and logs.
  const routes = Router();
  for (const { prefix, service } of FORWARDS) {
    const proxy = proxies.get(service)!;
    routes.all([prefix, `${prefix}/*path`], (req, res, next) => {
      vouch(req);
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
