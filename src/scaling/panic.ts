/**
 * Panic as Knative has it: when the load of the last seconds is twice what the ready instances are sized for, the service
 * grows without regard to pauses and rate limits, and does not shrink until that has been over for a minute.
 */

/** Load over target from which the service panics. */
const THRESHOLD = 2;
/** Milliseconds after the last time it was reached. */
const DURATION = 60_000;

export class Panic {
  #until = -Infinity;

  /** Takes the load of the panic window over its target; tells whether the service is in panic now. */
  update(ratio: number, now: number): boolean {
    if (ratio >= THRESHOLD) this.#until = now + DURATION;
    return now < this.#until;
  }
}
