/** How one service is scaled: what a caller may set, the defaults, and the resolved form the decisions read. */
import {
  anyOf,
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
import { LOADS, SYMPTOMS, type LoadMetric, type ScalingMetric, type SymptomMetric } from './metrics.js';

/** Target and thresholds of a load, each in the metric's own unit and for one instance. */
export interface LoadTarget {
  /** What the instances are sized for. */
  readonly target: number;
  /** Above it the service grows. Default: the target plus the tolerance. */
  readonly up?: number;
  /** Below it the service may shrink. Default: the target less the tolerance. */
  readonly down?: number;
}

/** One value for both directions, or one each. Milliseconds. */
export type PerDirection = number | { readonly up?: number; readonly down?: number };

/** The most instances added or removed within a period: the larger of the two bounds. */
export interface ChangeLimit {
  /** Of the instances there were when the period began. */
  readonly percent: number;
  /** Instances. */
  readonly count: number;
  /** Milliseconds. */
  readonly period: number;
}

/** Scaling ahead of the load that the past lets expect. */
export interface PredictivePolicy {
  /** Grid of the history, in milliseconds. Default 60 000. */
  readonly step?: number;
  /** Steps kept, the memory of the forecast. Default 4320: three days of minutes. */
  readonly history?: number;
  /** How long an instance takes until it serves, in milliseconds. Default: as measured, 30 000 until one was. */
  readonly bootTime?: number;
}

/**
 * A number for a load is its target, with the tolerance as thresholds, as Kubernetes has it. `false` leaves a metric out.
 * A metric named here is required: while nobody reports it, the service does not shrink.
 */
export interface ScalingPolicy {
  /** Default 1. */
  readonly min?: number;
  /** Default 10. */
  readonly max?: number;
  /** Percent. Default: target 65, up above 70, down below 30. */
  readonly cpu?: number | LoadTarget | false;
  /** Percent. Default: target 65, up above 75, down below 50. */
  readonly memory?: number | LoadTarget | false;
  /** Waiting in one instance. Default: target 10, up above 10, down below 5. */
  readonly queueDepth?: number | LoadTarget | false;
  /** Being served by one instance. Not watched by default. */
  readonly inFlight?: number | LoadTarget | false;
  /** Limit in milliseconds. Default 500. */
  readonly p99?: number | false;
  /** Limit in percent. Default 1. */
  readonly errorRate?: number | false;
  /** Deviation of a load from its target that is none, where no thresholds are given. Default 0.1. */
  readonly tolerance?: number;
  /** How far back recommendations are looked at. Default 0 up, 300 000 down. */
  readonly stabilization?: PerDirection;
  /** Pause after any change before the next one in a direction. Default 0 up, 15 000 down. */
  readonly cooldown?: PerDirection;
  /** Default: up 300 % or 4 in 15 s, down 100 % in 15 s. */
  readonly rateLimit?: { readonly up?: ChangeLimit; readonly down?: ChangeLimit };
  /** Whether a forecast may add instances ahead of the load. Default true; it has to prove itself first. */
  readonly predictive?: boolean | PredictivePolicy;
  /** Age of the last report, in milliseconds, from which an instance is missing. Default 30 000. */
  readonly staleAfter?: number;
}

export interface LoadRule {
  readonly target: number;
  readonly up: number;
  readonly down: number;
}

/** A policy with every default in its place. */
export interface ResolvedPolicy {
  readonly min: number;
  readonly max: number;
  readonly loads: Readonly<Partial<Record<LoadMetric, LoadRule>>>;
  readonly limits: Readonly<Partial<Record<SymptomMetric, number>>>;
  /** Metrics without which the service does not shrink, reported or not. */
  readonly required: ReadonlySet<ScalingMetric>;
  readonly tolerance: number;
  readonly stabilization: { readonly up: number; readonly down: number };
  readonly cooldown: { readonly up: number; readonly down: number };
  readonly rateLimit: { readonly up: ChangeLimit; readonly down: ChangeLimit };
  readonly predictive: (Required<Omit<PredictivePolicy, 'bootTime'>> & { readonly bootTime?: number }) | undefined;
  readonly staleAfter: number;
}

const DEFAULT_LOADS: Partial<Record<LoadMetric, LoadRule>> = {
  cpu: { target: 65, up: 70, down: 30 },
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
 * The policy in full.
 *
 * @throws TypeError or RangeError for a wrong option, thresholds out of order, or a min above max
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
    cooldown: resolveDirections(`${who}: cooldown`, given.cooldown, { up: 0, down: 15_000 }),
    rateLimit: resolveRateLimit(`${who}: rateLimit`, given.rateLimit),
    predictive: resolvePredictive(`${who}: predictive`, given.predictive),
    staleAfter,
  };
}
