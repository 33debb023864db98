/** What each route of a service added up to over the points shown. */
import type { Slowest } from '../../support/tally.js';
import type { TrafficPoint } from '../../web/traffic-merge.js';

export interface RouteTotal {
  readonly route: string;
  count: number;
  errors: number;
  /** Milliseconds, of the last point in which it served anything. */
  p95: number;
  slowest: Slowest | undefined;
}

/** The busiest first. */
export function routeTotals(points: readonly TrafficPoint[], service: string): RouteTotal[] {
  const totals = new Map<string, RouteTotal>();
  for (const point of points) {
    for (const [route, figures] of Object.entries(point.services[service]?.routes ?? {})) {
      let total = totals.get(route);
      if (total === undefined) totals.set(route, (total = { route, count: 0, errors: 0, p95: 0, slowest: undefined }));
      total.count += figures.count;
      total.errors += figures.errors;
      total.p95 = figures.p95;
      if ((figures.slowest?.duration ?? 0) > (total.slowest?.duration ?? 0)) total.slowest = figures.slowest;
    }
  }
  return [...totals.values()].sort((a, b) => b.count - a.count);
}
