/** The scaling policy of a service: the options, their defaults, and the resolved form used for decisions. */
import {
  anyOf,
  arrayOf,
  boolean,
  checkOptions,
  count,
  milliseconds,
  number,
  object,
  oneOf,
  positive,
  type Check,
  type OptionChecks,
} from '../shared/options.js';
import { parseSchedule, type BoundsSpan, type ScheduledBounds } from './schedule.js';
import { LOADS, SYMPTOMS, type LoadMetric, type ScalingMetric, type SymptomMetric } from './metrics.js';

/** Target and thresholds of a load, in the unit of the metric and per instance. */
export interface LoadTarget {
  /** The load that an instance should have. */
  readonly target: number;
  /** Above it the service grows. Default: the target plus the tolerance. */
  readonly up?: number;
  /** Below it the service may shrink. Default: the target minus the tolerance. */
  readonly down?: number;
}

/** One value for both directions, or one value each. Milliseconds. */
export type PerDirection = number | { readonly up?: number; readonly down?: number };

/** The most instances added or removed within a period: the larger of `percent` and `count`. */
export interface ChangeLimit {
  /** Percentage of the instances at the start of the period. */
  readonly percent: number;
  /** Number of instances. */
  readonly count: number;
  /** Milliseconds. */
  readonly period: number;
}

/** Scaling ahead of the load that a forecast expects from the past. */
export interface PredictivePolicy {
  /** Step of the recorded history, in milliseconds. Default 60 000. */
  readonly step?: number;
  /** Number of steps kept for the forecast. Default 4320: three days of minutes. */
  readonly history?: number;
  /**
   * Time from the start of an instance until it is ready, in milliseconds. Default: as measured, or 30 000 before the
   * first measurement.
   */
  readonly bootTime?: number;
}

/**
 * A number for a load is its target; the tolerance gives the thresholds, as in Kubernetes. `false` disables a metric. A
 * metric named here is required: while no instance reports it, the service does not shrink.
 */
export interface ScalingPolicy {
  /** Default 1. */
  readonly min?: number;
  /** Default 10. */
  readonly max?: number;
  /** Percent. Default: target 65, up above 70, down below 55. */
  readonly cpu?: number | LoadTarget | false;
  /** Percent. Default: target 65, up above 75, down below 50. */
  readonly memory?: number | LoadTarget | false;
  /** Requests waiting per instance. Default: target 10, up above 10, down below 5. */
  readonly queueDepth?: number | LoadTarget | false;
  /** Requests in progress per instance. Not used by default. */
  readonly inFlight?: number | LoadTarget | false;
  /** Limit in milliseconds. Default 500. */
  readonly p99?: number | false;
  /** Limit in percent. Default 1. */
  readonly errorRate?: number | false;
  /** Relative deviation of a load from its target that is ignored, if no thresholds are given. Default 0.1. */
  readonly tolerance?: number;
  /** Stabilization window: how far back recommendations are considered. Default 0 up, 300 000 down. */
  readonly stabilization?: PerDirection;
  /** Pause after any change before the next change in a direction. Default 0 up, 60 000 down. */
  readonly cooldown?: PerDirection;
  /** Default: up 300 % or 4 in 15 s, down 100 % in 15 s. */
  readonly rateLimit?: { readonly up?: ChangeLimit; readonly down?: ChangeLimit };
  /**
   * Other bounds at certain times: `[{ start: '0 8 * * 1-5', end: '0 18 * * 1-5', timeZone: 'Europe/Berlin', min: 3
   * }]`.
   */
  readonly schedule?: readonly ScheduledBounds[];
  /**
   * Whether a forecast may add instances ahead of the load. Default true. It is used only once it has proved accurate.
   */
  readonly predictive?: boolean | PredictivePolicy;
  /** An instance is missing if its last report is older than this, in milliseconds. Default 30 000. */
  readonly staleAfter?: number;
}

/** The resolved target and thresholds of a load. */
export interface LoadRule {
  readonly target: number;
  readonly up: number;
  readonly down: number;
}

/** A policy with all defaults filled in. */
export interface ResolvedPolicy {
  readonly min: number;
  readonly max: number;
  readonly loads: Readonly<Partial<Record<LoadMetric, LoadRule>>>;
  readonly limits: Readonly<Partial<Record<SymptomMetric, number>>>;
  /** Metrics without which the service does not shrink, whether reported or not. */
  readonly required: ReadonlySet<ScalingMetric>;
  readonly tolerance: number;
  readonly stabilization: { readonly up: number; readonly down: number };
  readonly cooldown: { readonly up: number; readonly down: number };
  readonly rateLimit: { readonly up: ChangeLimit; readonly down: ChangeLimit };
  readonly schedule: readonly BoundsSpan[];
  readonly predictive: (Required<Omit<PredictivePolicy, 'bootTime'>> & { readonly bootTime?: number }) | undefined;
  readonly staleAfter: number;
}

const DEFAULT_LOADS: Partial<Record<LoadMetric, LoadRule>> = {
  // Close to the target, because surplus costs more than it saves. The down window prevents flapping.
  cpu: { target: 65, up: 70, down: 55 },
  memory: { target: 65, up: 75, down: 50 },
  queueDepth: { target: 10, up: 10, down: 5 },
};
const DEFAULT_LIMITS: Record<SymptomMetric, number> = { p99: 500, errorRate: 1 };
const DEFAULT_PREDICTIVE = { step: 60_000, history: 4320 };
const DEFAULT_RATE_LIMIT = {
  up: { percent: 300, count: 4, period: 15_000 },
  down: { percent: 100, count: 0, period: 15_000 },
};

