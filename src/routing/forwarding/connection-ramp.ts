/**
 * How many connections may be open: in each step, their number may double. A short backlog therefore does not open a
 * connection for every request, although the open ones will be free within a millisecond.
 */
import type { Clock } from '../../shared/clock.js';
import { TurnTimer } from './turn-timer.js';

/** The least milliseconds of a step. */
const STEP = 10;
/** Connections that a step may add, however few are open. */
const MIN_GROWTH = 16;
/** Steps in which the open connections should serve a backlog. If they will, their number hardly grows. */
const PATIENCE = 4;
/** Connections that a step adds to such a backlog, so that it cannot become permanent. */
const SLOW_GROWTH = 2;

export class ConnectionRamp {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #onStepOver: () => void;
  /** The present step. It begins when a connection is opened after the one before. */
  #step: TurnTimer | undefined;
  /** The most connections that may be open in this step. */
  #ceiling = 0;
  /** How often in this step a connection became free, or was lost, while requests waited. */
  #turnover = 0;

  /** @param limit the most connections that may ever be open */
  constructor(clock: Clock, limit: number, onStepOver: () => void) {
    this.#clock = clock;
    this.#limit = limit;
    this.#onStepOver = onStepOver;
  }

  /**
   * Whether another connection may be opened. One that replaces a lost connection is no growth, so that an instance
   * that closes its connection after each response is not slowed down.
   *
   * @param open the number of connections that are open or being opened
   */
  allowsAnother(open: number): boolean {
    if (open >= this.#limit) return false;
    if (this.#step === undefined) this.#begin(open, Math.max(MIN_GROWTH, open));
    return open < this.#ceiling;
  }

  /** A connection became free, or was lost, while requests waited. */
  turnedOver(): void {
    this.#turnover++;
  }

  /**
   * Begins a step for requests that waited in the one before.
   *
   * @param open the number of connections that are open or being opened
   * @param backlog the requests that wait for a connection
   */
  continueFor(backlog: number, open: number): void {
    if (open >= this.#limit) return;
    const isMoving = backlog <= PATIENCE * this.#turnover;
    this.#begin(open, isMoving ? SLOW_GROWTH : Math.max(MIN_GROWTH, open));
  }

  stop(): void {
    this.#step?.cancel();
    this.#step = undefined;
  }

  #begin(open: number, growth: number): void {
    this.#ceiling = Math.min(this.#limit, open + growth);
    this.#turnover = 0;
    this.#step = new TurnTimer(this.#clock, this.#end, STEP);
  }

  readonly #end = (): void => {
    this.#step = undefined;
    this.#onStepOver();
  };
}
