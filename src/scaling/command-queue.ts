/** Runs the commands of one service one after the other. Two contradictory commands both run, in their order. */
import { ResilienceError } from '../shared/errors.js';

export class CommandQueue {
  #last: Promise<unknown> = Promise.resolve();
  #abort = new AbortController();
  #waiting = 0;

  /** Number of commands that run or wait. */
  get size(): number {
    return this.#waiting;
  }

  /**
   * Runs a command when the previous ones are done.
   *
   * @param command receives a signal that aborts when a later command makes it pointless
   */
  async run<T>(command: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.#abort;
    const before = this.#last;
    const done = (async () => {
      await before;
      signal.throwIfAborted();
      return command(signal);
    })();
    this.#waiting++;
    this.#last = done.then(
      () => this.#waiting--,
      () => this.#waiting--,
    );
    return done;
  }

  /** Cancels the running and the waiting commands; `by` names the reason in their errors. */
  interrupt(by: string): void {
    this.#abort.abort(new ResilienceError('CONFLICT', `cancelled: ${by} was requested after it`));
    this.#abort = new AbortController();
  }

  /** Settles when no command runs or waits. */
  async idle(): Promise<void> {
    while (this.#waiting > 0) await this.#last;
  }
}
