/** A clock that processes share and that may be set back. The age of entries written before that is then unknown. */
import { startTimer, type Clock } from '../shared/clock.js';
import type { Awaitable } from './cache-layer.js';
import { SLACK } from './disk-lifetime.js';

export class WatchedClock implements Clock {
  readonly setTimer: Clock['setTimer'];
  readonly #clock: Clock;
  readonly #onSetBack: () => void;
  #latest = -Infinity;

  /** @param onSetBack called when a reading is more than two seconds earlier than one before */
  constructor(clock: Clock, onSetBack: () => void) {
    this.#clock = clock;
    this.#onSetBack = onSetBack;
    this.setTimer = clock.setTimer?.bind(clock);
  }

  now(): number {
    const now = this.#clock.now();
    const isSetBack = now < this.#latest - SLACK;
    if (isSetBack || now > this.#latest) this.#latest = now;
    if (isSetBack) this.#onSetBack();
    return now;
  }
}

/** Milliseconds until a removal that failed is tried again. */
const PAUSE = 100;

/** The removal of everything from before. A failure is repeated; the end of the layer ends it. */
export class Forgetting {
  readonly #clock: Clock;
  readonly #remove: () => Awaitable<void>;
  #pending = 0;

  constructor(clock: Clock, remove: () => Awaitable<void>) {
    this.#clock = clock;
    this.#remove = remove;
  }

  get isPending(): boolean {
    return this.#pending > 0;
  }

  /** Begins in a later turn of the event loop, because the clock may be read within a transaction. */
  begin(): void {
    this.#pending++;
    setImmediate(() => void this.#run());
  }

  async #run(): Promise<void> {
    try {
      await this.#remove();
      this.#pending--;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'SHUTTING_DOWN')
        startTimer(this.#clock, () => void this.#run(), PAUSE);
    }
  }
}
