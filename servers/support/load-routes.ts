/**
 * `GET /api/v1/system/load`: the identity of an instance, its load, and its requests in progress to other services. The
 * orchestrator reads it for scaling decisions.
 */
import { InstanceLoad, type DistributedTracer, type IntelligentRouter } from '../../src/index.js';
import type { ServiceName } from './fleet.js';
import { RouteTable } from './route-table.js';

/**
 * Measures this process.
 *
 * @param isWork whether a route counts as load; probes and scrapes do not
 */
export function measureLoad(
  tracer: DistributedTracer,
  queueDepth: () => number,
  isWork: (route: string) => boolean,
): InstanceLoad {
  const inFlight = (): number => Math.max(0, tracer.getMetrics().activeTraces - 1); // without this request
  const load = new InstanceLoad({ inFlight, queueDepth });
  tracer.onRequest(({ route, duration, status }) => {
    if (isWork(route)) load.record(duration, status === undefined || status < 500);
  });
  return load;
}

export interface LoadRouteParts {
  readonly name: ServiceName;
  readonly instance: string | undefined;
  readonly load: InstanceLoad;
  readonly router: Pick<IntelligentRouter, 'getRoutingStats'>;
}

/** One target of this caller. */
export interface TargetDemand {
  readonly host: string;
  readonly port: number;
  readonly inFlight: number;
  readonly answered: number;
  /** Milliseconds; null before the first response. */
  readonly latency: number | null;
}

/** Requests in progress from this process to each service: the gateway's forwards and the clients' calls. */
function demandOf(router: LoadRouteParts['router']): Record<string, TargetDemand[]> {
  return Object.fromEntries(
    Object.values(router.getRoutingStats()).map(({ service, instances }) => [
      service,
      instances
        .filter(({ requests, inFlight }) => requests + inFlight > 0)
        .map(({ host, port, inFlight, requests, failures, ewma }) => ({
          ...{ host, port, inFlight },
          answered: Math.max(0, requests - failures - inFlight),
          latency: ewma > 0 ? Math.round(ewma) : null,
        })),
    ]),
  );
}

export function loadRoutes({ name, instance, load, router }: LoadRouteParts): RouteTable {
  return new RouteTable('/api/v1/system').get('/load', { summary: 'How busy this instance is' }, () => ({
    service: name,
    instance: instance ?? name,
    pid: process.pid,
    load: load.read(),
    demand: demandOf(router),
  }));
}
