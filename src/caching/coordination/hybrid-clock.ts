/**
 * Hybrid logical clocks (Kulkarni et al., 2014). The clock stays close to the wall clock, never goes back, and is
 * always ahead of every stamp it received. An event after a received message therefore has a later stamp, even if the
 * clocks of the two machines differ by an hour.
 */
import type { Clock } from '../../shared/clock.js';

/** A moment: milliseconds, and a count within them. */
export interface Stamp {
  readonly time: number;
  readonly count: number;
}

export class HybridClock {
  readonly #clock: Clock;
  #time = 0;
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The stamp of an event now: later than every event here and every stamp received. */
  tick(): Stamp {
    const wall = Math.floor(this.#clock.now());
    if (wall > this.#time) [this.#time, this.#count] = [wall, 0];
    else this.#count++;
    return { time: this.#time, count: this.#count };
  }

  /** Registers a moment of another clock. */
  hear({ time, count }: Stamp): void {
    if (time > this.#time) [this.#time, this.#count] = [time, count];
    else if (time === this.#time) this.#count = Math.max(this.#count, count);
  }
}

/** Below zero: `a` is earlier. Zero: the stamps are equal. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.time - b.time || a.count - b.count;
}
