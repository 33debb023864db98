/** One service: its instances, its history, and the steps from their figures to a number of instances. */
import { ChangeLimiter } from './change-limit.js';
import type { ForecastAdvice, MetricAdvice, ScalingAction, ScalingDecision } from './decision.js';
import { FleetSamples, type InstanceCounts } from './fleet-samples.js';
import { adviseLoad } from './hpa.js';
import { LOADS, SYMPTOMS, type LoadMetric, type ScalingMetric, type SymptomMetric } from './metrics.js';
import { outlookOf } from './outlook.js';
import { Panic } from './panic.js';
import type { LoadRule, ResolvedPolicy } from './policy.js';
import { Predictor } from './predictor.js';
import { Stabilization } from './stabilization.js';
import { SymptomWatch } from './symptoms.js';

/** Milliseconds that an order may take until its instances are reported; then it was not carried out. */
const LAUNCH_DEADLINE = 60_000;

interface Situation {
  readonly now: number;
  readonly instances: InstanceCounts;
  readonly pending: number;
  readonly current: number;
}

interface Outcome {
  readonly desired: number;
  readonly reason: string;
}

const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max);
const plural = (count: number): string => `${count} instance${count === 1 ? '' : 's'}`;
const round = (value: number): number => Math.round(value * 10) / 10;

export class ServiceScaler {
  readonly service: string;
  readonly samples: FleetSamples;
  readonly #policy: ResolvedPolicy;
  readonly #stabilization: Stabilization;
  readonly #limiter: ChangeLimiter;
  readonly #panic = new Panic();
  readonly #symptoms = new Map<SymptomMetric, SymptomWatch>();
  readonly #predictor: Predictor | undefined;
  #changedAt = -Infinity;
  /** What was ordered last, while it may still be on its way. */
  #ordered: { readonly count: number; readonly until: number } | undefined;
  #isFirst = true;

  /** @param samples kept when the policy of a running service changes */
  constructor(service: string, policy: ResolvedPolicy, samples = new FleetSamples()) {
    this.service = service;
    this.samples = samples;
    this.#policy = policy;
    this.#stabilization = new Stabilization(policy.stabilization, policy.predictive?.step);
    this.#limiter = new ChangeLimiter(policy.rateLimit);
    for (const name of SYMPTOMS) {
      const limit = policy.limits[name];
      if (limit !== undefined) this.#symptoms.set(name, new SymptomWatch(limit, policy.tolerance));
    }
    if (policy.predictive !== undefined) this.#predictor = new Predictor(policy, samples, policy.predictive);
  }

  get policy(): ResolvedPolicy {
    return this.#policy;
  }

