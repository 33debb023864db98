/** An instance as the balancer sees it: its target, its requests in flight and its recent responses. */
import { PeakEwma } from './peak-ewma.js';
import type { Target } from './target.js';
import type { Verdict } from './verdict.js';

/**
 * The properties of an instance that a balancing algorithm may use.
 *
 * @example
 * import type { BalancedInstance } from '@tooloo/resilience';
 *
 * export const load = (instance: BalancedInstance, now: number): number => instance.inFlight / instance.weight(now);
 */
export interface BalancedInstance {
  readonly id: string;
  readonly zone: string | undefined;
  /** Requests whose response has not ended. */
  readonly inFlight: number;
  /** False while it must not be picked because it is unhealthy, ejected, draining or in a zone that is not used now. */
  readonly isCandidate: boolean;
  /**
   * The current weight, above 0. During slow start it is less than the configured weight. `Infinity`: that of a started
   * instance.
   */
  weight(now: number): number;
  /** The current share of its weight: 1, or less during slow start. */
  ramp(now: number): number;
  /** The expected cost of one more request to it, in milliseconds per unit of weight. */
  cost(now: number): number;
}

/** An error counts as a response this slow (ms), because failing fast must not look like being fast. */
const FAILURE_LATENCY = 1000;
/**
 * A response that reports overload doubles the expected cost of a request, up to the cost of an error. It does so at
 * most once per this time (ms), because a hundred such responses at once carry no more information than one.
 */
const BUSY_INTERVAL = 1000;
/** The cost (ms) of each request in flight to an instance that has never responded. */
const UNKNOWN_LATENCY = 1000;
/** The smallest share of its weight with which an instance starts. */
const SLOW_START_MIN = 0.1;
/** Milliseconds after which the slowest remembered response counts 1/e. */
const SLOWEST_DECAY = 600_000;

/** An instance as the balancer sees it. */
export interface InstanceStats {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly zone: string | undefined;
  readonly weight: number;
  readonly requests: number;
  readonly failures: number;
  /** Responses that report overload (429, and 503 with Retry-After). They are not failures. */
  readonly busy: number;
  readonly inFlight: number;
  /** Milliseconds: the peak-EWMA estimate; 0 before the first response. */
  readonly ewma: number;
}

/**
 * One instance of a service as a balancer sees it: its weight, its requests in flight and its latency.
 *
 * @example
 * import { LoadBalancer } from '@tooloo/resilience';
 *
 * const instance = new LoadBalancer().addInstance('http://10.0.0.1:8080');
 * console.log(instance.id, instance.inFlight);
 */
export class Instance implements BalancedInstance {
  target: Target;
  isCandidate = true;
  inFlight = 0;
  requests = 0;
  failures = 0;
  busy = 0;
  readonly #latency = new PeakEwma();
  /** For judging a silence: the slowest responses of the last minutes. */
  readonly #slowest = new PeakEwma(SLOWEST_DECAY);
  readonly #slowStart: number;
  #startedAt: number;
  #busyAt = -Infinity;
  #waiting = 0;
  /** The time since which waiting requests have received nothing. Meaningful only while a request waits. */
  #silentSince = 0;

  /** @param slowStart milliseconds until it has its whole weight; 0: from the start */
  constructor(target: Target, slowStart: number, now: number) {
    this.target = target;
    this.#slowStart = slowStart;
    this.#startedAt = now;
  }

  get id(): string {
    return this.target.id;
  }

  get zone(): string | undefined {
    return this.target.zone;
  }

  /** Requests sent that have no response head yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The start of the silence that `silence` measures. */
  get silentSince(): number {
    return this.#silentSince;
  }

  /** Milliseconds without any response while requests wait; 0 if no request waits. */
  silence(now: number): number {
    return this.#waiting === 0 ? 0 : now - this.#silentSince;
  }

  /** Milliseconds: approximately the slowest response of the last minutes. */
  slowestAnswer(now: number): number {
    return this.#slowest.estimate(now);
  }

  weight(now: number): number {
    return this.target.weight * this.ramp(now);
  }

  ramp(now: number): number {
    const age = now - this.#startedAt;
    return age >= this.#slowStart ? 1 : Math.max(SLOW_START_MIN, age / this.#slowStart);
  }

  cost(now: number): number {
    return (this.#estimate(now) * (this.inFlight + 1)) / this.weight(now);
  }

  /** The instance joins again (healthy, no longer ejected), so its slow start begins again. */
  restart(now: number): void {
    this.#startedAt = now;
  }

  begin(): void {
    this.requests++;
    this.inFlight++;
  }

  /** The instance has received a whole request, so a response is expected. */
  startWaiting(now: number): void {
    if (this.#waiting++ === 0) this.#silentSince = now;
  }

  /** A response arrived (`heard`), or is no longer expected. The second case says nothing about the instance. */
  stopWaiting(now: number, heard: boolean): void {
    if (this.#waiting > 0) this.#waiting--;
    if (heard) this.#silentSince = now;
  }

  /** The exchange is over, including its body. */
  end(): void {
    if (this.inFlight > 0) this.inFlight--;
  }

  observe(latency: number, verdict: Verdict, now: number): void {
    switch (verdict) {
      case 'good':
        this.#latency.observe(latency, now);
        this.#slowest.observe(latency, now);
        return;
      case 'bad':
        this.failures++;
        this.#latency.observe(Math.max(latency, FAILURE_LATENCY), now);
        return;
      case 'busy':
        this.busy++;
        this.#refused(now);
    }
  }

  /** Forgets the measured latency. */
  forget(): void {
    this.#latency.reset();
  }

  stats(now: number): InstanceStats {
    const { id, host, port, zone, weight } = this.target;
    const { requests, failures, busy, inFlight } = this;
    return { id, host, port, zone, weight, requests, failures, busy, inFlight, ewma: this.#latency.estimate(now) };
  }

  /**
   * Rejecting quickly is not being fast. An instance that has only rejected requests counts as slow as an unknown one.
   */
  #refused(now: number): void {
    if (now - this.#busyAt < BUSY_INTERVAL) return;
    this.#busyAt = now;
    const doubled = this.#latency.observed ? 2 * this.#latency.estimate(now) : UNKNOWN_LATENCY;
    this.#latency.observe(Math.min(doubled, FAILURE_LATENCY), now);
  }

  /** An overdue response is at least as slow as the wait so far, because a frozen instance must not look idle. */
  #estimate(now: number): number {
    if (!this.#latency.observed) return this.inFlight === 0 ? 0 : UNKNOWN_LATENCY;
    return Math.max(this.#latency.estimate(now), this.silence(now));
  }
}
