/**
 * How many connections may be open: in each step, their number may double. A short backlog therefore does not open a
 * connection for every request, although the open ones will be free within a millisecond.
 */
import type { Clock } from '../../shared/clock.js';

/** Milliseconds in which the number of connections may double. */
const STEP = 10;
/** Connections that each step may add, however few are open. */
const MIN_GROWTH = 16;

export class ConnectionRamp {
  readonly #clock: Clock;
  readonly #limit: number;
  #stepEnd = -Infinity;
  /** The most connections that may be open in this step. */
  #ceiling = 0;

  /** @param limit the most connections that may ever be open */
  constructor(clock: Clock, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** Milliseconds until the next step begins. */
  get timeToNextStep(): number {
    return this.#stepEnd - this.#clock.now();
  }

  /**
   * Whether another connection may be opened. One that replaces a lost connection is no growth: an instance that closes
   * its connection after each response is as fast as without the ramp.
   *
   * @param open the number of connections that are open or being opened
   */
  allowsAnother(open: number): boolean {
    if (open >= this.#limit) return false;
    const now = this.#clock.now();
    if (now >= this.#stepEnd) {
      this.#stepEnd = now + STEP;
      this.#ceiling = open + Math.max(MIN_GROWTH, open);
    }
    return open < this.#ceiling;
  }
}
