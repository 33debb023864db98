/** The web server (3000): the gateway to the fleet, and the control room. */
import type { ConcurrencyOptions, RateLimitOptions } from '../src/index.js';
import { trustProxyOf, type FleetConfig } from './support/config.js';
import { pathOf } from './support/request-path.js';
import { RouteTable } from './support/route-table.js';
import { defineServer, runWhenMain } from './support/service.js';
import { openDashboard } from './web/dashboard.js';
import { createGateway, serviceOfPath } from './web/gateway.js';

/** Maximum number of requests that wait for a slot of a service. */
const MOST_WAITING = 100;

/**
 * Limits the gateway's requests in flight per service. Its own responses and the orchestrator's streams need no slot.
 */
function inFlight(config: FleetConfig): { concurrency?: ConcurrencyOptions } {
  const limit = config.MAX_IN_FLIGHT;
  if (limit === undefined) return {};
  const key: ConcurrencyOptions['key'] = (req) => {
    const service = serviceOfPath(pathOf(req));
    return service === 'orchestrator' ? undefined : service;
  };
  return { concurrency: { limit, maxQueue: MOST_WAITING, key } };
}

/** One limit per client, and one per service that all clients share. */
function limits(config: FleetConfig): RateLimitOptions {
  return {
    ...inFlight(config),
    policies: [
      { name: 'client', rateLimit: config.RATE_LIMIT_CAPACITY, refillRate: config.RATE_LIMIT_REFILL_PER_SECOND },
      {
        name: 'service',
        rateLimit: config.RATE_LIMIT_SERVICE_CAPACITY,
        refillRate: config.RATE_LIMIT_SERVICE_REFILL_PER_SECOND,
        key: (req) => serviceOfPath(pathOf(req)) ?? 'web',
      },
    ],
  };
}

export const webServer = defineServer({
  name: 'web',
  routes: (context) => {
    const { peers, config, controlToken, openCache } = context;
    const cache = openCache({
      memory: { maxSize: 1000, ttl: 10_000 },
      disk: { ttl: 120_000 },
      responses: { 'provider:*': ['/api/v1/providers/*', '/api/v1/reports/*'] },
    });
    cache.registerDependency('ratelimit:user:*', 'user:*');
    const gateway = createGateway({ router: peers.router, controlToken, trustProxy: trustProxyOf(config) });
    const load = new RouteTable('/api/v1/system', controlToken).get(
      '/load-distribution',
      { summary: 'The number of requests that this gateway sent to each instance of each service' },
      () => ({ services: peers.router.getRoutingStats() }),
    );
    const dashboard = openDashboard(context);
    return {
      routes: [load, dashboard.routes],
      front: dashboard.front,
      forward: [dashboard.forward, gateway.middleware],
      handlers: dashboard.handlers,
      limit: { ...limits(config), skip: dashboard.isExempt },
      forwards: gateway.forwards,
      engines: () => ({ routing: peers.router.getRoutingStats() }),
      onUpgrade: (server) => gateway.attach(server),
      close: async () => {
        await dashboard.close();
        await gateway.close();
      },
    };
  },
});

runWhenMain(webServer);
