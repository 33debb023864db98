/**
 * Opens connections as long as they are wanted. While the database refuses, one attempt at a time is made, further
 * and further apart, so that neither the database nor the event loop is stormed.
 */
import { Backoff } from '../shared/backoff.js';
import { startTimer, type Clock, type Timer } from '../shared/clock.js';
import type { DatabaseConnection } from './connection.js';
import { settleWithin } from './settle-within.js';

export interface OpenerOptions<C extends DatabaseConnection> {
  readonly create: (signal: AbortSignal) => C | Promise<C>;
  readonly clock: Clock;
  /** Milliseconds an attempt may take. */
  readonly timeout: number;
  /** How many connections should be on their way now, those that are included. */
  readonly wanted: () => number;
  /** Whether somebody waits for one at this moment. */
  readonly isAwaited: () => boolean;
  onOpen(connection: C): void;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Longest pause between attempts while a caller waits: a database that returns serves again within a quarter of a second.
 * With nobody waiting the pause grows to the backoff's 5 s.
 */
const LONGEST_AWAITED_PAUSE = 250;

export class ConnectionOpener<C extends DatabaseConnection> {
  readonly #options: OpenerOptions<C>;
  readonly #backoff = new Backoff({ initial: 10, max: 5000 });
  readonly #attempts = new Set<AbortController>();
  #pause: { readonly timer: Timer; readonly until: number } | undefined;
  #isClosed = false;

  constructor(options: OpenerOptions<C>) {
    this.#options = options;
  }

  /** Attempts under way. */
  get opening(): number {
    return this.#attempts.size;
  }

  /** Starts what is wanted now; called whenever more may be wanted than before. */
  wake(): void {
    if (this.#isClosed) return;
    if (this.#pause !== undefined) return this.#shortenPause();
    const limit = this.#backoff.failures > 0 ? 1 : Infinity; // after a failure one attempt feels the way
    while (this.#attempts.size < Math.min(limit, this.#options.wanted())) void this.#attempt();
  }

  /** Gives up every attempt; what they still deliver is closed. */
  close(): void {
    this.#isClosed = true;
    this.#cancelPause();
    for (const attempt of this.#attempts) attempt.abort(new Error('the pool is closed'));
    this.#attempts.clear();
  }

  async #attempt(): Promise<void> {
    const { create, clock, timeout, onFailure } = this.#options;
    const abort = new AbortController();
    this.#attempts.add(abort);
    try {
      const deadline = { clock, timeout, signal: abort.signal, onLate: discard };
      const connection = await settleWithin(() => create(abort.signal), deadline);
      this.#attempts.delete(abort);
      if (this.#isClosed) return void discard(connection);
      this.#backoff.reset();
      this.#cancelPause();
      this.#options.onOpen(connection);
      this.wake();
    } catch (error) {
      if (!this.#attempts.delete(abort)) return; // the pool closed meanwhile
      abort.abort(error);
      this.#startPause(this.#backoff.next());
      onFailure(error);
    }
  }

  #startPause(length: number): void {
    if (this.#pause !== undefined) return; // of attempts that fail together the first sets the pace
    const { clock, isAwaited } = this.#options;
    const pause = isAwaited() ? Math.min(length, LONGEST_AWAITED_PAUSE) : length;
    this.#pause = { timer: startTimer(clock, () => this.#endPause(), pause), until: clock.now() + pause };
  }

  #endPause(): void {
    this.#pause = undefined;
    this.wake();
  }

  #shortenPause(): void {
    const { clock, isAwaited } = this.#options;
    if (this.#pause === undefined || !isAwaited()) return;
    if (this.#pause.until - clock.now() <= LONGEST_AWAITED_PAUSE) return;
    this.#cancelPause();
    this.#startPause(LONGEST_AWAITED_PAUSE);
  }

  #cancelPause(): void {
    this.#pause?.timer.cancel();
    this.#pause = undefined;
  }
}

async function discard(connection: DatabaseConnection): Promise<void> {
  try {
    await connection.close();
  } catch {
    // Nobody has it, nobody misses it.
  }
}
