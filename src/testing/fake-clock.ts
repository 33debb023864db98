/**
 * A clock that a test moves by hand. `now()` changes only when `advance` or `set` is called, and timers fire in order.
 */
import type { Clock, Timer } from '../shared/clock.js';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** How many times the microtask queue is drained between two timers: enough for a chain of awaits to settle. */
const DRAINS = 20;

/**
 * A clock that a test moves by hand, with the timers that wait on it.
 *
 * @example
 * import { RateLimiter } from '@tooloo/resilience';
 * import { FakeClock } from '@tooloo/resilience/testing';
 *
 * const clock = new FakeClock();
 * const limiter = new RateLimiter({ rateLimit: 1, refillRate: 1, clock });
 * limiter.isAllowed('user-42');
 * await clock.advance(1000); // the token has returned
 */
export class FakeClock implements Clock {
  #now: number;
  #order = 0;
  #pending: Pending[] = [];

  /** @param start the first value of `now()`, in milliseconds */
  constructor(start = 1_000_000) {
    this.#now = start;
  }

  now = (): number => this.#now;

  setTimer = (callback: () => void, delay: number): Timer => {
    const entry: Pending = { at: this.#now + Math.max(0, delay), order: this.#order++, callback };
    this.#pending.push(entry);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== entry);
      },
    };
  };

  /** Timers that have not fired yet: a test asserts 0 after `close()`. */
  get pendingTimers(): number {
    return this.#pending.length;
  }

  /** Moves time without firing timers: forward or backward, as when the clock of a machine is corrected. */
  set(now: number): void {
    this.#now = now;
  }

  /** Moves time forward by `ms`, and fires every timer that is due, synchronously and in order. */
  tick(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#takeDue(end); next !== undefined; next = this.#takeDue(end)) {
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }

  /** Like `tick`, but lets promises settle before, between and after the timers. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await drainMicrotasks();
    for (let next = this.#takeDue(end); next !== undefined; next = this.#takeDue(end)) {
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await drainMicrotasks();
    }
    this.#now = end;
    await drainMicrotasks();
  }

  #takeDue(end: number): Pending | undefined {
    let due: Pending | undefined;
    for (const entry of this.#pending) {
      if (entry.at > end) continue;
      if (due === undefined || entry.at < due.at || (entry.at === due.at && entry.order < due.order)) due = entry;
    }
    if (due !== undefined) this.#pending = this.#pending.filter((entry) => entry !== due);
    return due;
  }
}

async function drainMicrotasks(): Promise<void> {
  for (let i = 0; i < DRAINS; i++) await Promise.resolve();
}
