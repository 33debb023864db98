/** What an evaluation came to, with every number behind it. */
import type { InstanceCounts } from './fleet-samples.js';
import type { ScalingMetric } from './metrics.js';

/** What a decision asks for. */
export type ScalingAction = 'SCALE_UP' | 'SCALE_DOWN' | 'HOLD';

/** One metric's part in a decision. */
export interface MetricAdvice {
  readonly metric: ScalingMetric;
  /** Mean over the instances that reported it; null when none did. */
  readonly value: number | null;
  /** Loads: the mean with missing and starting instances put in, which the advice rests on. */
  readonly adjusted: number | null;
  /** Loads: what the instances are sized for. Symptoms: the limit. */
  readonly target: number;
  readonly up: number;
  /** Null for a symptom: it never asks for fewer. */
  readonly down: number | null;
  /** Instances it asks for; null when it has no say. */
  readonly desired: number | null;
  readonly note: string;
}

/** What the forecast had to say. Loads in instances' worth: 2.5 is what 2.5 instances at their target carry. */
export interface ForecastAdvice {
  /** The load it follows. */
  readonly metric: ScalingMetric;
  /** Whether it has done better on held-out data than the last value and than an average. */
  readonly trusted: boolean;
  /** Load expected when an instance started now would serve; null while there is too little history. */
  readonly load: number | null;
  /** Load measured now. */
  readonly current: number | null;
  /** Load that it expected for now when instances for it had to be ordered; null where it had nothing to say then. */
  readonly expected: number | null;
  /** Milliseconds ahead. */
  readonly horizon: number;
  /** Length of the season found, in milliseconds; null without one. */
  readonly season: number | null;
  /** Mean absolute errors of the backtest: of the forecast, of the last value, of an average. Null before one was made. */
  readonly error: number | null;
  readonly naiveError: number | null;
  readonly averageError: number | null;
  /** Instances it asks for; null when it is not trusted. */
  readonly desired: number | null;
  /** The most instances that it asks for within the down window; null when it is not trusted. */
  readonly ahead: number | null;
}

/** How many instances there should be, and why. */
export interface ScalingDecision {
  readonly service: string;
  /** Milliseconds of the engine's clock. */
  readonly at: number;
  readonly action: ScalingAction;
  /** Instances there are, those starting included. */
  readonly current: number;
  /** Instances there should be. */
  readonly desired: number;
  /** One sentence. */
  readonly reason: string;
  readonly instances: InstanceCounts;
  /** Part of `instances.warming`: ordered, and not seen yet. */
  readonly pending: number;
  readonly metrics: readonly MetricAdvice[];
  /** Required metrics nobody reports: while there are any, the service does not shrink. */
  readonly unknown: readonly ScalingMetric[];
  /** The steps from the metrics to `desired`, each the number of instances it left. */
  readonly steps: {
    readonly reactive: number;
    readonly forecast: number;
    readonly bounded: number;
    readonly stabilized: number;
    readonly paced: number;
  };
  readonly panic: boolean;
  readonly forecast: ForecastAdvice | null;
  readonly min: number;
  readonly max: number;
}
