/** The slots of all instances as points of one timeline: a point is told once every instance has told its part. */
import type { PulseSlot } from '../support/pulse.js';
import { latencyOf, merge, newTally, quantiles, type Slowest, type Tally } from '../support/tally.js';

/** What a route, or a whole service, did in one slot. Latencies are milliseconds. */
export interface TrafficFigures {
  readonly count: number;
  readonly errors: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly slowest?: Slowest;
  /** Requests by latency: pairs of a row of the heatmap and how many lie in it, see `heatRow`. */
  readonly heat: ReadonlyArray<readonly [row: number, count: number]>;
}

export interface ServiceTraffic extends TrafficFigures {
  /** By operation, `GET /api/items/:id`. */
  readonly routes: Readonly<Record<string, TrafficFigures>>;
}

/** What one service asked of another in one slot. */
export interface CallFigures {
  readonly from: string;
  readonly to: string;
  readonly count: number;
  readonly errors: number;
  readonly p95: number;
}

export interface TrafficPoint {
  readonly slot: number;
  /** Those that served anything. */
  readonly services: Readonly<Record<string, ServiceTraffic>>;
  readonly calls: readonly CallFigures[];
}

/** Slots an instance may be late before the others' are told without it. */
const PATIENCE = 2;

/** Rows of the heatmap that a factor of two in latency spans. */
export const ROWS_PER_OCTAVE = 2;

/** The row of the heatmap a latency belongs to: row r spans 2^(r/2) to 2^((r+1)/2) milliseconds. */
export function heatRow(latency: number): number {
  return Math.floor(ROWS_PER_OCTAVE * Math.log2(latency));
}

type TallyGroups = Map<string, Map<string, Tally>>;

interface OpenPoint {
  /** By service, then by operation. */
  readonly requests: TallyGroups;
  /** By caller, then by the called. */
  readonly calls: TallyGroups;
}

function newPoint(): OpenPoint {
  return { requests: new Map<string, Map<string, Tally>>(), calls: new Map<string, Map<string, Tally>>() };
}

export class TrafficMerge {
  readonly #open = new Map<number, OpenPoint>();
  readonly #told = new Map<string, number>();
  #emitted = 0;

  /** Takes the slots an instance tells of. What comes after its point was told is left out. */
  add(instance: string, service: string, slots: readonly PulseSlot[]): void {
    for (const { slot, requests, calls } of slots) {
      this.#told.set(instance, slot);
      if (slot <= this.#emitted) continue;
      const point = getOrAdd(this.#open, slot, newPoint);
      addAll(point.requests, service, requests);
      addAll(point.calls, service, calls);
    }
  }

  /** The last slot an instance told of; 0 before its first. */
  lastOf(instance: string): number {
    return this.#told.get(instance) ?? 0;
  }

  /** The points that are complete, the oldest first. Instances that are not among `present` are waited for no more. */
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

function figuresOf(tally: Tally): TrafficFigures {
  const [p50, p95, p99] = rounded(quantiles(tally, [0.5, 0.95, 0.99]) ?? [0, 0, 0]);
  const rows = new Map<number, number>();
  for (const [bin, count] of Object.entries(tally.bins)) {
    const row = heatRow(latencyOf(Number(bin)));
    rows.set(row, (rows.get(row) ?? 0) + count);
  }
  const { count, errors, slowest } = tally;
  return {
    count,
    errors,
    p50: p50!,
    p95: p95!,
    p99: p99!,
    ...(slowest && { slowest: shown(slowest) }),
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

function shown({ traceId, duration }: Slowest): Slowest {
  return { traceId, duration: rounded([duration])[0]! };
}

/** Three digits are all there is to a percentile within one percent. */
function rounded(values: readonly number[]): number[] {
  return values.map((value) => Number(value.toPrecision(3)));
}

/** Without a prototype: a name is a name, whatever it is. */
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
