/** A cheap reading of a clock for hot paths. */
import { monotonicClock, startTimer, type Clock } from '../shared/clock.js';
import { SLACK } from './disk-lifetime.js';

/** Reading the machine's clock costs more than the cache lookup it would accompany (measured: 40 ns against 22 ns). */
const RESOLUTION = 1;
const YEAR = 365 * 86_400_000;

/**
 * Milliseconds since just before this object was made, as doubles: exact for longer than any process runs. Never 0, which
 * lru-cache takes for "no time". A clock given by a user is read every time, because it may move at any moment. If it is
 * set back a little, time goes on from where it was. If it is set back by more than two seconds, lifetimes of up to a year
 * end, as on disk: the time since the last reading is unknown.
 */
export class RecentTime {
  /**
   * The most milliseconds by which a reading of `recent` may be old, or one turn of the event loop; 0 for a given
   * clock.
   */
  readonly resolution: number;
  readonly #clock: Clock;
  #origin: number;
  #last: number;
  #reading: number | undefined;
  readonly #forget = (): void => {
    this.#reading = undefined;
  };

  /** @param clock default: a monotonic clock */
  constructor(clock: Clock | undefined) {
    this.#clock = clock ?? monotonicClock;
    this.resolution = clock === undefined ? RESOLUTION : 0;
    this.#last = this.#clock.now();
    this.#origin = this.#last - 1;
  }

  /** The time now. */
  read(): number {
    const now = this.#clock.now();
    const lost = this.#last - now;
    if (lost > 0) this.#origin -= lost > SLACK ? lost + YEAR : lost;
    this.#last = now;
    return now - this.#origin;
  }

  /** Reads a given clock, so that its being set back later shows. Costs nothing otherwise. */
  observe(): void {
    if (this.resolution === 0) this.read();
  }

  /** The time at most `resolution` ago. */
  recent(): number {
    if (this.#reading !== undefined) return this.#reading;
    const now = this.read();
    if (this.resolution > 0) {
      this.#reading = now;
      startTimer(this.#clock, this.#forget, this.resolution);
    }
    return now;
  }
}
