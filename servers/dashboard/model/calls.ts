/** The calls between services, added up over points. */
import type { TrafficPoint } from '../../web/traffic-merge.js';

export interface CallTotal {
  readonly from: string;
  readonly to: string;
  /** Calls per second, the share that failed, and their 95th percentile in ms: the highest of the points. */
  readonly rate: number;
  readonly errorRate: number;
  readonly p95: number;
}

/** @param slotMs duration of a point, in milliseconds */
export function callTotals(points: readonly TrafficPoint[], slotMs: number): CallTotal[] {
  const totals = new Map<string, { from: string; to: string; count: number; errors: number; p95: number }>();
  for (const { from, to, count, errors, p95 } of points.flatMap((point) => point.calls)) {
    const key = JSON.stringify([from, to]);
    const known = totals.get(key);
    if (known === undefined) totals.set(key, { from, to, count, errors, p95 });
    else {
      known.count += count;
      known.errors += errors;
      known.p95 = Math.max(known.p95, p95);
    }
  }
  const seconds = (Math.max(1, points.length) * slotMs) / 1000;
  return [...totals.values()].map(({ from, to, count, errors, p95 }) => ({
    ...{ from, to, p95 },
    rate: count / seconds,
    errorRate: count === 0 ? 0 : errors / count,
  }));
}
