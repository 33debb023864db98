/** Totals for each route of a service over the points shown. */
import { addStatuses, type Example, type StatusCounts } from '../../support/tally.js';
import type { TrafficPoint } from '../../web/traffic-merge.js';

export interface RouteTotal {
  readonly route: string;
  count: number;
  errors: number;
  /** Milliseconds, from the latest point with requests. */
  p95: number;
  /** Milliseconds of the slowest request. */
  slowest: number;
  /** The slowest of the requests whose trace was kept. */
  example: Example | undefined;
  readonly statuses: StatusCounts;
}

/** The routes with the most requests first. */
export function routeTotals(points: readonly TrafficPoint[], service: string): RouteTotal[] {
  const totals = new Map<string, RouteTotal>();
  for (const point of points) {
    for (const [route, figures] of Object.entries(point.services[service]?.routes ?? {})) {
      let total = totals.get(route);
      if (total === undefined) totals.set(route, (total = newTotal(route)));
      total.count += figures.count;
      total.errors += figures.errors;
      total.p95 = figures.p95;
      total.slowest = Math.max(total.slowest, figures.slowest);
      addStatuses(total.statuses, figures.statuses);
      if ((figures.example?.duration ?? 0) > (total.example?.duration ?? 0)) total.example = figures.example;
    }
  }
  return [...totals.values()].sort((a, b) => b.count - a.count);
}

function newTotal(route: string): RouteTotal {
  return { route, count: 0, errors: 0, p95: 0, slowest: 0, example: undefined, statuses: {} };
}
