/** The further attempts of one request: how many are left, when the next one may start, and their use of the budget. */
import { fullJitter, type Random } from '../../shared/backoff.js';
import { startTimer, type Clock, type Timer } from '../../shared/clock.js';
import type { RetryBudget } from '../../shared/retry-budget.js';

/** Milliseconds a request that has no answer waits for its turn when the budget is spent. */
const BUDGET_TIMEOUT = 2000;

export interface RetriesOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: RetryBudget;
  readonly retry: { readonly attempts: number; readonly backoff: number; readonly maxBackoff: number };
}

export class Retries {
  readonly #options: RetriesOptions;
  readonly #onTurn: () => void;
  #attempts = 0;
  /** Reserved in the budget. */
  #taken = 0;
  #timer: Timer | undefined;
  #budgetDeadline: number | undefined;

  /** @param onTurn called when the next attempt may start */
  constructor(options: RetriesOptions, onTurn: () => void) {
    this.#options = options;
    this.#onTurn = onTurn;
  }

  /** Whether another attempt is allowed. */
  get areLeft(): boolean {
    return this.#attempts < this.#options.retry.attempts;
  }

  /** Whether another attempt is scheduled. */
  get isPending(): boolean {
    return this.#timer !== undefined;
  }

  /** Whether the budget has room now. */
  get hasBudget(): boolean {
    return this.#options.budget.hasRoom;
  }

  /** Whether the time to wait for the budget is not over. */
  get mayAwaitBudget(): boolean {
    return this.#budgetDeadline === undefined || this.#options.clock.now() < this.#budgetDeadline;
  }

  /** An attempt starts. Returns the number of attempts before it. */
  started(): number {
    return this.#attempts++;
  }

  /** Earlier attempts no longer count. */
  startAnew(): void {
    this.#attempts = 0;
  }

  /** Starts the next attempt after its backoff. */
  schedule(): void {
    if (this.#timer !== undefined) return;
    const { clock, random, retry } = this.#options;
    this.#budgetDeadline ??= clock.now() + BUDGET_TIMEOUT;
    const delay = fullJitter(this.#attempts, { base: retry.backoff, cap: retry.maxBackoff, random });
    const turn = (): void => {
      this.#timer = undefined;
      this.#onTurn();
    };
    this.#timer = startTimer(clock, turn, delay);
  }

  /** Whether the budget has room for it. If so, the room is reserved until `giveBack`. */
  take(): boolean {
    if (!this.#options.budget.tryRetry()) return false;
    this.#taken++;
    return true;
  }

  /** The last reservation is not needed. */
  giveBackOne(): void {
    this.#taken--;
    this.#options.budget.endRetry();
  }

  /** Releases all reservations. */
  giveBack(): void {
    while (this.#taken > 0) this.giveBackOne();
  }

  /** No further attempt starts. */
  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
