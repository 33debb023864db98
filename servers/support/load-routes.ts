/** `GET /api/v1/system/load`: who an instance is and how busy, for whoever decides how many there should be. */
import { InstanceLoad, type DistributedTracer } from '../../src/index.js';
import type { ServiceName } from './fleet.js';
import { RouteTable } from './route-table.js';

/**
 * Measures this process.
 *
 * @param isWork whether a route is what the service is there for: probes and scrapes say nothing of how busy it is
 */
export function measureLoad(
  tracer: DistributedTracer,
  queueDepth: () => number,
  isWork: (route: string) => boolean,
): InstanceLoad {
  const inFlight = (): number => Math.max(0, tracer.getMetrics().activeTraces - 1); // the one that asks is none
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
}

export function loadRoutes({ name, instance, load }: LoadRouteParts): RouteTable {
  return new RouteTable('/api/v1/system').get('/load', { summary: 'How busy this instance is' }, () => ({
    service: name,
    instance: instance ?? name,
    pid: process.pid,
    load: load.read(),
  }));
}
