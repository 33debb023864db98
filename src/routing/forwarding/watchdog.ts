/** Notices that nothing has moved for too long. One timer, set anew only when it fires: progress costs a clock reading. */
import { startTimer, type Clock, type Timer } from '../../shared/clock.js';

/** How often (ms) it looks while any pause is allowed: the limit may change. */
const LEISURE = 60_000;

export class Watchdog {
  readonly #clock: Clock;
  readonly #onSilence: () => void;
  #limit: number;
  #lastProgress: number;
  #timer: Timer | undefined;

  /** @param limit milliseconds of silence allowed; Infinity: any */
  constructor(clock: Clock, limit: number, onSilence: () => void) {
    this.#clock = clock;
    this.#limit = limit;
    this.#onSilence = onSilence;
    this.#lastProgress = clock.now();
  }

  start(): void {
    this.#timer?.cancel();
    const left = this.#lastProgress + this.#limit - this.#clock.now();
    if (left > 0) this.#timer = startTimer(this.#clock, () => this.start(), Math.min(left, LEISURE));
    else this.#onSilence();
  }

  /** Something moved. */
  progressed(): void {
    this.#lastProgress = this.#clock.now();
  }

  /** From now on this much silence is allowed. */
  setLimit(limit: number): void {
    const isShorter = limit < this.#limit;
    this.#limit = limit;
    this.progressed();
    if (isShorter) this.start();
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
