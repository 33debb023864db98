/**
 * How many retries may be in flight at once: a share of the requests in flight, so that retries help against a
 * failing instance and cannot multiply the load on a failing fleet.
 */

export interface RetryBudgetOptions {
  /** Retries in flight as a share of requests in flight. Default 0.2. */
  readonly ratio?: number;
  /** Retries always allowed in flight, however few requests are. Default 3. */
  readonly min?: number;
}

/**
 * Counts requests and their retries. Plain counters and no closures: every forwarded request passes here.
 * Each `begin` is matched by one `end`, each successful `tryRetry` by one `endRetry`.
 *
 * @example
 * import { RetryBudget } from '@tooloo/resilience';
 *
 * const budget = new RetryBudget({ ratio: 0.2, min: 3 });
 * budget.begin();
 * if (budget.tryRetry()) budget.endRetry(); // after the retry
 * budget.end();
 */
export class RetryBudget {
  readonly #ratio: number;
  readonly #min: number;
  #active = 0;
  #retrying = 0;

  constructor({ ratio = 0.2, min = 3 }: RetryBudgetOptions = {}) {
    this.#ratio = ratio;
    this.#min = min;
  }

  /** Requests in flight, each counted once however often it is retried. */
  get active(): number {
    return this.#active;
  }

  /** Retries in flight. */
  get retrying(): number {
    return this.#retrying;
  }

  /** Retries that may be in flight now: max(min, ratio · active). */
  get limit(): number {
    return Math.max(this.#min, Math.floor(this.#ratio * this.#active));
  }

  /** Whether another retry may be in flight now. */
  get hasRoom(): boolean {
    return this.#retrying < this.limit;
  }

  /** A request starts. */
  begin(): void {
    this.#active++;
  }

  /** Called when a request has ended, retries included. */
  end(): void {
    if (this.#active > 0) this.#active--;
  }

  /** Takes a retry out of the budget. Returns false, and takes nothing, if the budget is used up. */
  tryRetry(): boolean {
    if (!this.hasRoom) return false;
    this.#retrying++;
    return true;
  }

  /** Called when a retry has ended. */
  endRetry(): void {
    if (this.#retrying > 0) this.#retrying--;
  }
}
