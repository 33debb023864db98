/**
 * Detects that there was no progress for too long. One timer, set again only when it fires: progress costs one clock
 * reading.
 */
import { startTimer, type Clock, type Timer } from '../../shared/clock.js';

/** How often (ms) it checks while any pause is allowed, because the limit may change. */
const LEISURE = 60_000;

/** The listener of a watchdog: an object and not a function, because every forwarded request has one. */
export interface WatchdogOwner {
  /** There was no progress for as long as the limit allows. The watchdog then rests until `start`. */
  onSilence(): void;
}

export class Watchdog {
  readonly #clock: Clock;
  readonly #owner: WatchdogOwner;
  #limit: number;
  #lastProgress = 0;
  #timer: Timer | undefined;
  #isStopped = false;

  /** @param limit milliseconds of silence that are allowed; Infinity: no limit */
  constructor(clock: Clock, limit: number, owner: WatchdogOwner) {
    this.#clock = clock;
    this.#limit = limit;
    this.#owner = owner;
  }

  /** Begins to watch, or begins anew. Nothing happens once it was stopped. */
  start(): void {
    this.progressed();
    this.#wait(this.#limit);
  }

  /** There was progress. */
  progressed(): void {
    this.#lastProgress = this.#clock.now();
  }

  /** Sets the allowed silence from now on. */
  setLimit(limit: number): void {
    const isShorter = limit < this.#limit;
    this.#limit = limit;
    if (isShorter) this.start();
    else this.progressed();
  }

  /** For good: what its silence leads to may end the exchange, and whoever called that must not start it again. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #wait(delay: number): void {
    if (this.#isStopped) return;
    this.#timer?.cancel();
    if (delay > 0) this.#timer = startTimer(this.#clock, () => this.#check(), Math.min(delay, LEISURE));
    else this.#owner.onSilence();
  }

  #check(): void {
    this.#wait(this.#lastProgress + this.#limit - this.#clock.now());
  }
}
