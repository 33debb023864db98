/** One service: its instances, its history, and the steps from their figures to a number of instances. */
import { wallClock, type Clock } from '../shared/clock.js';
import { ChangeLimiter } from './change-limit.js';
import type { DemandReading } from './demand.js';
import type { ForecastAdvice, MetricAdvice, ScalingAction, ScalingDecision } from './decision.js';
import { FleetSamples, type InstanceCounts } from './fleet-samples.js';
import { adviseLoad } from './hpa.js';
import { LOADS, SYMPTOMS, type LoadMetric, type ScalingMetric, type SymptomMetric } from './metrics.js';
import { outlookOf } from './outlook.js';
import { Panic } from './panic.js';
import type { LoadRule, ResolvedPolicy } from './policy.js';
import { reasonOf } from './reason.js';
import { boundsAt } from './schedule.js';
import { Predictor } from './predictor.js';
import { ShrinkMargin } from './shrink-margin.js';
import { Stabilization } from './stabilization.js';
import { SymptomWatch } from './symptoms.js';

/** Milliseconds until ordered instances must be reported. After that, the order counts as failed. */
const LAUNCH_DEADLINE = 60_000;

/** Minimum number of requests for a meaningful percentile, and for a meaningful percentage. */
const FEWEST: Readonly<Record<SymptomMetric, number>> = { p99: 100, errorRate: 20 };

/** Share of a load's target from which more instances can make it quicker. */
const LOADED = 0.5;

interface Situation {
  readonly now: number;
  readonly instances: InstanceCounts;
  readonly pending: number;
  readonly current: number;
  readonly demand: DemandReading | undefined;
  /** The bounds at this time. */
  readonly min: number;
  readonly max: number;
}

interface Outcome {
  readonly desired: number;
  readonly reason: string;
}

const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max);
const RELIEVED: readonly ScalingMetric[] = ['cpu', 'queueDepth', 'inFlight'];

/** Whether the service has load that more instances would relieve. True if no load is known. */
function isLoadBehind(loads: readonly MetricAdvice[], demand: DemandReading | undefined): boolean {
  if (demand !== undefined && (demand.waiting > 0 || demand.saturated.length > 0)) return true;
  const known = loads.filter(({ metric, value }) => value !== null && RELIEVED.includes(metric));
  return (
    known.length === 0 ||
    known.some(({ metric, value, target }) => (metric === 'queueDepth' ? value! >= 1 : value! >= target * LOADED))
  );
}

export class ServiceScaler {
  readonly service: string;
  readonly samples: FleetSamples;
  readonly #policy: ResolvedPolicy;
  readonly #calendar: Clock;
  readonly #stabilization: Stabilization;
  readonly #limiter: ChangeLimiter;
  readonly #shrinkMargin = new ShrinkMargin();
  readonly #panic = new Panic();
  readonly #symptoms = new Map<SymptomMetric, SymptomWatch>();
  readonly #predictor: Predictor | undefined;
  #changedAt = -Infinity;
  /** The latest order, while its instances may not be reported yet. */
  #ordered: { readonly count: number; readonly until: number } | undefined;
  #isFirst = true;

  /**
   * @param samples kept when the policy of a running service changes
   * @param calendar epoch milliseconds, for the schedule
   */
  constructor(service: string, policy: ResolvedPolicy, samples = new FleetSamples(), calendar: Clock = wallClock) {
    this.#calendar = calendar;
    this.service = service;
    this.samples = samples;
    this.#policy = policy;
    this.#stabilization = new Stabilization(policy.stabilization, policy.predictive?.step);
    this.#limiter = new ChangeLimiter(policy.rateLimit);
    for (const name of SYMPTOMS) {
      const limit = policy.limits[name];
      if (limit !== undefined) this.#symptoms.set(name, new SymptomWatch(limit, policy.tolerance, FEWEST[name]));
    }
    if (policy.predictive !== undefined) this.#predictor = new Predictor(policy, samples, policy.predictive);
  }

  get policy(): ResolvedPolicy {
    return this.#policy;
  }

