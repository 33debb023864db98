/**
 * Panic mode as in Knative. It starts when the load of the last seconds is twice the target of the ready instances. In
 * panic, the service grows without pauses and rate limits. It does not shrink until one minute after the last such
 * load.
 */

/** Ratio of load to target at which panic starts. */
const THRESHOLD = 2;
/** Milliseconds that panic lasts after the ratio was last reached. */
const DURATION = 60_000;

export class Panic {
  #until = -Infinity;

  /** Takes the ratio of the load in the panic window to its target. Returns whether the service is in panic. */
  update(ratio: number, now: number): boolean {
    if (ratio >= THRESHOLD) this.#until = now + DURATION;
    return now < this.#until;
  }
}
