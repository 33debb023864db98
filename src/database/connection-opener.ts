/**
 * Opens connections as long as they are wanted. While the database refuses, one attempt at a time is made, further
 * and further apart, so that neither the database nor the event loop is stormed.
 */
import { Backoff } from '../shared/backoff.js';
import { startTimer, type Clock, type Timer } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { closeFully } from './close-fully.js';
import type { DatabaseConnection } from './connection.js';
import { settleWithin } from './settle-within.js';

export interface OpenerOptions<C extends DatabaseConnection> {
  readonly create: (signal: AbortSignal) => C | Promise<C>;
  readonly clock: Clock;
  /** Milliseconds an attempt may take. */
  readonly timeout: number;
  /** Milliseconds closing may take of what comes too late. */
  readonly validationTimeout: number;
  /** How many connections should be on their way now, those that are included. */
  readonly wanted: () => number;
  /** Whether a caller waits for a connection now. */
  readonly isAwaited: () => boolean;
  onOpen(connection: C): void;
  readonly onFailure: (error: unknown) => void;
  /** Called when what came too late is closed. */
  readonly onDiscarded: () => void;
}

/**
 * Longest pause between attempts while a caller waits, so that a pool serves again within a quarter of a second after
 * its database has returned. Without waiting callers, the pause grows to the backoff's 5 s.
 */
const LONGEST_AWAITED_PAUSE = 250;

const METHODS = ['query', 'reset', 'ping', 'close'] as const;

/**
 * Rejects the result of a factory if it is not an open connection. Lent, it would fail far from the cause, and the pool
 * would replace it without a pause.
 */
function checkDelivered(delivered: unknown): void {
  const connection = (delivered ?? {}) as Partial<DatabaseConnection>;
  const missing = METHODS.filter((name) => typeof connection[name] !== 'function').map((name) => `${name}()`);
  if (typeof connection.isOpen !== 'boolean') missing.push('isOpen');
  if (typeof connection.isDirty !== 'boolean') missing.push('isDirty');
  const fault = missing.length > 0 ? `lacks ${missing.join(', ')}` : connection.isOpen ? undefined : 'is not open';
  if (fault === undefined) return;
  throw new ResilienceError('CONNECTION_FAILED', `the connection that the factory delivered ${fault}`);
}

/** Whether waiting is in vain: a driver that this process cannot load will not be loaded a second later. */
export function isBeyondRetrying(error: unknown): boolean {
  return ResilienceError.is(error) && error.code === 'DRIVER_UNAVAILABLE';
}

export class ConnectionOpener<C extends DatabaseConnection> {
  readonly #options: OpenerOptions<C>;
  readonly #backoff = new Backoff({ initial: 10, max: 5000 });
  readonly #attempts = new Set<AbortController>();
  #late = 0;
  #pause: { readonly timer: Timer; readonly until: number } | undefined;
  #isClosed = false;

  constructor(options: OpenerOptions<C>) {
    this.#options = options;
  }

  /** Number of attempts in progress. */
  get opening(): number {
    return this.#attempts.size;
  }

  /** Attempts given up that may still have a session at the database: each occupies its place until it is closed. */
  get late(): number {
    return this.#late;
  }

  /** Starts what is wanted now; called whenever more may be wanted than before. */
  wake(): void {
    if (this.#isClosed) return;
    if (this.#pause !== undefined) return this.#shortenPause();
    const limit = this.#backoff.failures > 0 ? 1 : Infinity; // after a failure one attempt feels the way
    while (this.#attempts.size < Math.min(limit, this.#options.wanted())) void this.#attempt();
  }

  /** Aborts every attempt; connections that they still open are closed. */
  close(): void {
    this.#isClosed = true;
    this.#cancelPause();
    const attempts = [...this.#attempts];
    this.#attempts.clear();
    for (const attempt of attempts) attempt.abort(new Error('the pool is closed'));
  }

  async #attempt(): Promise<void> {
    const { create, clock, timeout, onFailure } = this.#options;
    const abort = new AbortController();
    this.#attempts.add(abort);
    const creating = (async () => create(abort.signal))();
    try {
      const connection = await settleWithin(() => creating, { clock, timeout, signal: abort.signal });
      if (!this.#attempts.has(abort)) return; // the pool closed in the meantime, and closes the connection
      checkDelivered(connection);
      this.#attempts.delete(abort);
      this.#backoff.reset();
      this.#cancelPause();
      this.#options.onOpen(connection);
      this.wake();
    } catch (error) {
      void this.#discard(creating);
      if (!this.#attempts.delete(abort)) return;
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

  /** Closes the connection of an attempt that finishes after its caller has stopped waiting. */
  async #discard(creating: Promise<C>): Promise<void> {
    const { clock, validationTimeout } = this.#options;
    this.#late++;
    // A factory that heeds the signal settles when nothing is left at the database; one that does not may never settle.
    const late = await settleWithin(() => creating, {
      clock,
      timeout: validationTimeout,
      onLate: (later) => closeFully(later, this.#options),
    }).catch(() => undefined);
    if (late !== undefined) await closeFully(late, this.#options);
    this.#late--;
    this.wake();
    this.#options.onDiscarded();
  }
}
