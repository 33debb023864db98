/** Decides how many instances of each service there should be, from what the instances report. Acting is the caller's. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import { Listeners } from '../shared/listeners.js';
import { checkOptions, checkValue, clock as clockCheck, milliseconds, object, string } from '../shared/options.js';
import type { ScalingAction, ScalingDecision } from './decision.js';
import type { InstanceCounts } from './fleet-samples.js';
import type { InstanceSample } from './metrics.js';
import { resolvePolicy, type ResolvedPolicy, type ScalingPolicy } from './policy.js';
import { ServiceScaler } from './service-scaler.js';

/** The clock; policies come with each service. */
export interface AutoScalingDecisionEngineOptions {
  /** Default: the monotonic clock of the process. */
  readonly clock?: Clock;
}

/** What the time to come is expected to ask for. */
export interface LoadPrediction {
  /** Highest load expected, in instances' worth: 2.5 is what 2.5 instances at their target carry. */
  readonly expectedLoad: number;
  /** Instances for it, between the policy's min and max. */
  readonly instances: number;
  /** From 0, not better than repeating the present load (which `expectedLoad` then is), to 1, without error so far. */
  readonly confidence: number;
}

/** How a service stands. */
export interface ScalingMetrics {
  readonly service: string;
  readonly policy: ResolvedPolicy;
  readonly instances: InstanceCounts;
  /** Evaluations that came to each, since the service was first named. */
  readonly decisions: Readonly<Record<ScalingAction, number>>;
  /** Reports taken, and those ignored because they were older than what was known. */
  readonly samples: number;
  readonly ignoredSamples: number;
  /** How long starts took lately, in milliseconds; null until one was seen. */
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
 * Applies the rules of Kubernetes' autoscaler to each service's reports, adds Knative's panic and a forecast that has to
 * prove itself. Pure but for its memory: no timer, no I/O; the caller records reports and evaluates, every 10 s say.
 *
 * ```ts
 * const engine = new AutoScalingDecisionEngine();
 * engine.setScalingPolicy('reports', { min: 1, max: 4 });
 * engine.recordMetrics('reports', { instance: 'reports-1', cpu: 91, queueDepth: 3, p99: 420, errorRate: 0 });
 * if (engine.evaluateScaling('reports') === 'SCALE_UP') engine.explain('reports')?.desired; // 2
 * ```
 *
 * @throws TypeError for a wrong option
 */
export class AutoScalingDecisionEngine {
  readonly #clock: Clock;
  readonly #services = new Map<string, Service>();
  readonly #listeners = new Listeners<[decision: ScalingDecision]>(`${WHO}.onScalingDecision`);

  constructor(options?: AutoScalingDecisionEngineOptions) {
    const { clock = monotonicClock } = checkOptions(WHO, options, { clock: clockCheck });
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
    else known.scaler = new ServiceScaler(service, resolved, known.scaler.samples);
  }

  /**
   * Takes what an instance reports, or several reports. Report an instance from its launch on, with `ready: false` until
   * it serves; one that is not heard of any more is missing until it is removed or forgotten (ten times `staleAfter`).
   *
   * @throws TypeError when the report is not an object
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

  /** Forgets an instance that was stopped on purpose. Tells whether it was known. */
  removeInstance(service: string, instance: string): boolean {
    return this.#services.get(service)?.scaler.samples.remove(instance) ?? false;
  }

  /** Forgets a service. Tells whether it was known. */
  removeService(service: string): boolean {
    return this.#services.delete(service);
  }

  /** Decides. How many, and why, is in `explain(service)`, and in the event when it is not HOLD. */
  evaluateScaling(service: string): ScalingAction {
    const known = this.#service(service, 'evaluateScaling');
    const decision = known.scaler.evaluate(this.#clock.now());
    known.last = decision;
    known.decisions[decision.action]++;
    if (decision.action !== 'HOLD') this.#listeners.emit(decision);
    return decision.action;
  }

  /** Every number behind the last decision on a service; undefined before the first. */
  explain(service: string): ScalingDecision | undefined {
    return this.#services.get(service)?.last;
  }

  /** How a service stands; undefined for one never named. */
  getScalingMetrics(service: string): ScalingMetrics | undefined;
  /** How every service stands, by name. */
  getScalingMetrics(): Record<string, ScalingMetrics>;
  getScalingMetrics(service?: string): ScalingMetrics | undefined | Record<string, ScalingMetrics> {
    if (service !== undefined) {
      const known = this.#services.get(service);
      return known && this.#metricsOf(service, known);
    }
    return Object.fromEntries([...this.#services].map(([name, known]) => [name, this.#metricsOf(name, known)]));
  }

  /** Calls back on every SCALE_UP and SCALE_DOWN. Returns what ends the subscription. */
  onScalingDecision(callback: (decision: ScalingDecision) => unknown): () => void {
    return this.#listeners.add(callback);
  }

  /**
   * The load expected within the next `timeWindow` milliseconds.
   *
   * @throws TypeError or RangeError for a wrong window
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
      scaler: new ServiceScaler(service, policy),
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
