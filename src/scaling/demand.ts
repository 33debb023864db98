/** Requests that callers have in progress to a service and its instances: the load as measured by the callers. */
import type { Figure } from './metrics.js';

/** The report of one caller, a gateway or a service client, about its requests to a service. */
export interface CallerDemand {
  /** Name of the caller. Its latest report replaces the previous one. Default 'caller'. */
  readonly caller?: string;
  /** The instance that receives the requests. Absent for requests that still wait at the caller for an instance. */
  readonly instance?: string;
  /** Time of the measurement, in milliseconds of the engine's clock. Default: now. */
  readonly at?: number;
  /** Requests sent and not yet answered. */
  readonly inFlight?: Figure;
  /** Requests that wait at the caller for an instance or a slot. */
  readonly waiting?: Figure;
  /** Current latency as measured by the caller, in milliseconds. */
  readonly latency?: Figure;
  /** Number of responses since the caller started: a counter that shows progress. */
  readonly answered?: Figure;
}

/** The combined figures of all callers. */
export interface DemandReading {
  readonly inFlight: number;
  readonly waiting: number;
  /** Milliseconds, weighted by the requests in flight; null if unknown. */
  readonly latency: number | null;
  /** Instances that receive requests but do not answer requests for their load. They count as saturated. */
  readonly saturated: readonly string[];
}

/** One instance as its callers see it. */
export interface InstanceDemand {
  readonly inFlight: number;
  readonly answered: number;
}

interface Entry {
  at: number;
  inFlight: number;
  waiting: number;
  latency: number | undefined;
  answered: number;
}

/** Limits the memory that faulty callers can use. */
const MAX_ENTRIES = 10_000;
const FORGET_AFTER = 10;

const known = (figure: Figure): number | undefined =>
  typeof figure === 'number' && Number.isFinite(figure) && figure >= 0 ? Math.min(figure, 1e9) : undefined;

/** The reports of all callers of one service. */
export class DemandBook {
  /** By instance ('' for requests without one), then by caller. */
  readonly #entries = new Map<string, Map<string, Entry>>();
  #size = 0;

  /** Adds a report. Returns false if it is older than the previous one, or if there are too many. */
  record(demand: CallerDemand, now: number): boolean {
    const { caller = 'caller', instance = '' } = demand;
    const at = Number.isFinite(demand.at) ? Math.min(demand.at!, now) : now;
    const callers = this.#entries.get(instance) ?? new Map<string, Entry>();
    const before = callers.get(caller);
    if (before === undefined ? this.#size >= MAX_ENTRIES : at < before.at) return false;
    callers.set(caller, {
      at,
      inFlight: known(demand.inFlight) ?? 0,
      waiting: known(demand.waiting) ?? 0,
      latency: known(demand.latency),
      answered: known(demand.answered) ?? before?.answered ?? 0,
    });
    if (before === undefined) this.#size++;
    this.#entries.set(instance, callers);
    return true;
  }

  forget(instance: string): void {
    this.#size -= this.#entries.get(instance)?.size ?? 0;
    this.#entries.delete(instance);
  }

  /** The callers' requests in progress to an instance; undefined if no caller has reported it lately. */
  of(instance: string, now: number, staleAfter: number): InstanceDemand | undefined {
    let sum: { inFlight: number; answered: number } | undefined;
    for (const { at, inFlight, answered } of this.#entries.get(instance)?.values() ?? []) {
      if (now - at >= staleAfter) continue;
      sum ??= { inFlight: 0, answered: 0 };
      sum.inFlight += inFlight;
      sum.answered += answered;
    }
    return sum;
  }

  /** The total over all callers; undefined if no caller has reported lately. */
  total(now: number, staleAfter: number): Omit<DemandReading, 'saturated'> | undefined {
    let [inFlight, waiting, weights, latencies, fresh] = [0, 0, 0, 0, 0];
    for (const [instance, callers] of this.#entries) {
      for (const [caller, entry] of callers) {
        const silence = now - entry.at;
        if (silence >= staleAfter * FORGET_AFTER) this.#drop(instance, caller);
        if (silence >= staleAfter) continue;
        fresh++;
        inFlight += entry.inFlight;
        waiting += entry.waiting;
        if (entry.latency === undefined) continue;
        latencies += entry.latency * Math.max(1, entry.inFlight);
        weights += Math.max(1, entry.inFlight);
      }
    }
    return fresh === 0 ? undefined : { inFlight, waiting, latency: weights === 0 ? null : latencies / weights };
  }

  #drop(instance: string, caller: string): void {
    const callers = this.#entries.get(instance)!;
    if (callers.delete(caller)) this.#size--;
    if (callers.size === 0) this.#entries.delete(instance);
  }
}
