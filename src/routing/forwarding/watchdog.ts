/**
 * Detects that there was no progress for too long. One timer, set again only when it fires: progress costs one clock
 * reading.
 */
import { startTimer, type Clock, type Timer } from '../../shared/clock.js';

/** How often (ms) it checks while any pause is allowed, because the limit may change. */
const LEISURE = 60_000;

export class Watchdog {
  readonly #clock: Clock;
  readonly #onSilence: () => void;
  #limit: number;
  #lastProgress: number;
  #timer: Timer | undefined;
  #isStopped = false;

  /** @param limit milliseconds of silence that are allowed; Infinity: no limit */
  constructor(clock: Clock, limit: number, onSilence: () => void) {
    this.#clock = clock;
    this.#limit = limit;
    this.#onSilence = onSilence;
    this.#lastProgress = clock.now();
  }

  /** Begins to watch, or begins anew. Nothing happens once it was stopped. */
  start(): void {
    if (this.#isStopped) return;
    this.#timer?.cancel();
    const left = this.#lastProgress + this.#limit - this.#clock.now();
    if (left > 0) this.#timer = startTimer(this.#clock, () => this.start(), Math.min(left, LEISURE));
    else this.#onSilence();
  }

  /** There was progress. */
  progressed(): void {
    this.#lastProgress = this.#clock.now();
  }

  /** Sets the allowed silence from now on. */
  setLimit(limit: number): void {
    const isShorter = limit < this.#limit;
    this.#limit = limit;
    this.progressed();
    if (isShorter) this.start();
  }

  /** For good: what its silence leads to may end the exchange, and whoever called that must not start it again. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }
}
