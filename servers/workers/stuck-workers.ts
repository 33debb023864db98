/**
 * Finds workers whose event loop stands still. Such a worker answers nothing and ends by nothing, and its clients wait.
 * A worker under load still answers a question of the primary process in some turn of its event loop.
 */
import { monotonicClock, startTimer, type Clock, type Timer } from '../../src/index.js';

/** Milliseconds between the questions to a worker. */
const INTERVAL = 5_000;

/** Questions in a row without an answer after which a worker is stuck: its event loop stood still for half a minute. */
const MOST_UNANSWERED = 6;

export interface StuckWorkersOptions<W> {
  /** Asks a worker to answer. */
  readonly ask: (worker: W) => void;
  /** The event loop of a worker stands still. It is not asked again. */
  readonly onStuck: (worker: W) => void;
  readonly clock?: Clock;
}

export class StuckWorkers<W> {
  readonly #options: StuckWorkersOptions<W>;
  /** For each worker, the questions since its last answer. */
  readonly #unanswered = new Map<W, number>();
  #timer: Timer | undefined;

  constructor(options: StuckWorkersOptions<W>) {
    this.#options = options;
    this.#wait();
  }

  watch(worker: W): void {
    this.#unanswered.set(worker, 0);
  }

  forget(worker: W): void {
    this.#unanswered.delete(worker);
  }

  answered(worker: W): void {
    if (this.#unanswered.has(worker)) this.#unanswered.set(worker, 0);
  }

  close(): void {
    this.#timer?.cancel();
    this.#unanswered.clear();
  }

  #wait(): void {
    this.#timer = startTimer(this.#options.clock ?? monotonicClock, () => this.#look(), INTERVAL);
  }

  /** Counts questions and not time, because time also passes for a process that was suspended as a whole. */
  #look(): void {
    this.#wait();
    for (const [worker, count] of this.#unanswered) {
      if (count < MOST_UNANSWERED) {
        this.#unanswered.set(worker, count + 1);
        this.#options.ask(worker);
      } else {
        this.forget(worker);
        this.#options.onStuck(worker);
      }
    }
  }
}
