/** The history as columns of numbers for the charts: one value per slot of the grid, null where nothing was measured. */
import type { Grid } from '../../history/aggregate.js';
import type { ServicePoint } from '../../web/fleet-history.js';

/** Values of one line, one per slot. */
export type Line = readonly (number | null)[];

/** The start of each slot in epoch seconds. */
export function slotTimes({ from, to, resolution }: Grid): number[] {
  return Array.from({ length: Math.round((to - from) / resolution) }, (_, i) => (from + i * resolution) / 1000);
}

/** The value of each slot. A slot without a point, and a value that is undefined, become a gap. */
export function lineOf(
  grid: Grid,
  points: readonly ServicePoint[],
  of: (point: ServicePoint, seconds: number) => number | null | undefined,
): Line {
  const seconds = grid.resolution / 1000;
  const line = new Array<number | null>(Math.round((grid.to - grid.from) / grid.resolution)).fill(null);
  for (const point of points) {
    const slot = Math.round((point.at - grid.from) / grid.resolution);
    if (slot >= 0 && slot < line.length) line[slot] = of(point, seconds) ?? null;
  }
  return line;
}

/** A percentile in milliseconds; a gap where no request was served. */
export function latencyLine(grid: Grid, points: readonly ServicePoint[], name: 'p50' | 'p95' | 'p99'): Line {
  return lineOf(grid, points, ({ traffic }) => (traffic.count === 0 ? null : traffic[name]));
}

/** Requests per second by the classes of their status. */
export function statusLine(grid: Grid, points: readonly ServicePoint[], classes: readonly StatusName[]): Line {
  return lineOf(
    grid,
    points,
    ({ traffic }, seconds) => classes.reduce((sum, name) => sum + (traffic.statuses[name] ?? 0), 0) / seconds,
  );
}

type StatusName = keyof ServicePoint['traffic']['statuses'];

/** Percent of the lookups that the response cache answered; a gap without lookups. */
export function hitRateLine(grid: Grid, points: readonly ServicePoint[]): Line {
  return lineOf(grid, points, ({ hits, lookups }) => (lookups === 0 ? null : (100 * hits) / lookups));
}

/** The last value that was measured. */
export function latest(line: Line): number | null {
  return line.findLast((value) => value !== null) ?? null;
}
