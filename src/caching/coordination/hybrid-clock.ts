/**
 * Hybrid logical clocks (Kulkarni et al., 2014): close to the wall clock, never going back, and always past whatever was
 * heard of. What happened after another thing was heard of is later, even where two machines' clocks are an hour apart.
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

  /** The moment of something that happens here now: later than everything that happened here or was heard of. */
  tick(): Stamp {
    const wall = Math.floor(this.#clock.now());
    if (wall > this.#time) [this.#time, this.#count] = [wall, 0];
    else this.#count++;
    return { time: this.#time, count: this.#count };
  }

  /** Takes note of a moment elsewhere. */
  hear({ time, count }: Stamp): void {
    if (time > this.#time) [this.#time, this.#count] = [time, count];
    else if (time === this.#time) this.#count = Math.max(this.#count, count);
  }
}

/** Below zero: `a` is earlier. Zero: neither can be told from the other. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.time - b.time || a.count - b.count;
}
