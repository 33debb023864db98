/** What the pages remember of the stream: a timeline of traffic and of instance counts, bounded however long one looks. */
import { concurrencyRows } from './limit-rows.js';
import type { Frame, ScalingFigures } from '../../web/fleet-sampler.js';
import type { ServiceTraffic, TrafficFigures, TrafficPoint } from '../../web/traffic-merge.js';

/** Points kept: half an hour at two seconds each. */
const MAX_POINTS = 900;

/** Routes kept over all points; beyond, the oldest points keep their services' totals only. */
const MAX_ROUTES = 40_000;

/** What the fleet was at one time. */
export interface FleetMark {
  /** Epoch milliseconds. */
  readonly at: number;
  /** Instances that are ready, by service. */
  readonly ready: Readonly<Record<string, number>>;
  /** Totals of the engines, by service: what is shown is what they grow by. */
  readonly cache: Readonly<Record<string, CacheTotals>>;
  readonly limits: Readonly<Record<string, LimitTotals>>;
  /** Limits on requests in flight, by `slotName`. */
  readonly slots: Readonly<Record<string, SlotTotals>>;
  /** What the last decision on each service's size rested on. */
  readonly scaling: Readonly<Record<string, ScalingFigures>>;
}

export interface CacheTotals {
  readonly hits: number;
  readonly lookups: number;
}

export interface LimitTotals {
  readonly allowed: number;
  readonly denied: number;
  readonly waiting: number;
}

/** Of all instances of a service that have such a limit. */
export interface SlotTotals {
  readonly limit: number;
  readonly inFlight: number;
  readonly waiting: number;
}

/** Limits on requests in flight remembered in a mark: a limit may have a key for each client. */
const MOST_SLOTS = 16;

/** What a limit on requests in flight is called: whose it is, and for what. */
export function slotName(service: string, key: string): string {
  return key === 'all' ? service : `${service} → ${key}`;
}

const NOTHING: TrafficFigures = { count: 0, errors: 0, p50: 0, p95: 0, p99: 0, heat: [] };

export class FleetHistory {
  latest: Frame | undefined;
  points: TrafficPoint[] = [];
  marks: FleetMark[] = [];
  #routes = 0;
  #compacted = 0;

  /** Takes a frame; one told before (the stream was broken and caught up) changes nothing. */
  add(frame: Frame): void {
    if (this.latest !== undefined && frame.at <= this.latest.at) return;
    this.latest = frame;
    for (const point of frame.points) this.#addPoint(point);
    this.marks.push(markOf(frame));
    if (this.marks.length > MAX_POINTS) this.marks.shift();
  }

  /** Milliseconds a point spans. */
  get slotMs(): number {
    return this.latest?.slotMs ?? 2000;
  }

  /** What a service, or one of its routes, did in a point; zeros where it did nothing. */
  static figures(point: TrafficPoint, service: string, route?: string): TrafficFigures {
    const told: ServiceTraffic | undefined = point.services[service];
    return (route === undefined ? told : told?.routes[route]) ?? NOTHING;
  }

  #addPoint(point: TrafficPoint): void {
    if (point.slot <= (this.points.at(-1)?.slot ?? 0)) return;
    this.points.push(point);
    this.#routes += routesOf(point);
    if (this.points.length > MAX_POINTS) this.#forgetOldest();
    while (this.#routes > MAX_ROUTES && this.#compacted < this.points.length - 1) this.#compact();
  }

  #forgetOldest(): void {
    this.#routes -= routesOf(this.points.shift()!);
    this.#compacted = Math.max(0, this.#compacted - 1);
  }

  #compact(): void {
    const point = this.points[this.#compacted]!;
    this.#routes -= routesOf(point);
    const services = Object.entries(point.services).map(([name, traffic]) => [name, { ...traffic, routes: {} }]);
    this.points[this.#compacted++] = { ...point, services: Object.fromEntries(services) as TrafficPoint['services'] };
  }
}

function routesOf({ services }: TrafficPoint): number {
  return Object.values(services).reduce((sum, { routes }) => sum + Object.keys(routes).length, 0);
}

function markOf({ at, instances, scaling }: Frame): FleetMark {
  const ready: Record<string, number> = {};
  const cache: Record<string, { hits: number; lookups: number }> = {};
  const limits: Record<string, { allowed: number; denied: number; waiting: number }> = {};
  for (const { service, state, figures } of instances) {
    ready[service] = (ready[service] ?? 0) + (state === 'ready' ? 1 : 0);
    const engines = (figures?.engines ?? {}) as Record<string, Record<string, number> | undefined>;
    const { responses, rateLimiter, concurrency } = engines;
    if (responses !== undefined) {
      const total = (cache[service] ??= { hits: 0, lookups: 0 });
      const { hits = 0, staleHits = 0, collapsed = 0, misses = 0, revalidated = 0 } = responses;
      total.hits += hits + staleHits + collapsed;
      total.lookups += hits + staleHits + collapsed + misses + revalidated;
    }
    if (rateLimiter !== undefined) {
      const total = (limits[service] ??= { allowed: 0, denied: 0, waiting: 0 });
      total.allowed += rateLimiter['allowedRequests'] ?? 0;
      total.denied += rateLimiter['deniedRequests'] ?? 0;
      total.waiting += (rateLimiter['waitingRequests'] ?? 0) + (concurrency?.['waiting'] ?? 0);
    }
  }
  return { at, ready, cache, limits, slots: slotTotals(instances), scaling: scaling ?? {} };
}

function slotTotals(instances: Frame['instances']): Record<string, SlotTotals> {
  const slots = new Map<string, { limit: number; inFlight: number; waiting: number }>();
  for (const { service, key, limit, inFlight, waiting } of concurrencyRows(instances)) {
    const name = slotName(service, key);
    const total = slots.get(name) ?? { limit: 0, inFlight: 0, waiting: 0 };
    total.limit += limit;
    total.inFlight += inFlight;
    total.waiting += waiting;
    if (slots.has(name) || slots.size < MOST_SLOTS) slots.set(name, total);
  }
  return Object.fromEntries(slots);
}

/** What grew between two totals; a service that began anew counts from nothing. */
export function growth(now: number, before: number | undefined): number {
  return before === undefined ? 0 : now >= before ? now - before : now;
}
