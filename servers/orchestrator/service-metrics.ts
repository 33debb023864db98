/** The metrics of each service as a whole: those of its instances, added up at each scrape. */
import { createSummedMetrics, instanceMetrics, type SummedMetrics } from '../../src/index.js';
import type { ServiceName } from '../support/fleet.js';
import type { FleetRunner, InstanceRecord } from './fleet-runner.js';

/** The `/metrics` of an instance, or nothing while it has no port. */
function scrapeUrls({ host, port }: Pick<InstanceRecord, 'host' | 'port'>): string[] {
  if (port === null) return [];
  return [`http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`];
}

/** @returns the metrics of a service: always the same object, which knows the counts of instances that have ended */
export function serviceMetrics(fleet: Pick<FleetRunner, 'instancesOf'>): (service: ServiceName) => SummedMetrics {
  const byService = new Map<ServiceName, SummedMetrics>();
  return (service) => {
    let summed = byService.get(service);
    if (summed === undefined) {
      const collect = instanceMetrics(() => fleet.instancesOf(service).flatMap(scrapeUrls));
      byService.set(service, (summed = createSummedMetrics({ serviceName: service, collect })));
    }
    return summed;
  };
}
