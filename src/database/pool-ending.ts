/** The end of a pool: it begins with the first call of `drain`, and is over when no caller and no connection is left. */
import { startTimer, type Clock, type Timer } from '../shared/clock.js';

export class PoolEnding {
  #ended: Promise<void> | undefined;
  #resolve: (() => void) | undefined;
  #deadline: Timer | undefined;

  /** Whether the end has begun and is not over. */
  get isPending(): boolean {
    return this.#resolve !== undefined;
  }

  /** Begins the end, if that has not happened, and settles when it is over. */
  begin(): Promise<void> {
    this.#ended ??= new Promise((resolve) => {
      this.#resolve = resolve;
    });
    return this.#ended;
  }

  /** Calls `onDeadline` if the end is not over in time. It keeps the process alive, because a caller awaits the end. */
  limit(clock: Clock, timeout: number, onDeadline: () => void): void {
    this.#deadline = startTimer(clock, onDeadline, timeout, true);
  }

  /** Calls `close`. The end is over when that has settled, or failed. */
  finish(close: () => void | Promise<void>): void {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    this.#deadline?.cancel();
    const closing = async (): Promise<void> => close();
    if (resolve !== undefined) void closing().then(resolve, resolve);
  }
}
