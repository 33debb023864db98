/**
 * The time of decisions. Reading the clock takes a quarter of a decision (45 ns on the machine of docs/performance.md), so
 * decisions that follow each other within microseconds, as in a loop, share a reading.
 *
 * A shared time is never later than the real one. A decision that it admits is admitted at the real time as well; one that
 * it refuses is decided again at the real time (`isShared`). Spent tokens begin to return a moment early, by at
 * most the time that the loop took since its last reading.
 */
import { monotonicClock, type Clock } from '../shared/clock.js';
import { microseconds } from './quota.js';

/** Decisions that share a reading. */
const SHARED_BY = 16;
/** Microseconds between two readings within which a loop asks: a request of HTTP takes far longer. */
const IN_A_LOOP = 10;

export class BurstTime {
  readonly #clock: Clock;
  /** A simulated clock is always read: it may be moved at any time. */
  readonly #canShare: boolean;
  #lastSeen: number;
  #time = 0;
  #left = 0;
  #isShared = false;
  #isWatched = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#canShare = clock === monotonicClock;
    this.#lastSeen = microseconds(clock.now());
  }

  /** Whether the last time was of an earlier reading. */
  get isShared(): boolean {
    return this.#isShared;
  }

  /**
   * Microseconds that have passed, of which a clock that went back adds none: it neither fills a bucket nor locks
   * anybody out until it has caught up.
   */
  now(): number {
    if (this.#left > 0) {
      this.#left--;
      this.#isShared = true;
      return this.#time;
    }
    return this.read();
  }

  /** The same, from the clock itself. */
  read(): number {
    const seen = microseconds(this.#clock.now());
    const passed = seen - this.#lastSeen;
    this.#isShared = false;
    this.#lastSeen = seen;
    if (passed > 0) this.#time += passed;
    if (this.#canShare && passed < IN_A_LOOP) this.#share();
    return this.#time;
  }

  /** Until the loop ends: what is awaited runs after it. */
  #share(): void {
    this.#left = SHARED_BY - 1;
    if (this.#isWatched) return;
    this.#isWatched = true;
    queueMicrotask(() => {
      this.#isWatched = false;
      this.#left = 0;
    });
  }
}
