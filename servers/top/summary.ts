/** The current state and traffic of the fleet, from the latest frame and the traffic of the last ten seconds. */
import { fleetHealth, type FleetHealth } from '../dashboard/model/fleet-health.js';
import { callTotals, type CallTotal } from '../dashboard/model/calls.js';
import type { FleetHistory } from '../dashboard/model/history.js';
import { routeTotals } from '../dashboard/model/route-totals.js';
import type { FrameInstance } from '../web/fleet-sampler.js';

/** Number of points behind the calls and routes. */
const RECENT = 5;

/** Traffic between two services, or of a route. */
export interface TrafficSummary {
  /** Calls per second. */
  readonly rate: number;
  /** Share that failed, 0 to 1. */
  readonly errorRate: number;
  /** Milliseconds. */
  readonly p95: number;
}

export interface RouteSummary extends TrafficSummary {
  readonly service: string;
  readonly route: string;
}

/** `npm run top -- --json` prints this. */
export interface FleetSummary {
  /** Epoch milliseconds of the frame. */
  readonly at: number;
  readonly isOrchestrated: boolean;
  readonly health: FleetHealth;
  readonly instances: readonly FrameInstance[];
  /** The most frequent first. */
  readonly calls: readonly CallTotal[];
  readonly routes: readonly RouteSummary[];
}

/** Undefined before the first frame. */
export function summarize({ latest, points, slotMs }: FleetHistory): FleetSummary | undefined {
  if (latest === undefined) return undefined;
  const newest = points.at(-1)?.slot ?? 0;
  const recent = points.filter(({ slot }) => slot > newest - RECENT);
  const seconds = (Math.max(1, recent.length) * slotMs) / 1000;
  const figures = ({ count, errors, p95 }: { count: number; errors: number; p95: number }): TrafficSummary => ({
    rate: count / seconds,
    errorRate: count === 0 ? 0 : errors / count,
    p95,
  });
  const services = new Set(recent.flatMap((point) => Object.keys(point.services)));
  const routes = [...services].flatMap((service) =>
    routeTotals(recent, service).map((total) => ({ service, route: total.route, ...figures(total) })),
  );
  return {
    at: latest.at,
    isOrchestrated: latest.isOrchestrated,
    health: fleetHealth(latest),
    instances: latest.instances,
    calls: mostFrequentFirst(callTotals(recent, slotMs)),
    routes: mostFrequentFirst(routes),
  };
}

/** The problems of the fleet as texts, the worst first. */
export function problemTexts({ isOrchestrated, health: { problems } }: FleetSummary): string[] {
  const isReported = isOrchestrated || problems.some(({ instance }) => instance === 'orchestrator');
  return [...problems.map(({ text }) => text), ...(isReported ? [] : ['no orchestrator answers'])];
}

function mostFrequentFirst<T extends TrafficSummary>(all: readonly T[]): T[] {
  return [...all].sort((a, b) => b.rate - a.rate);
}
