/**
 * What an instance reports of itself, and the two kinds of figures in it: loads are shared out, so that more instances
 * mean less of them for each; symptoms tell that something is wrong, not how many instances would put it right.
 */

/** Divided among the instances: HPA's formula applies. */
export type LoadMetric = 'cpu' | 'memory' | 'queueDepth' | 'inFlight';
/** Not divided among the instances: a limit and a step apply. */
export type SymptomMetric = 'p99' | 'errorRate';
/** What a policy may name. */
export type ScalingMetric = LoadMetric | SymptomMetric;

export const LOADS: readonly LoadMetric[] = ['cpu', 'memory', 'queueDepth', 'inFlight'];
export const SYMPTOMS: readonly SymptomMetric[] = ['p99', 'errorRate'];
export const METRICS: readonly ScalingMetric[] = [...LOADS, ...SYMPTOMS];

/**
 * A figure: a number; absent, not finite or negative when it is not known, which is never taken for 0. `null` for a symptom
 * means that there was nothing to measure, as the latency of an instance without a request; for a load it is unknown.
 */
export type Figure = number | null | undefined;

/** One report about one instance. */
export interface InstanceSample {
  /** Name of the instance, unique in its service. Default 'default': a service of one instance. */
  readonly instance?: string;
  /** When it was measured, in milliseconds of the engine's clock. Default: now. What is older than the last is ignored. */
  readonly at?: number;
  /**
   * False while the instance starts: it counts as on its way, its figures as nothing. Reports with it from the launch on
   * also tell the engine how long a start takes. Default true.
   */
  readonly ready?: boolean;
  /** Busy share of what the instance may use, in percent. */
  readonly cpu?: Figure;
  /** Share of its own memory limit, in percent. */
  readonly memory?: Figure;
  /** Requests or jobs waiting in the instance. */
  readonly queueDepth?: Figure;
  /** Requests being served. Watched only where the policy names a target. */
  readonly inFlight?: Figure;
  /** 99th percentile of the latency, in milliseconds. */
  readonly p99?: Figure;
  /** Failed requests, in percent. */
  readonly errorRate?: Figure;
}

/** What a missing instance counts as while shrinking: all that it could use where there is such a bound. */
export const FULL: Partial<Record<LoadMetric, number>> = { cpu: 100, memory: 100 };

/**
 * How far a load may let the service grow beyond its ready instances at a time. A backlog adds up: it tells that there are
 * too few instances, not how many, and it goes on growing while those on their way start.
 */
export const GROWTH: Partial<Record<LoadMetric, number>> = { queueDepth: 2 };