  /** Makes a decision and records it, because windows, pauses and rate limits start from it. */
  evaluate(now: number): ScalingDecision {
    const situation = this.#situation(now);
    const { current, min, max, instances, demand } = situation;
    const loads = this.#adviseLoads(situation);
    const metrics = [...loads, ...this.#adviseSymptoms(situation, loads)];
    const unknown = this.#unknown(metrics);
    const isPanic = this.#panic.update(this.#panicRatio(now), now);
    if (current === 0) {
      const nothing = { reactive: 0, forecast: 0, bounded: 0, stabilized: 0, paced: 0 };
      const outcome = { desired: 0, reason: 'no instance has reported' };
      return this.#decision(situation, outcome, metrics, unknown, nothing, isPanic, null);
    }
    const reactive = this.#reactive(metrics, unknown, current);
    const forecast = this.#predictor?.advise(current, now) ?? null;
    const predicted = Math.max(reactive, forecast?.desired ?? 0);
    const bounded = clamp(predicted, min, max);
    if (this.#isFirst) this.#stabilization.apply(clamp(current, min, max), current, now);
    this.#isFirst = false;
    const outlook = unknown.length > 0 ? undefined : outlookOf(forecast, metrics, this.#policy.tolerance);
    const stable = this.#stabilization.apply(bounded, current, now, outlook);
    const stabilized = isPanic ? Math.max(bounded, stable, current) : stable;
    const paced = this.#pace(stabilized, current, isPanic, now);
    const steps = { reactive, forecast: predicted, bounded, stabilized, paced };
    const desired = clamp(paced, min, max);
    const reason = reasonOf({ desired, current, min, max, instances, steps, metrics, unknown, demand, isPanic });
    if (desired !== current) this.#order(desired, current, metrics, now);
    return this.#decision(situation, { desired, reason }, metrics, unknown, steps, isPanic, forecast);
  }

  /** The load expected in the next `window` milliseconds. */
  predict(window: number, now: number) {
    const { current, min, max } = this.#situation(now);
    const predicted = this.#predictor?.predict(window, now);
    if (predicted === undefined) return { expectedLoad: 0, instances: current, confidence: 0 };
    const instances = clamp(Math.ceil(predicted.expectedLoad - 1e-9), min, max);
    return { ...predicted, instances };
  }

  #situation(now: number): Situation {
    const counts = this.samples.counts(now, this.#policy.staleAfter);
    const known = counts.ready + counts.missing + counts.warming;
    const ordered = this.#ordered;
    const pending = ordered !== undefined && now < ordered.until ? Math.max(0, ordered.count - known) : 0;
    const instances = { ...counts, warming: counts.warming + pending };
    const demand = this.samples.readDemand(now, this.#policy.staleAfter);
    const { min, max, schedule } = this.#policy;
    const bounds = boundsAt(schedule, min, max, this.#calendar.now());
    return { now, instances, pending, current: known + pending, demand, ...bounds };
  }

  #isWatched(name: ScalingMetric): boolean {
    return this.#policy.required.has(name) || this.samples.seen.has(name);
  }

  #adviseLoads({ now, instances, demand }: Situation): MetricAdvice[] {
    return this.#watchedLoads().map(([metric, given]) => {
      const rule = this.#shrinkMargin.ease(given, now);
      const reading = this.samples.load(metric, rule.target, instances.warming, now, this.#policy.staleAfter);
      // Requests that wait at the callers wait for any instance, so they are divided among the instances.
      const waiting = metric === 'queueDepth' ? (demand?.waiting ?? 0) / Math.max(1, reading.values.length) : 0;
      const values = waiting > 0 ? reading.values.map((value) => value + waiting) : reading.values;
      const { value, adjusted, desired } = adviseLoad(rule, { ...reading, values });
      const note = value === undefined ? 'unknown' : value > rule.up ? 'above' : value < rule.down ? 'below' : 'within';
      return {
        metric,
        value: value ?? null,
        adjusted: adjusted ?? null,
        ...rule,
        desired: desired ?? null,
        note,
      };
    });
  }

  #watchedLoads(): Array<[LoadMetric, LoadRule]> {
    const watched: Array<[LoadMetric, LoadRule]> = [];
    for (const name of LOADS) {
      const rule = this.#policy.loads[name];
      if (rule !== undefined && this.#isWatched(name)) watched.push([name, rule]);
    }
    return watched;
  }

  #adviseSymptoms({ now, instances, current, demand }: Situation, loads: readonly MetricAdvice[]): MetricAdvice[] {
    const { staleAfter } = this.#policy;
    const requests = this.samples.requests(now, staleAfter);
    const isLoaded = isLoadBehind(loads, demand);
    const watched = [...this.#symptoms].filter(([name]) => this.#isWatched(name));
    return watched.map(([metric, watch]) => {
      const { value: reported, isQuiet } = this.samples.symptom(metric, now, staleAfter);
      const { value, desired, verdict } = watch.advise(reported, {
        ...{ current, warming: instances.warming, now, requests, isQuiet },
        isLoaded: metric !== 'p99' || isLoaded,
      });
      const limit = this.#policy.limits[metric]!;
      return {
        metric,
        value: value ?? null,
        adjusted: null,
        target: limit,
        up: limit,
        down: null,
        desired: desired ?? null,
        note: verdict,
      };
    });
  }

  #unknown(metrics: readonly MetricAdvice[]): ScalingMetric[] {
    return metrics.filter(({ value }) => value === null).map(({ metric }) => metric);
  }

  /** The highest request of all metrics. It is not below the current number while a figure is unknown. */
  #reactive(metrics: readonly MetricAdvice[], unknown: readonly ScalingMetric[], current: number): number {
    let highest: number | undefined;
    for (const { desired } of metrics) if (desired !== null) highest = Math.max(highest ?? 0, desired);
    if (highest === undefined) return current;
    return unknown.length > 0 ? Math.max(highest, current) : highest;
  }

