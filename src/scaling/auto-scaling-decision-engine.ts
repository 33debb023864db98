/** Decides the number of instances of each service from the reports of the instances. The caller carries it out. */
import { monotonicClock, wallClock, type Clock } from '../shared/clock.js';
import { Listeners } from '../shared/listeners.js';
import { checkOptions, checkValue, clock as clockCheck, milliseconds, object, string } from '../shared/options.js';
import type { ScalingAction, ScalingDecision } from './decision.js';
import type { CallerDemand, InstanceDemand } from './demand.js';
import type { InstanceCounts } from './fleet-samples.js';
import type { InstanceSample } from './metrics.js';
import { resolvePolicy, type ResolvedPolicy, type ScalingPolicy } from './policy.js';
import { ServiceScaler } from './service-scaler.js';

/** The clocks. Policies are set per service. */
export interface AutoScalingDecisionEngineOptions {
  /** Default: the monotonic clock of the process. */
  readonly clock?: Clock;
  /** Epoch milliseconds, for schedules. Default `wallClock`. */
  readonly calendar?: Clock;
}

/** The load expected in the near future. */
export interface LoadPrediction {
  /** Highest expected load, in instances: 2.5 is the load of 2.5 instances at their target. */
  readonly expectedLoad: number;
  /** Number of instances for that load, between `min` and `max` of the policy. */
  readonly instances: number;
  /**
   * From 0 to 1. At 0 the forecast is not better than the current load, and `expectedLoad` is the current load. At 1 it
   * had no error so far.
   */
  readonly confidence: number;
}

/** The state of a service. */
export interface ScalingMetrics {
  readonly service: string;
  readonly policy: ResolvedPolicy;
  readonly instances: InstanceCounts;
  /** Number of evaluations per result, since the service was first named. */
  readonly decisions: Readonly<Record<ScalingAction, number>>;
  /** Number of accepted reports, and of reports ignored because they were outdated. */
  readonly samples: number;
  readonly ignoredSamples: number;
  /** Recent boot time in milliseconds; null before the first measurement. */
  readonly bootTime: number | null;
  readonly lastDecision: ScalingDecision | undefined;
}

interface Service {
  scaler: ServiceScaler;
  readonly decisions: Record<ScalingAction, number>;
  samples: number;
  ignored: number;
  last: ScalingDecision | undefined;
}

const WHO = 'AutoScalingDecisionEngine';

/**
 * Applies the rules of Kubernetes' autoscaler to the reports of each service. It adds Knative's panic mode, and a
 * forecast that is used only once it has proved accurate. It has no timers and no I/O. The caller records reports and
 * evaluates, for example every 10 s.
 *
 * @throws TypeError for a wrong option
 *
 * @example
 * import { AutoScalingDecisionEngine } from '@tooloo/resilience';
 *
 * const engine = new AutoScalingDecisionEngine();
 * engine.setScalingPolicy('billing', { min: 2, max: 10, cpu: 60 });
 * engine.recordMetrics('billing', { instance: 'billing-1', cpu: 90 });
 * console.log(engine.evaluateScaling('billing'), engine.explain('billing'));
 */
export class AutoScalingDecisionEngine {
  readonly #clock: Clock;
  readonly #calendar: Clock;
  readonly #services = new Map<string, Service>();
  readonly #listeners = new Listeners<[decision: ScalingDecision]>(`${WHO}.onScalingDecision`);

  constructor(options?: AutoScalingDecisionEngineOptions) {
    const { clock = monotonicClock, calendar = wallClock } = checkOptions(WHO, options, {
      clock: clockCheck,
      calendar: clockCheck,
    });
    this.#calendar = calendar;
    this.#clock = clock;
  }

