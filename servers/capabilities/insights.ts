/** Insights from the history of the capabilities. All functions are pure. */
import type { ServiceState } from './capability-store.js';

export interface EventCount {
  readonly service: string;
  readonly capability: string | null;
  readonly kind: string;
  readonly count: number;
}

export interface ServiceInsight {
  readonly service: string;
  readonly reachable: boolean;
  /** Share of the checks that the service answered. */
  readonly availability: number | null;
  readonly known: number;
  readonly active: number;
  /** Number of known capabilities that the service has stopped offering. */
  readonly missing: number;
  /** Number of times the service was lost in the period. */
  readonly losses: number;
}

export interface Insights {
  readonly services: readonly ServiceInsight[];
  /** Share of the known capabilities that are offered and active. */
  readonly usable: number | null;
  /** The capabilities that were switched most often. Frequent switching may be a mistake of a person or a program. */
  readonly unsettled: readonly { readonly capability: string; readonly switches: number }[];
  readonly advice: readonly string[];
}

const SWITCHES = new Set(['activated', 'deactivated']);
const UNSETTLED_AT = 3;
const SHOWN = 10;

export function insightsFrom(
  services: readonly ServiceState[],
  counts: readonly { service: string; known: number; active: number; present: number }[],
  events: readonly EventCount[],
): Insights {
  const insights = services.map((state): ServiceInsight => {
    const count = counts.find(({ service }) => service === state.service);
    return {
      service: state.service,
      reachable: state.reachable,
      availability: state.checks === 0 ? null : 1 - state.failures / state.checks,
      known: count?.known ?? 0,
      active: count?.active ?? 0,
      missing: (count?.known ?? 0) - (count?.present ?? 0),
      losses: sum(events.filter(({ service, kind }) => service === state.service && kind === 'lost')),
    };
  });
  const known = counts.reduce((total, one) => total + one.known, 0);
  const reachable = new Set(services.filter((one) => one.reachable).map((one) => one.service));
  const usable = counts
    .filter(({ service }) => reachable.has(service))
    .reduce((total, { active, present }) => total + Math.min(active, present), 0);
  return {
    services: insights,
    usable: known === 0 ? null : usable / known,
    unsettled: unsettledOf(events),
    advice: insights.flatMap(adviceFor),
  };
}

function unsettledOf(events: readonly EventCount[]): { capability: string; switches: number }[] {
  const switches = new Map<string, number>();
  for (const { capability, kind, count } of events) {
    if (capability === null || !SWITCHES.has(kind)) continue;
    switches.set(capability, (switches.get(capability) ?? 0) + count);
  }
  return [...switches]
    .filter(([, count]) => count >= UNSETTLED_AT)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, SHOWN)
    .map(([capability, count]) => ({ capability, switches: count }));
}

function adviceFor({ service, reachable, losses, missing }: ServiceInsight): string[] {
  const advice: string[] = [];
  if (!reachable) advice.push(`${service} does not answer: start it, or see why it stopped`);
  if (reachable && losses > 1) advice.push(`${service} was lost ${losses} times: look for restarts in its log`);
  if (missing > 0)
    advice.push(`${service} no longer offers ${missing} of its capabilities: callers may still ask for them`);
  return advice;
}

function sum(events: readonly EventCount[]): number {
  return events.reduce((total, { count }) => total + count, 0);
}
