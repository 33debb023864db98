/**
 * Turns for writing. SQLite lets one connection write at a time, and the others poll. With a synchronous driver,
 * polling would freeze the event loop that the lock's holder needs to finish. Connections of one process therefore take
 * turns here, first come, first served, without blocking.
 */
import { startTimer, type Clock, type Timer } from '../shared/clock.js';

interface Waiting {
  readonly owner: object;
  readonly grant: () => void;
  readonly timer: Timer;
}

export class WriteLock {
  readonly #clock: Clock;
  #owner: object | undefined;
  #queue: Waiting[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether `owner` holds the turn. */
  isHeldBy(owner: object): boolean {
    return this.#owner === owner;
  }

  /** Takes the turn when it is free; true also when `owner` holds it already. */
  tryTake(owner: object): boolean {
    this.#owner ??= owner;
    return this.#owner === owner;
  }

  /**
   * Waits for the turn.
   *
   * @param timeout milliseconds
   * @returns whether the turn came in time
   */
  take(owner: object, timeout: number): Promise<boolean> {
    if (this.tryTake(owner)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const expire = (): void => {
        this.#queue = this.#queue.filter((other) => other !== waiting);
        resolve(false);
      };
      const waiting: Waiting = {
        owner,
        grant: () => resolve(true),
        timer: startTimer(this.#clock, expire, timeout, true), // a caller awaits the turn
      };
      this.#queue.push(waiting);
    });
  }

  /** Gives the turn to the longest waiter. Has no effect if `owner` does not hold it. */
  release(owner: object): void {
    if (this.#owner !== owner) return;
    const next = this.#queue.shift();
    this.#owner = next?.owner;
    next?.timer.cancel();
    next?.grant();
  }
}