const atMostAMillion = number({ min: 0, max: 1e6 });
const finite = (check: Check): Check => ({
  ...check,
  type: (value) => check.type(value) && value !== Infinity,
});
const loadTarget = anyOf(finite(positive), object('a target with thresholds'), oneOf(false));
const limit = anyOf(finite(positive), oneOf(false));
const perDirection = anyOf(finite(milliseconds), object('{ up, down }'));

const CHECKS: OptionChecks<ScalingPolicy> = {
  min: count(0),
  max: count(1),
  cpu: loadTarget,
  memory: loadTarget,
  queueDepth: loadTarget,
  inFlight: loadTarget,
  p99: limit,
  errorRate: limit,
  tolerance: number({ min: 0, max: 1 }),
  stabilization: perDirection,
  cooldown: perDirection,
  rateLimit: object('{ up, down }'),
  schedule: arrayOf(object('scheduled bounds')),
  predictive: anyOf(boolean, object('the settings of the forecast')),
  staleAfter: finite(positive),
};

const TARGET_CHECKS: OptionChecks<LoadTarget> = {
  target: finite(positive),
  up: finite(positive),
  down: finite(number({ min: 0 })),
};
const DIRECTION_CHECKS: OptionChecks<{ up?: number; down?: number }> = {
  up: finite(milliseconds),
  down: finite(milliseconds),
};
const LIMIT_CHECKS: OptionChecks<ChangeLimit> = {
  percent: atMostAMillion,
  count: number({ min: 0, max: 1e6, integer: true }),
  period: finite(positive),
};
const PREDICTIVE_CHECKS: OptionChecks<PredictivePolicy> = {
  step: finite(number({ min: 1000 })),
  history: number({ min: 60, max: 20_000, integer: true }),
  bootTime: finite(milliseconds),
};

function resolveLoad(who: string, value: number | LoadTarget, tolerance: number): LoadRule {
  const given = typeof value === 'number' ? { target: value } : value;
  const { target, up, down } = checkOptions<LoadTarget>(who, given, TARGET_CHECKS);
  if (target === undefined) throw new TypeError(`${who}: option 'target' is missing`);
  const rule = { target, up: up ?? target * (1 + tolerance), down: down ?? target * (1 - tolerance) };
  if (rule.down > target || rule.up < target) {
    throw new RangeError(`${who}: expected down ≤ target ≤ up, got down ${rule.down}, target ${target}, up ${rule.up}`);
  }
  return rule;
}

function resolveDirections(who: string, value: PerDirection | undefined, defaults: { up: number; down: number }) {
  if (value === undefined) return defaults;
  if (typeof value === 'number') return { up: value, down: value };
  return { ...defaults, ...checkOptions(who, value, DIRECTION_CHECKS) };
}

function resolveRateLimit(who: string, value: ScalingPolicy['rateLimit']): ResolvedPolicy['rateLimit'] {
  const { up, down } = checkOptions<NonNullable<ScalingPolicy['rateLimit']>>(who, value, {
    up: object('{ percent, count, period }'),
    down: object('{ percent, count, period }'),
  });
  return {
    up: { ...DEFAULT_RATE_LIMIT.up, ...checkOptions(`${who}.up`, up, LIMIT_CHECKS) },
    down: { ...DEFAULT_RATE_LIMIT.down, ...checkOptions(`${who}.down`, down, LIMIT_CHECKS) },
  };
}

function resolvePredictive(who: string, value: ScalingPolicy['predictive']): ResolvedPolicy['predictive'] {
  if (value === false) return undefined;
  const given = typeof value === 'object' ? value : undefined;
  return { ...DEFAULT_PREDICTIVE, ...checkOptions<PredictivePolicy>(who, given, PREDICTIVE_CHECKS) };
}

/**
 * Fills in the defaults of a policy.
 *
 * @throws TypeError or RangeError for an invalid option, thresholds out of order, or a min above max
 */
export function resolvePolicy(who: string, policy: ScalingPolicy | undefined): ResolvedPolicy {
  const given = checkOptions<ScalingPolicy>(who, policy, CHECKS);
  const { min = 1, max = Math.max(10, min), tolerance = 0.1, staleAfter = 30_000 } = given;
  if (min > max) throw new RangeError(`${who}: expected min ≤ max, got min ${min}, max ${max}`);
  const loads: Partial<Record<LoadMetric, LoadRule>> = {};
  for (const name of LOADS) {
    const value = given[name] ?? DEFAULT_LOADS[name];
    if (value !== undefined && value !== false) loads[name] = resolveLoad(`${who}: ${name}`, value, tolerance);
  }
  const limits: Partial<Record<SymptomMetric, number>> = {};
  for (const name of SYMPTOMS) {
    const value = given[name] ?? DEFAULT_LIMITS[name];
    if (value !== false) limits[name] = value;
  }
  return {
    min,
    max,
    loads,
    limits,
    required: new Set([...LOADS, ...SYMPTOMS].filter((name) => given[name] !== undefined && given[name] !== false)),
    tolerance,
    stabilization: resolveDirections(`${who}: stabilization`, given.stabilization, { up: 0, down: 300_000 }),
    cooldown: resolveDirections(`${who}: cooldown`, given.cooldown, { up: 0, down: 60_000 }),
    rateLimit: resolveRateLimit(`${who}: rateLimit`, given.rateLimit),
    schedule: parseSchedule(`${who}: schedule`, given.schedule),
    predictive: resolvePredictive(`${who}: predictive`, given.predictive),
    staleAfter,
  };
}
