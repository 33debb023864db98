/**
 * Symptoms: latency and errors. Overload causes both, and then more instances help. A slow dependency or a defect also
 * causes both, and then more instances do not help or make it worse.
 * Therefore the service never shrinks while a symptom is above its limit. It adds one step, waits until that step is
 * ready, and continues only if the step has helped. A percentile of few requests is not meaningful, and more instances
 * do not reduce the latency of an idle service. In these two cases the symptom does not contribute.
 */

export interface SymptomAdvice {
  readonly value: number | undefined;
  /** Undefined: the symptom does not contribute. */
  readonly desired: number | undefined;
  readonly verdict: 'fine' | 'near' | 'step' | 'waiting' | 'no effect' | 'too few' | 'no load' | 'unknown';
}

/** Further facts about a symptom. */
export interface SymptomSituation {
  readonly current: number;
  readonly warming: number;
  readonly now: number;
  /** Number of requests behind the value; undefined if they are not counted. */
  readonly requests: number | undefined;
  /** Whether there is load that more instances would relieve. */
  readonly isLoaded: boolean;
  /** Whether there was nothing to measure. */
  readonly isQuiet: boolean;
}

/** Share of the instances that one step adds, at least one instance. */
const STEP = 0.25;
/** A step has helped if the value falls at least to this share. */
const HELPED = 0.9;
/** Milliseconds after which a step that did not help is tried again, because the cause may have changed. */
const RETRY = 600_000;

/** Remembers the last step for one symptom of one service. */
export class SymptomWatch {
  readonly #limit: number;
  readonly #near: number;
  readonly #fewest: number;
  #step: { readonly value: number; readonly at: number } | undefined;

  /**
   * @param tolerance share below the limit within which the service does not shrink
   * @param fewest minimum number of requests for a meaningful value
   */
  constructor(limit: number, tolerance: number, fewest: number) {
    this.#fewest = fewest;
    this.#limit = limit;
    this.#near = limit * (1 - tolerance);
  }

  advise(value: number | undefined, situation: SymptomSituation): SymptomAdvice {
    const { current, warming, now, requests, isLoaded, isQuiet } = situation;
    if (value === undefined) return { value, desired: undefined, verdict: 'unknown' };
    // Only requests show whether a step has helped, so a window without requests does not reset it.
    if (isQuiet) return { value, desired: undefined, verdict: 'fine' };
    if (requests !== undefined && requests < this.#fewest) return { value, desired: undefined, verdict: 'too few' };
    if (value <= this.#limit) {
      this.#step = undefined;
      return value > this.#near
        ? { value, desired: current, verdict: 'near' }
        : { value, desired: undefined, verdict: 'fine' };
    }
    if (!isLoaded) return { value, desired: undefined, verdict: 'no load' };
    if (warming > 0) return { value, desired: current, verdict: 'waiting' };
    if (this.#step !== undefined && value > this.#step.value * HELPED && now - this.#step.at < RETRY) {
      return { value, desired: current, verdict: 'no effect' };
    }
    const proportional = Math.ceil((current * value) / this.#limit);
    const desired = Math.min(proportional, current + Math.max(1, Math.ceil(current * STEP)));
    return { value, desired, verdict: 'step' };
  }

  /** Records that a step was ordered because of this symptom, at this value. */
  stepped(value: number, now: number): void {
    this.#step = { value, at: now };
  }
}
