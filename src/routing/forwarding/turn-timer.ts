/**
 * A timer that fires after the sockets have been read that had data in its time. In a long turn of the loop, time passes
 * although nothing is read, and Node calls due timers before it reads: every response would seem to be missing.
 */
import { startTimer, type Clock, type Timer } from '../../shared/clock.js';

export class TurnTimer implements Timer {
  readonly #callback: () => void;
  readonly #timer: Timer;
  #immediate: NodeJS.Immediate | undefined;

  constructor(clock: Clock, callback: () => void, delay: number) {
    this.#callback = callback;
    this.#timer = startTimer(clock, () => this.#awaitReads(), delay);
  }

  cancel(): void {
    this.#timer.cancel();
    clearImmediate(this.#immediate);
  }

  /** The first immediate comes after the reads, but before those with which undici makes its connections free. */
  #awaitReads(): void {
    this.#immediate = setImmediate(() => {
      this.#immediate = setImmediate(this.#callback);
    });
  }
}
