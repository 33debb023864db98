/**
 * The forecast for one service: the load it follows, how far ahead it looks, and the number of instances it requests.
 */
import type { ForecastAdvice } from './decision.js';
import type { FleetSamples } from './fleet-samples.js';
import { Forecaster } from './forecast/forecaster.js';
import { ShortTermForecaster } from './forecast/short-term.js';
import type { LoadMetric } from './metrics.js';
import type { LoadRule, ResolvedPolicy } from './policy.js';

/** Assumed start time in milliseconds before the first measurement. */
const ASSUMED_BOOT_TIME = 30_000;
/** The load that instances may have at the quantile of the short-term forecast, as a multiple of their target. */
const CEILING = 1.3;
/**
 * The forecast follows the first of these loads that the service reports. Memory is not included, because it does not
 * follow the work.
 */
const FOLLOWED: readonly LoadMetric[] = ['cpu', 'inFlight', 'queueDepth'];

/** The load metric that represents the work of the service. */
function followedRule(policy: ResolvedPolicy, samples: FleetSamples): [LoadMetric, LoadRule] | undefined {
  for (const name of FOLLOWED) {
    const rule = policy.loads[name];
    if (rule !== undefined && samples.seen.has(name)) return [name, rule];
  }
  return undefined;
}

/** The load of all ready instances, in instances. Instances that do not report count as average. */
function measure(name: LoadMetric, rule: LoadRule, policy: ResolvedPolicy, samples: FleetSamples, now: number) {
  const { values, missing } = samples.load(name, rule.target, 0, now, policy.staleAfter);
  if (values.length === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return (mean * (values.length + missing)) / rule.target;
}

export class Predictor {
  readonly #policy: ResolvedPolicy;
  readonly #samples: FleetSamples;
  readonly #forecaster: Forecaster;
  readonly #shortTerm = new ShortTermForecaster();
  /** Milliseconds. The forecast looks no further ahead than the history reaches back. */
  readonly #longest: number;
  #lastAt: number | undefined;

  constructor(policy: ResolvedPolicy, samples: FleetSamples, settings: NonNullable<ResolvedPolicy['predictive']>) {
    this.#policy = policy;
    this.#samples = samples;
    this.#forecaster = new Forecaster(settings);
    this.#longest = settings.step * settings.history;
  }

  /** Takes the current load and returns the number of instances for the coming load. */
  advise(current: number, now: number): ForecastAdvice | null {
    const followed = followedRule(this.#policy, this.#samples);
    if (followed === undefined) return null;
    const [name, rule] = followed;
    const horizon = this.#horizon(now);
    const load = measure(name, rule, this.#policy, this.#samples, now);
    if (load !== undefined) {
      this.#forecaster.observe(load, now, horizon);
      this.#shortTerm.observe(load, now, horizon);
    }
    const { isTrusted, test, step } = this.#forecaster;
    const coming = this.#forecaster.loadFrom(now + horizon);
    const peak = this.#peakWithin(this.#policy.stabilization.down, now);
    const { best: soonBy, load: soon } = this.#shortTerm;
    const requests = [
      ...(isTrusted && coming !== undefined ? [instancesFor(coming, rule, current)] : []),
      ...(soon !== undefined ? [absorbing(soon, rule, current)] : []),
    ];
    const model = test?.best.model;
    return {
      metric: name,
      model: model?.name ?? null,
      trusted: isTrusted,
      load: coming ?? null,
      current: load ?? null,
      expected: this.#forecaster.expectedAt(now) ?? null,
      horizon,
      season: model === undefined || model.season === 0 ? null : model.season * step,
      error: test?.error ?? null,
      naiveError: test?.naiveError ?? null,
      averageError: test?.averageError ?? null,
      soon: soon ?? null,
      soonModel: soonBy?.name ?? null,
      desired: requests.length > 0 ? Math.max(...requests) : null,
      ahead: isTrusted && peak !== undefined ? instancesFor(peak, rule, current) : null,
    };
  }

  /** The highest expected load within a window, in instances. Without a model, it is the current load. */
  predict(window: number, now: number): { readonly expectedLoad: number; readonly confidence: number } | undefined {
    const followed = followedRule(this.#policy, this.#samples);
    if (followed === undefined) return undefined;
    const present = measure(...followed, this.#policy, this.#samples, now);
    const { isTrusted, confidence } = this.#forecaster;
    const expectedLoad = isTrusted ? this.#peakWithin(window, now) : present;
    return expectedLoad === undefined ? undefined : { expectedLoad, confidence };
  }

  #peakWithin(window: number, now: number): number | undefined {
    return this.#forecaster.peakUntil(now + Math.min(window, this.#longest));
  }

  /**
   * The time until an instance ordered now is ready. One evaluation interval is added, because the next order is
   * possible only then.
   */
  #horizon(now: number): number {
    const sinceLast = this.#lastAt === undefined ? 0 : Math.min(now - this.#lastAt, this.#forecaster.step);
    this.#lastAt = now;
    const boot = this.#policy.predictive?.bootTime ?? this.#samples.bootTime ?? ASSUMED_BOOT_TIME;
    return boot + Math.max(0, sinceLast);
  }
}

/** As in the reactive rule: the current number if it can carry the load, otherwise the number for the target. */
export function instancesFor(load: number, { target, up }: LoadRule, current: number): number {
  return load * target <= current * up ? Math.min(current, Math.ceil(load)) : Math.ceil(load - 1e-9);
}

/**
 * Grows only if the current instances may become too busy, and then until they have their `up` load. The quantile already contains what is
 * uncertain, so the limit is above `up`.
 */
function absorbing(load: number, { target, up }: LoadRule, current: number): number {
  return load <= current * CEILING ? Math.min(current, Math.ceil(load)) : Math.ceil((load * target) / up - 1e-9);
}
