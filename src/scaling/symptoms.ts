/**
 * Latency and errors. Overload causes both, and then instances help; so do a slow dependency or a defect, and then they
 * do not, or make it worse. Hence a symptom above its limit never lets the service shrink, adds one step, waits until
 * that step serves, and goes on only when it has helped.
 */

export interface SymptomAdvice {
  readonly value: number | undefined;
  /** Undefined: no say, it neither holds nor adds. */
  readonly desired: number | undefined;
  readonly verdict: 'fine' | 'near' | 'step' | 'waiting' | 'no effect' | 'unknown';
}

/** Share of the instances that one step adds, at least one. */
const STEP = 0.25;
/** What a step must take off to have helped. */
const HELPED = 0.9;
/** After this many ms a step that did not help is tried again: what was in the way may be gone. */
const RETRY = 600_000;

/** Remembers the last step for one symptom of one service. */
export class SymptomWatch {
  readonly #limit: number;
  readonly #near: number;
  #step: { readonly value: number; readonly at: number } | undefined;

  /** @param tolerance share below the limit where the service still does not shrink */
  constructor(limit: number, tolerance: number) {
    this.#limit = limit;
    this.#near = limit * (1 - tolerance);
  }

  advise(value: number | undefined, current: number, warming: number, now: number): SymptomAdvice {
    if (value === undefined) return { value, desired: undefined, verdict: 'unknown' };
    if (value <= this.#limit) {
      this.#step = undefined;
      return value > this.#near
        ? { value, desired: current, verdict: 'near' }
        : { value, desired: undefined, verdict: 'fine' };
    }
    if (warming > 0) return { value, desired: current, verdict: 'waiting' };
    if (this.#step !== undefined && value > this.#step.value * HELPED && now - this.#step.at < RETRY) {
      return { value, desired: current, verdict: 'no effect' };
    }
    const proportional = Math.ceil((current * value) / this.#limit);
    const desired = Math.min(proportional, current + Math.max(1, Math.ceil(current * STEP)));
    return { value, desired, verdict: 'step' };
  }

  /** A step was ordered because of this symptom, at this value. */
  stepped(value: number, now: number): void {
    this.#step = { value, at: now };
  }
}