  /** Decides, and remembers that it was decided: windows, pauses and rate limits count from it. */
  evaluate(now: number): ScalingDecision {
    const situation = this.#situation(now);
    const { current } = situation;
    const { min, max } = this.#policy;
    const metrics = [...this.#adviseLoads(situation), ...this.#adviseSymptoms(situation)];
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
    const reason = this.#reason(desired, situation, steps, metrics, unknown, isPanic);
    if (desired !== current) this.#order(desired, current, metrics, now);
    return this.#decision(situation, { desired, reason }, metrics, unknown, steps, isPanic, forecast);
  }

  /** What `window` milliseconds to come are expected to ask for. */
  predict(window: number, now: number) {
    const current = this.#situation(now).current;
    const predicted = this.#predictor?.predict(window, now);
    if (predicted === undefined) return { expectedLoad: 0, instances: current, confidence: 0 };
    const instances = clamp(Math.ceil(predicted.expectedLoad - 1e-9), this.#policy.min, this.#policy.max);
    return { ...predicted, instances };
  }

  #situation(now: number): Situation {
    const counts = this.samples.counts(now, this.#policy.staleAfter);
    const known = counts.ready + counts.missing + counts.warming;
    const ordered = this.#ordered;
    const pending = ordered !== undefined && now < ordered.until ? Math.max(0, ordered.count - known) : 0;
    return { now, instances: { ...counts, warming: counts.warming + pending }, pending, current: known + pending };
  }

  #isWatched(name: ScalingMetric): boolean {
    return this.#policy.required.has(name) || this.samples.seen.has(name);
  }

  #adviseLoads({ now, instances }: Situation): MetricAdvice[] {
    return this.#watchedLoads().map(([metric, rule]) => {
      const reading = this.samples.load(metric, rule.target, instances.warming, now, this.#policy.staleAfter);
      const { value, adjusted, desired } = adviseLoad(rule, reading);
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

  #adviseSymptoms({ now, instances, current }: Situation): MetricAdvice[] {
    const watched = [...this.#symptoms].filter(([name]) => this.#isWatched(name));
    return watched.map(([metric, watch]) => {
      const reported = this.samples.symptom(metric, now, this.#policy.staleAfter);
      const { value, desired, verdict } = watch.advise(reported, current, instances.warming, now);
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

  /** The highest of what the metrics ask for; nothing below the present number while a figure is not known. */
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

  /** The rate limits and pauses between changes; in panic nothing slows growth. */
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

  #reason(
    desired: number,
    { current, instances }: Situation,
    steps: ScalingDecision['steps'],
    metrics: readonly MetricAdvice[],
    unknown: readonly ScalingMetric[],
    isPanic: boolean,
  ): string {
    const { min, max } = this.#policy;
    if (current < min && desired === min) return `fewer than the least of ${min}`;
    if (current > max) return `more than the most of ${max}`;
    const cause =
      steps.forecast > steps.reactive
        ? `the forecast asks for ${plural(steps.forecast)}`
        : causeOf(metrics, steps.reactive, current);
    if (desired !== current) return isPanic && desired > current ? `${cause}, in panic` : cause;
    if (steps.bounded > current)
      return `${cause}, held back by ${steps.stabilized > current ? 'the pace' : 'the up window'}`;
    if (steps.forecast > max) return `${cause}, but ${max} is the most`;
    if (steps.bounded < current) return `${cause}, held by ${downHold(steps, current, isPanic)}`;
    if (unknown.length > 0) return `no shrinking without ${unknown.join(', ')}`;
    if (instances.warming > 0) return `${plural(instances.warming)} on the way`;
    return cause;
  }

  #decision(
    { now, instances, pending, current }: Situation,
    { desired, reason }: Outcome,
    metrics: readonly MetricAdvice[],
    unknown: readonly ScalingMetric[],
    steps: ScalingDecision['steps'],
    panic: boolean,
    forecast: ForecastAdvice | null,
  ): ScalingDecision {
    const action: ScalingAction = desired > current ? 'SCALE_UP' : desired < current ? 'SCALE_DOWN' : 'HOLD';
    const { min, max } = this.#policy;
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
      forecast,
      min,
      max,
    };
  }
}

function downHold(steps: ScalingDecision['steps'], current: number, isPanic: boolean): string {
  if (isPanic) return 'the panic';
  return steps.stabilized >= current ? 'the down window' : 'the pace';
}

/** The metric that asked for the most, in words; of several a symptom, which come last: it says more. */
function causeOf(metrics: readonly MetricAdvice[], reactive: number, current: number): string {
  const decisive = metrics.findLast(({ desired }) => desired === reactive);
  if (decisive === undefined || decisive.value === null) return 'nothing asks for a change';
  const { metric, value, up, down, note, desired } = decisive;
  const figure = `${metric} ${round(value)}`;
  if (note === 'no effect') return `${figure} above ${up}, but the last step did not help`;
  if (desired! > current) return `${figure} above ${up} asks for ${plural(desired!)}`;
  if (desired! < current) return `${figure} below ${down} asks for ${plural(desired!)}`;
  return `${figure} asks for no change`;
}
