/**
 * The time that a process has served, without the time in which it was halted: by a blocked event loop, a busy machine or
 * a paused container. Clients and balancers learn nothing from a halted process, so a wait for them must not pass then.
 */
import type { Clock } from '../shared/clock.js';

/** Milliseconds between two readings: a longer pause that does not end within a second period was a halt. */
export const READING_PERIOD = 100;

export class ServedTime {
  readonly #clock: Clock;
  #total = 0;
  #readAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#readAt = clock.now();
  }

  /** Milliseconds served at the latest reading. */
  get total(): number {
    return this.#total;
  }

  /** Counts the time since the latest reading, at most two periods. To be called at least once per period. */
  read(): void {
    const now = this.#clock.now();
    this.#total += Math.min(now - this.#readAt, 2 * READING_PERIOD);
    this.#readAt = now;
  }
}