  #panicRatio(now: number): number {
    let highest = 0;
    for (const [name, { target }] of this.#watchedLoads()) {
      highest = Math.max(highest, (this.samples.panicLoad(name, now, this.#policy.staleAfter) ?? 0) / target);
    }
    return highest;
  }

  /** Applies the rate limits and the pauses between changes. In panic, nothing slows growth. */
  #pace(desired: number, current: number, isPanic: boolean, now: number): number {
    const isGrowth = desired > current;
    if (desired === current || (isPanic && isGrowth)) return desired;
    const { cooldown } = this.#policy;
    if (now - this.#changedAt < (isGrowth ? cooldown.up : cooldown.down)) return current;
    return this.#limiter.apply(desired, current, now);
  }

  #order(desired: number, current: number, metrics: readonly MetricAdvice[], now: number): void {
    this.#changedAt = now;
    this.#limiter.changed(desired - current, now);
    this.#shrinkMargin.changed(current, desired, now);
    if (desired < current) {
      this.#ordered = undefined;
      return;
    }
    const patience = Math.max(LAUNCH_DEADLINE, 2 * (this.samples.bootTime ?? 0));
    this.#ordered = { count: desired, until: now + patience };
    for (const { metric, value, note } of metrics) {
      if (note === 'step' && value !== null) this.#symptoms.get(metric as SymptomMetric)?.stepped(value, now);
    }
  }

  #decision(
    { now, instances, pending, current, demand, min, max }: Situation,
    { desired, reason }: Outcome,
    metrics: readonly MetricAdvice[],
    unknown: readonly ScalingMetric[],
    steps: ScalingDecision['steps'],
    panic: boolean,
    forecast: ForecastAdvice | null,
  ): ScalingDecision {
    const action: ScalingAction = desired > current ? 'SCALE_UP' : desired < current ? 'SCALE_DOWN' : 'HOLD';
    return {
      service: this.service,
      at: now,
      action,
      current,
      desired,
      reason,
      instances,
      pending,
      metrics,
      unknown,
      steps,
      panic,
      demand: demand ?? null,
      forecast,
      min,
      max,
    };
  }
}
