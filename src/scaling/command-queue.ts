/** Commands of one service, one after the other: two that contradict each other are both carried out, in their order. */
import { ResilienceError } from '../shared/errors.js';

export class CommandQueue {
  #last: Promise<unknown> = Promise.resolve();
  #abort = new AbortController();
  #waiting = 0;

  /** Commands that run or wait. */
  get size(): number {
    return this.#waiting;
  }

  /**
   * Runs a command when those before it are done.
   *
   * @param command given a signal that aborts when a later command makes it pointless
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

  /** Ends what runs and waits; each is told by what. */
  interrupt(by: string): void {
    this.#abort.abort(new ResilienceError('CONFLICT', `given up: ${by} came after it`));
    this.#abort = new AbortController();
  }

  /** Settles when nothing runs or waits. */
  async idle(): Promise<void> {
    while (this.#waiting > 0) await this.#last;
  }
}
