/** The result of an evaluation, with all numbers behind it. */
import type { DemandReading } from './demand.js';
import type { InstanceCounts } from './fleet-samples.js';
import type { ScalingMetric } from './metrics.js';

/** The action that a decision requests. */
export type ScalingAction = 'SCALE_UP' | 'SCALE_DOWN' | 'HOLD';

/** The contribution of one metric to a decision. */
export interface MetricAdvice {
  readonly metric: ScalingMetric;
  /** Mean over the instances that reported it; null if none did. */
  readonly value: number | null;
  /** For loads: the mean including assumed values for missing and starting instances. The advice is based on it. */
  readonly adjusted: number | null;
  /** For loads: the target per instance. For symptoms: the limit. */
  readonly target: number;
  readonly up: number;
  /** Null for a symptom, because it never requests fewer instances. */
  readonly down: number | null;
  /** Number of instances requested; null if the metric does not contribute. */
  readonly desired: number | null;
  readonly note: string;
}

/** The contribution of the forecast. Loads are in instances: 2.5 is the load of 2.5 instances at their target. */
export interface ForecastAdvice {
  /** The load metric that the forecast follows. */
  readonly metric: ScalingMetric;
  /** Kind of the model with the lowest loss in the backtest, such as 'seasonal trend'; null before the first backtest. */
  readonly model: string | null;
  /** Whether the forecast was more accurate on held-out data than the last value and than an average. */
  readonly trusted: boolean;
  /** Expected load at the time when an instance started now would be ready; null if there is too little history. */
  readonly load: number | null;
  /** The current load. */
  readonly current: number | null;
  /** The load that was forecast for now at the time when its instances had to be ordered; null without a forecast. */
  readonly expected: number | null;
  /** How far ahead the forecast looks, in milliseconds. */
  readonly horizon: number;
  /** Length of the detected season, in milliseconds; null without one. */
  readonly season: number | null;
  /**
   * Mean absolute errors of the backtest: of the forecast, of the last value, and of an average. Null before the first
   * backtest.
   */
  readonly error: number | null;
  readonly naiveError: number | null;
  readonly averageError: number | null;
  /**
   * The load that is not exceeded in nine of ten cases when an instance started now is ready, by the last hour; null for
   * lack of history.
   */
  readonly soon: number | null;
  /** Kind of the model behind `soon`: 'level' or 'trend'. */
  readonly soonModel: string | null;
  /** Number of instances requested for `load`, if it is trusted, and for `soon`; null without either. */
  readonly desired: number | null;
  /** The most instances requested within the down window; null if the forecast is not trusted. */
  readonly ahead: number | null;
}

/** The number of instances that should run, and the reasons. */
export interface ScalingDecision {
  readonly service: string;
  /** Milliseconds of the engine's clock. */
  readonly at: number;
  readonly action: ScalingAction;
  /** Current instances, including those that start. */
  readonly current: number;
  /** Instances that should run. */
  readonly desired: number;
  /** The reason in one sentence. */
  readonly reason: string;
  readonly instances: InstanceCounts;
  /** Part of `instances.warming`: ordered but not reported yet. */
  readonly pending: number;
  readonly metrics: readonly MetricAdvice[];
  /** Required metrics that no instance reports. While there are any, the service does not shrink. */
  readonly unknown: readonly ScalingMetric[];
  /** The steps from the metrics to `desired`. Each is the number of instances after that step. */
  readonly steps: {
    readonly reactive: number;
    readonly forecast: number;
    readonly bounded: number;
    readonly stabilized: number;
    readonly paced: number;
  };
  readonly panic: boolean;
  /** Requests that callers have in progress; null if no caller reports them. */
  readonly demand: DemandReading | null;
  readonly forecast: ForecastAdvice | null;
  readonly min: number;
  readonly max: number;
}
