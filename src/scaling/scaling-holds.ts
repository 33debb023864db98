/** Services whose number of instances was set by hand. Automatic scaling ignores them for a time, or until release. */
import { wallClock, type Clock } from '../shared/clock.js';

/** Why automatic scaling ignores a service. */
export interface ScalingHold {
  /** End of the hold in epoch milliseconds; null: pinned until release. */
  readonly until: number | null;
  /** One sentence, such as 'by hand, until 10:42'. */
  readonly reason: string;
}

export class ScalingHolds {
  readonly #holds = new Map<string, number | null>();
  readonly #calendar: Clock;

  /** @param calendar epoch milliseconds */
  constructor(calendar: Clock = wallClock) {
    this.#calendar = calendar;
  }

  /** @param duration milliseconds; null pins the number */
  hold(service: string, duration: number | null): void {
    this.#holds.set(service, duration === null ? null : this.#calendar.now() + duration);
  }

  /** Releases the hold. Returns whether there was one. */
  release(service: string): boolean {
    return this.#holds.delete(service);
  }

  of(service: string): ScalingHold | undefined {
    const until = this.#holds.get(service);
    if (until === undefined) return undefined;
    if (until === null) return { until, reason: 'by hand, pinned until released' };
    if (this.#calendar.now() >= until) {
      this.#holds.delete(service);
      return undefined;
    }
    return { until, reason: `by hand, until ${new Date(until).toTimeString().slice(0, 5)}` };
  }
}
