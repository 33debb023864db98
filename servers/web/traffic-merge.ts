/**
 * Merges the slots of all instances into one timeline. A point is complete when all instances have reported their part.
 */
import type { PulseSlot } from '../support/pulse.js';
import {
  latencyOf,
  merge,
  newTally,
  quantiles,
  type Example,
  type StatusCounts,
  type Tally,
} from '../support/tally.js';

/** Traffic of a route, or of a whole service, in one slot. Latencies are in milliseconds. */
export interface TrafficFigures {
  readonly count: number;
  readonly errors: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** The slowest request, and the slowest one whose trace is kept. */
  readonly slowest: number;
  readonly example?: Example;
  /** Requests by the class of their status. */
  readonly statuses: StatusCounts;
  /** Requests by latency: pairs of a heatmap row and the count in it, see `heatRow`. */
  readonly heat: ReadonlyArray<readonly [row: number, count: number]>;
}

export interface ServiceTraffic extends TrafficFigures {
  /** By operation, `GET /api/items/:id`. */
  readonly routes: Readonly<Record<string, TrafficFigures>>;
}

/** Calls from one service to another in one slot. */
export interface CallFigures {
  readonly from: string;
  readonly to: string;
  readonly count: number;
  readonly errors: number;
  readonly p95: number;
}

export interface TrafficPoint {
  readonly slot: number;
  /** The services with traffic. */
  readonly services: Readonly<Record<string, ServiceTraffic>>;
  readonly calls: readonly CallFigures[];
}

/** Number of slots an instance may be late before a point is completed without it. */
const PATIENCE = 2;

/** Number of heatmap rows per doubling of the latency. */
export const ROWS_PER_OCTAVE = 2;

/** The heatmap row of a latency. Row r covers 2^(r/2) to 2^((r+1)/2) milliseconds. */
export function heatRow(latency: number): number {
  return Math.floor(ROWS_PER_OCTAVE * Math.log2(latency));
}

type TallyGroups = Map<string, Map<string, Tally>>;

interface OpenPoint {
  /** By service, then by operation. */
  readonly requests: TallyGroups;
  /** By caller, then by the service called. */
  readonly calls: TallyGroups;
}

function newPoint(): OpenPoint {
  return { requests: new Map<string, Map<string, Tally>>(), calls: new Map<string, Map<string, Tally>>() };
}

export class TrafficMerge {
  readonly #open = new Map<number, OpenPoint>();
  readonly #told = new Map<string, number>();
  #emitted = 0;

  /** Adds the slots reported by an instance. Slots of points that are already complete are ignored. */
  add(instance: string, service: string, slots: readonly PulseSlot[]): void {
    for (const { slot, requests, calls } of slots) {
      this.#told.set(instance, slot);
      if (slot <= this.#emitted) continue;
      const point = getOrAdd(this.#open, slot, newPoint);
      addAll(point.requests, service, requests);
      addAll(point.calls, service, calls);
    }
  }

  /** The last slot reported by an instance; 0 before its first. */
  lastOf(instance: string): number {
    return this.#told.get(instance) ?? 0;
  }

  /** Returns the complete points, oldest first. It does not wait for instances that are not in `present`. */
  take(present: ReadonlySet<string>): TrafficPoint[] {
    for (const id of this.#told.keys()) if (!present.has(id)) this.#told.delete(id);
    if (this.#told.size === 0) return [];
    const told = [...this.#told.values()];
    const ready = Math.max(Math.min(...told), Math.max(...told) - PATIENCE);
    const slots = [...this.#open.keys()].filter((slot) => slot <= ready).sort((a, b) => a - b);
    return slots.map((slot) => {
      const point = this.#open.get(slot)!;
      this.#open.delete(slot);
      this.#emitted = slot;
      return { slot, services: servicesOf(point), calls: callFigures(point) };
    });
  }
}

function addAll(groups: TallyGroups, group: string, tallies: Readonly<Record<string, Tally>>): void {
  const into = getOrAdd(groups, group, () => new Map<string, Tally>());
  for (const [name, tally] of Object.entries(tallies)) merge(getOrAdd(into, name, newTally), tally);
}

function servicesOf({ requests }: OpenPoint): Record<string, ServiceTraffic> {
  const active = [...requests].filter(([, routes]) => routes.size > 0);
  return mapToObject(new Map(active), serviceTraffic);
}

function serviceTraffic(routes: ReadonlyMap<string, Tally>): ServiceTraffic {
  const total = newTally();
  for (const tally of routes.values()) merge(total, tally);
  return { ...figuresOf(total), routes: mapToObject(routes, figuresOf) };
}

/** Percentiles and the heatmap of a tally. */
export function figuresOf(tally: Tally): TrafficFigures {
  const [p50, p95, p99] = rounded(quantiles(tally, [0.5, 0.95, 0.99]) ?? [0, 0, 0]);
  const rows = new Map<number, number>();
  for (const [bin, count] of Object.entries(tally.bins)) {
    const row = heatRow(latencyOf(Number(bin)));
    rows.set(row, (rows.get(row) ?? 0) + count);
  }
  const { count, errors, slowest, statuses, example } = tally;
  return {
    count,
    errors,
    p50: p50!,
    p95: p95!,
    p99: p99!,
    slowest: rounded([slowest])[0]!,
    statuses,
    ...(example && { example: shown(example) }),
    heat: [...rows],
  };
}

function callFigures({ calls }: OpenPoint): CallFigures[] {
  return [...calls].flatMap(([from, peers]) =>
    [...peers].map(([to, tally]) => {
      const [p95] = rounded(quantiles(tally, [0.95]) ?? [0]);
      return { from, to, count: tally.count, errors: tally.errors, p95: p95! };
    }),
  );
}

function shown({ traceId, duration }: Example): Example {
  return { traceId, duration: rounded([duration])[0]! };
}

/** Three digits are enough, because percentiles are accurate only to one percent. */
function rounded(values: readonly number[]): number[] {
  return values.map((value) => Number(value.toPrecision(3)));
}

/** Without a prototype, so that any name is only a key. */
function mapToObject<T, R>(map: ReadonlyMap<string, T>, convert: (value: T) => R): Record<string, R> {
  const object = Object.create(null) as Record<string, R>;
  for (const [name, value] of map) object[name] = convert(value);
  return object;
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = create()));
  return value;
}
