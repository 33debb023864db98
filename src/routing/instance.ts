/** An instance as the balancer sees it: its target, what is in flight to it, how it has been answering. */
import { PeakEwma } from './peak-ewma.js';
import type { Target } from './target.js';
import type { Verdict } from './verdict.js';

/** What a balancing algorithm may know of an instance. */
export interface BalancedInstance {
  readonly id: string;
  readonly zone: string | undefined;
  /** Requests whose response has not ended. */
  readonly inFlight: number;
  /** False while it must not be picked: unhealthy, ejected, draining, in a zone that is not used now. */
  readonly isCandidate: boolean;
  /** The weight now; less than the configured one while the instance starts slowly. Above 0. `Infinity`: when started. */
  weight(now: number): number;
  /** The share of its weight it has now: 1, or less while it starts slowly. */
  ramp(now: number): number;
  /** What sending it one more request is expected to cost, in milliseconds for each unit of weight. */
  cost(now: number): number;
}

/** An error counts as an answer this slow (ms): failing fast must not look like being fast. */
const FAILURE_LATENCY = 1000;
/**
 * A refusal for want of room doubles what a request is expected to cost, up to that of an error, and no more often than
 * this (ms): a hundred refusals at once say no more than one.
 */
const BUSY_INTERVAL = 1000;
/** What each request in flight to an instance costs (ms) that has never answered. */
const UNKNOWN_LATENCY = 1000;
/** The least share of its weight an instance starts with. */
const SLOW_START_MIN = 0.1;
/** Milliseconds after which the slowest answer remembered counts 1/e. */
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
  /** Refusals for want of room (429, and 503 with Retry-After), which are no failures. */
  readonly busy: number;
  readonly inFlight: number;
  /** Milliseconds: the peak-EWMA estimate; 0 before the first answer. */
  readonly ewma: number;
}

export class Instance implements BalancedInstance {
  target: Target;
  isCandidate = true;
  inFlight = 0;
  requests = 0;
  failures = 0;
  busy = 0;
  readonly #latency = new PeakEwma();
  /** For judging a silence: the slowest answers of the last minutes. */
  readonly #slowest = new PeakEwma(SLOWEST_DECAY);
  readonly #slowStart: number;
  #startedAt: number;
  #busyAt = -Infinity;
  #waiting = 0;
  /** Since when those that wait have heard nothing; meaningful while any waits. */
  #silentSince = 0;

  /** @param slowStart milliseconds until it carries its whole weight; 0: from the start */
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

  /** Milliseconds for which nothing came back although requests wait; 0 when none does. */
  silence(now: number): number {
    return this.#waiting === 0 ? 0 : now - this.#silentSince;
  }

  /** Milliseconds: about the slowest answer of the last minutes. */
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

  /** The instance joins again (healthy, no longer ejected): it starts slowly again. */
  restart(now: number): void {
    this.#startedAt = now;
  }

  begin(): void {
    this.requests++;
    this.inFlight++;
  }

  /** It has a whole request, and a response is to be expected. */
  startWaiting(now: number): void {
    if (this.#waiting++ === 0) this.#silentSince = now;
  }

  /** A response is there (`heard`), or not expected any more, which says nothing about the instance. */
  stopWaiting(now: number, heard: boolean): void {
    if (this.#waiting > 0) this.#waiting--;
    if (heard) this.#silentSince = now;
  }

  /** The exchange is over, its body included. */
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

  /** Forgets how fast it was. */
  forget(): void {
    this.#latency.reset();
  }

  stats(now: number): InstanceStats {
    const { id, host, port, zone, weight } = this.target;
    const { requests, failures, busy, inFlight } = this;
    return { id, host, port, zone, weight, requests, failures, busy, inFlight, ewma: this.#latency.estimate(now) };
  }

  /** Being quick to refuse is not being quick, and an instance that has answered nothing else is as slow as unknown. */
  #refused(now: number): void {
    if (now - this.#busyAt < BUSY_INTERVAL) return;
    this.#busyAt = now;
    const doubled = this.#latency.observed ? 2 * this.#latency.estimate(now) : UNKNOWN_LATENCY;
    this.#latency.observe(Math.min(doubled, FAILURE_LATENCY), now);
  }

  /** An answer that is overdue is at least as slow as the wait so far: a frozen instance must not look idle. */
  #estimate(now: number): number {
    if (!this.#latency.observed) return this.inFlight === 0 ? 0 : UNKNOWN_LATENCY;
    return Math.max(this.#latency.estimate(now), this.silence(now));
  }
}
