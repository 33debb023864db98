/** Adds up the steps of a time range to a bounded number of points. */
import { merge, newTally, type Tally } from '../support/tally.js';
import {
  addCounts,
  mergeTallies,
  MINUTE_MS,
  newTallies,
  NO_COUNTS,
  STEP_MS,
  type Counts,
  type Levels,
  type ServiceSize,
  type SlotLevels,
  type Step,
  type Tallies,
} from './step.js';

/** Lengths of a point in milliseconds. */
const RESOLUTIONS = [10_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000] as const;

/** Maximum number of points. */
const MOST_POINTS = 300;

/** Steps of ten seconds are kept for a day. Before that, there are only minutes. */
const FINE_FOR_MS = 86_400_000;

export interface Range {
  /** Epoch milliseconds. `to` is excluded. */
  readonly from: number;
  readonly to: number;
}

export interface Grid extends Range {
  /** Length of a point in milliseconds. */
  readonly resolution: number;
  /** Length of the steps behind it. */
  readonly span: number;
}

/** The points of a range. The range is widened to whole points. */
export function gridOf({ from, to }: Range, now: number): Grid {
  const least = from < now - FINE_FOR_MS ? MINUTE_MS : STEP_MS;
  const fitting = RESOLUTIONS.find((one) => one >= least && (to - from) / one <= MOST_POINTS);
  const resolution = fitting ?? RESOLUTIONS.at(-1)!;
  const first = Math.floor(from / resolution) * resolution;
  const last = Math.min(Math.ceil(to / resolution) * resolution, first + MOST_POINTS * resolution);
  return { from: first, to: last, resolution, span: resolution >= MINUTE_MS ? MINUTE_MS : STEP_MS };
}

/** Restricts a range to an operation or an instance. */
export interface Selection {
  /** Only this operation in the points, `GET /api/items/:id`. */
  readonly operation?: string | undefined;
  readonly instance?: string | undefined;
}

/** The sum of all instances during one point. Points without a step are left out: nothing was measured. */
export interface HistoryPoint {
  readonly at: number;
  /** Number of instances that were measured. */
  readonly instances: number;
  readonly total: Tally;
  readonly counts: Counts;
  /** `cpu` and `loop` are means over the instances, the others are sums. */
  readonly levels: Levels;
}

export interface HistoryReading {
  readonly grid: Grid;
  readonly points: readonly HistoryPoint[];
  /** By operation, over the whole range. */
  readonly operations: Readonly<Tallies>;
}

interface OpenPoint {
  total: Tally;
  counts: Counts;
  /** The latest levels of each instance. */
  readonly levels: Map<string, Levels>;
}

/** @param steps oldest first */
export async function aggregate(steps: AsyncIterable<Step>, grid: Grid, selection: Selection): Promise<HistoryReading> {
  const points = new Map<number, OpenPoint>();
  const operations = newTallies();
  for await (const step of steps) {
    if (selection.instance !== undefined && step.instance !== selection.instance) continue;
    const at = Math.floor(step.at / grid.resolution) * grid.resolution;
    let point = points.get(at);
    if (point === undefined) points.set(at, (point = { total: newTally(), counts: NO_COUNTS, levels: new Map() }));
    mergeTallies(operations, step.requests);
    for (const [name, tally] of Object.entries(step.requests))
      if (selection.operation === undefined || selection.operation === name) merge(point.total, tally);
    point.counts = addCounts(point.counts, step.counts);
    point.levels.set(step.instance, step.levels);
  }
  return { grid, points: [...points].map(([at, point]) => closed(at, point)), operations };
}

function closed(at: number, { total, counts, levels }: OpenPoint): HistoryPoint {
  return { at, instances: levels.size, total, counts, levels: sumOfLevels([...levels.values()]) };
}

/** Joins the points of several stores of one service, for instances on several machines. */
export function joinPoints(stores: ReadonlyArray<readonly HistoryPoint[]>): HistoryPoint[] {
  const byTime = new Map<number, HistoryPoint[]>();
  for (const point of stores.flat()) byTime.set(point.at, [...(byTime.get(point.at) ?? []), point]);
  return [...byTime].sort(([a], [b]) => a - b).map(([, points]) => points.reduce(joined));
}

function joined(a: HistoryPoint, b: HistoryPoint): HistoryPoint {
  const total = newTally();
  merge(total, a.total);
  merge(total, b.total);
  const instances = a.instances + b.instances;
  const mean = (name: 'cpu' | 'loop'): number =>
    (a.levels[name] * a.instances + b.levels[name] * b.instances) / instances;
  const levels = { ...sumOfLevels([a.levels, b.levels]), cpu: mean('cpu'), loop: mean('loop') };
  return { at: a.at, instances, total, counts: addCounts(a.counts, b.counts), levels };
}

function sumOfLevels(all: readonly Levels[]): Levels {
  const sum = (of: (levels: Levels) => number): number => all.reduce((total, levels) => total + of(levels), 0);
  const fleet = Object.assign({}, ...all.map((levels) => levels.fleet)) as Record<string, ServiceSize>;
  return {
    cpu: sum(({ cpu }) => cpu) / all.length,
    loop: sum(({ loop }) => loop) / all.length,
    rss: sum(({ rss }) => rss),
    inFlight: sum(({ inFlight }) => inFlight),
    waiting: sum(({ waiting }) => waiting),
    slots: sumOfSlots(all),
    ...(Object.keys(fleet).length > 0 && { fleet }),
  };
}

function sumOfSlots(all: readonly Levels[]): Record<string, SlotLevels> {
  const sums: Record<string, SlotLevels> = {};
  for (const { slots } of all) {
    for (const [key, { limit, inFlight, waiting }] of Object.entries(slots)) {
      const sum = sums[key] ?? { limit: 0, inFlight: 0, waiting: 0 };
      sums[key] = { limit: sum.limit + limit, inFlight: sum.inFlight + inFlight, waiting: sum.waiting + waiting };
    }
  }
  return sums;
}
