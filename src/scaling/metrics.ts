/**
 * The figures that an instance reports. There are two kinds. A load is divided among the instances, so more instances
 * mean less load for each. A symptom shows a problem, but not how many instances would solve it.
 */

/** Divided among the instances. The formula of HPA applies. */
export type LoadMetric = 'cpu' | 'memory' | 'queueDepth' | 'inFlight';
/** Not divided among the instances. A limit and a step apply. */
export type SymptomMetric = 'p99' | 'errorRate';
/** The metrics that a policy may name. */
export type ScalingMetric = LoadMetric | SymptomMetric;

export const LOADS: readonly LoadMetric[] = ['cpu', 'memory', 'queueDepth', 'inFlight'];
export const SYMPTOMS: readonly SymptomMetric[] = ['p99', 'errorRate'];
export const METRICS: readonly ScalingMetric[] = [...LOADS, ...SYMPTOMS];

/**
 * A figure is a number. It is unknown if it is absent, not finite or negative; unknown never counts as 0. For a
 * symptom, `null` means that there was nothing to measure, such as the latency of an instance without requests. For a
 * load, `null` means unknown.
 */
export type Figure = number | null | undefined;

/** A report about one instance. */
export interface InstanceSample {
  /** Name of the instance, unique in its service. Default 'default', for a service with one instance. */
  readonly instance?: string;
  /**
   * Time of the measurement, in milliseconds of the engine's clock. Default: now. Reports older than the last one are
   * ignored.
   */
  readonly at?: number;
  /**
   * False while the instance starts. It then counts as warming, and its figures are ignored. If reports begin at the
   * launch, the engine also learns how long a start takes. Default true.
   */
  readonly ready?: boolean;
  /**
   * True if the instance did not answer the request for its figures in time. It counts as saturated while callers have
   * requests in progress to it or its process is busy. Otherwise it counts as missing. Default false.
   */
  readonly silent?: boolean;
  /**
   * Number of requests that ended in the window of `p99` and `errorRate`. Without it, these figures always count as
   * based on enough requests.
   */
  readonly requests?: Figure;
  /** CPU use as a percentage of the instance's limit. */
  readonly cpu?: Figure;
  /** Memory use as a percentage of the instance's limit. */
  readonly memory?: Figure;
  /** Requests or jobs that wait in the instance. */
  readonly queueDepth?: Figure;
  /** Requests in progress. Used only if the policy sets a target. */
  readonly inFlight?: Figure;
  /** 99th percentile of the latency, in milliseconds. */
  readonly p99?: Figure;
  /** Failed requests, in percent. */
  readonly errorRate?: Figure;
}

/** Assumed value of a missing instance while shrinking: the maximum, if the metric has one. */
export const FULL: Partial<Record<LoadMetric, number>> = { cpu: 100, memory: 100 };

/**
 * Maximum growth at once, as a multiple of the ready instances. A queue accumulates. It shows that there are too few
 * instances, but not how many, and it continues to grow while new instances start.
 */
export const GROWTH: Partial<Record<LoadMetric, number>> = { queueDepth: 2 };
