/** The further attempts of one request: when the next one may start, and their use of the budget. */
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

/** The listener of the retries. */
export interface RetriesOwner {
  /** The next attempt may start. */
  onTurn(): void;
}

/** Created for the first retry, because most requests have none. */
export class Retries {
  readonly #options: RetriesOptions;
  readonly #owner: RetriesOwner;
  /** Reserved in the budget. */
  #taken = 0;
  #timer: Timer | undefined;
  #budgetDeadline: number | undefined;

  constructor(options: RetriesOptions, owner: RetriesOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  /** Whether another attempt is scheduled. */
  get isPending(): boolean {
    return this.#timer !== undefined;
  }

  /** Whether the time to wait for the budget is not over. */
  get mayAwaitBudget(): boolean {
    return this.#budgetDeadline === undefined || this.#options.clock.now() < this.#budgetDeadline;
  }

  /**
   * Starts the next attempt after its backoff.
   *
   * @param attempts the number of attempts so far
   */
  schedule(attempts: number): void {
    if (this.#timer !== undefined) return;
    const { clock, random, retry } = this.#options;
    this.#budgetDeadline ??= clock.now() + BUDGET_TIMEOUT;
    const delay = fullJitter(attempts, { base: retry.backoff, cap: retry.maxBackoff, random });
    const turn = (): void => {
      this.#timer = undefined;
      this.#owner.onTurn();
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
