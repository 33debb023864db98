/**
 * Limits how fast a service may grow or shrink, like HPA's scaling policies: the larger of percent and count applies.
 */
import type { ChangeLimit } from './policy.js';

interface Change {
  readonly at: number;
  /** Number of instances added, or removed if negative. */
  readonly delta: number;
}

/** More changes than any realistic period contains. The oldest are dropped. */
const KEPT = 256;

export class ChangeLimiter {
  readonly #limits: { readonly up: ChangeLimit; readonly down: ChangeLimit };
  #changes: Change[] = [];

  constructor(limits: { readonly up: ChangeLimit; readonly down: ChangeLimit }) {
    this.#limits = limits;
  }

  /** Moves towards `desired` as far as the changes within the current period allow. */
  apply(desired: number, current: number, now: number): number {
    if (desired > current) {
      const atStart = current - this.#sum(this.#limits.up.period, now, 1);
      const { percent, count } = this.#limits.up;
      const most = atStart + Math.max(count, Math.ceil((atStart * percent) / 100));
      return Math.max(current, Math.min(desired, most));
    }
    const atStart = current + this.#sum(this.#limits.down.period, now, -1);
    const { percent, count } = this.#limits.down;
    const least = atStart - Math.max(count, Math.ceil((atStart * percent) / 100));
    return Math.min(current, Math.max(desired, least));
  }

  changed(delta: number, now: number): void {
    this.#changes.push({ at: now, delta });
    if (this.#changes.length > KEPT) this.#changes.shift();
  }

  /** Number of instances added (sign 1) or removed (sign -1) within the period. */
  #sum(period: number, now: number, sign: 1 | -1): number {
    let sum = 0;
    for (const { at, delta } of this.#changes) if (now - at < period && delta * sign > 0) sum += delta * sign;
    return sum;
  }
}