  /**
   * Sets how a service is scaled, from the next evaluation on. Its instances stay known; its windows, pauses and the
   * forecast begin anew. A service without a policy has the defaults.
   *
   * @throws TypeError or RangeError naming the option
   */
  setScalingPolicy(service: string, policy: ScalingPolicy): void {
    checkValue(`${WHO}.setScalingPolicy: service`, service, string);
    const resolved = resolvePolicy(`${WHO}.setScalingPolicy`, policy);
    const known = this.#services.get(service);
    if (known === undefined) this.#add(service, resolved);
    else known.scaler = new ServiceScaler(service, resolved, known.scaler.samples, this.#calendar);
  }

  /**
   * Records one or more reports of instances. Report an instance from its launch on, with `ready: false` until it is
   * ready. An instance without further reports is missing until it is removed or forgotten (after ten times
   * `staleAfter`).
   *
   * @throws TypeError if the report is not an object
   */
  recordMetrics(service: string, samples: InstanceSample | readonly InstanceSample[]): void {
    const known = this.#service(service, 'recordMetrics');
    for (const sample of Array.isArray(samples)
      ? (samples as readonly InstanceSample[])
      : [samples as InstanceSample]) {
      checkValue(`${WHO}.recordMetrics: sample`, sample, object('an instance sample'));
      if (known.scaler.samples.record(sample, this.#clock.now())) known.samples++;
      else known.ignored++;
    }
  }

  /**
   * Records the callers' requests in progress to a service: the load as a gateway and the service clients see it. An
   * instance that receives requests and does not report is saturated, so the service grows.
   *
   * @throws TypeError if a report is not an object
   */
  recordDemand(service: string, demand: CallerDemand | readonly CallerDemand[]): void {
    const known = this.#service(service, 'recordDemand');
    for (const one of Array.isArray(demand) ? (demand as readonly CallerDemand[]) : [demand as CallerDemand]) {
      checkValue(`${WHO}.recordDemand: demand`, one, object('the demand of a caller'));
      known.scaler.samples.demand.record(one, this.#clock.now());
    }
  }

  /** The callers' requests in progress to one instance; undefined if no caller has reported lately. */
  demandOf(service: string, instance: string): InstanceDemand | undefined {
    const scaler = this.#services.get(service)?.scaler;
    return scaler?.samples.demand.of(instance, this.#clock.now(), scaler.policy.staleAfter);
  }

  /** Forgets an instance that was stopped on purpose. Returns whether it was known. */
  removeInstance(service: string, instance: string): boolean {
    return this.#services.get(service)?.scaler.samples.remove(instance) ?? false;
  }

  /** Forgets a service. Returns whether it was known. */
  removeService(service: string): boolean {
    return this.#services.delete(service);
  }

  /**
   * Evaluates a service. The number and the reasons are in `explain(service)`, and in the event unless the result is
   * HOLD.
   */
  evaluateScaling(service: string): ScalingAction {
    const known = this.#service(service, 'evaluateScaling');
    const decision = known.scaler.evaluate(this.#clock.now());
    known.last = decision;
    known.decisions[decision.action]++;
    if (decision.action !== 'HOLD') this.#listeners.emit(decision);
    return decision.action;
  }

  /** All numbers behind the last decision for a service; undefined before the first. */
  explain(service: string): ScalingDecision | undefined {
    return this.#services.get(service)?.last;
  }

  /** The state of a service; undefined for an unknown service. */
  getScalingMetrics(service: string): ScalingMetrics | undefined;
  /** The state of all services, by name. */
  getScalingMetrics(): Record<string, ScalingMetrics>;
  getScalingMetrics(service?: string): ScalingMetrics | undefined | Record<string, ScalingMetrics> {
    if (service !== undefined) {
      const known = this.#services.get(service);
      return known && this.#metricsOf(service, known);
    }
    return Object.fromEntries([...this.#services].map(([name, known]) => [name, this.#metricsOf(name, known)]));
  }

  /** Calls the callback on each SCALE_UP and SCALE_DOWN. Returns a function that ends this. */
  onScalingDecision(callback: (decision: ScalingDecision) => unknown): () => void {
    return this.#listeners.add(callback);
  }

  /**
   * The load expected within the next `timeWindow` milliseconds.
   *
   * @throws TypeError or RangeError for an invalid window
   */
  predictLoadNeeded(service: string, timeWindow: number): LoadPrediction {
    checkValue(`${WHO}.predictLoadNeeded: timeWindow`, timeWindow, milliseconds);
    const known = this.#service(service, 'predictLoadNeeded');
    return known.scaler.predict(timeWindow, this.#clock.now());
  }

  #service(service: string, method: string): Service {
    checkValue(`${WHO}.${method}: service`, service, string);
    return this.#services.get(service) ?? this.#add(service, resolvePolicy(WHO, undefined));
  }

  #add(service: string, policy: ResolvedPolicy): Service {
    const added: Service = {
      scaler: new ServiceScaler(service, policy, undefined, this.#calendar),
      decisions: { SCALE_UP: 0, SCALE_DOWN: 0, HOLD: 0 },
      samples: 0,
      ignored: 0,
      last: undefined,
    };
    this.#services.set(service, added);
    return added;
  }

  #metricsOf(service: string, { scaler, decisions, samples, ignored, last }: Service): ScalingMetrics {
    return {
      service,
      policy: scaler.policy,
      instances: scaler.samples.counts(this.#clock.now(), scaler.policy.staleAfter),
      decisions: { ...decisions },
      samples,
      ignoredSamples: ignored,
      bootTime: scaler.samples.bootTime ?? null,
      lastDecision: last,
    };
  }
}
