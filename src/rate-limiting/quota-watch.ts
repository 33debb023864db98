/** Compares the limits of this process with those that other processes use under the same names on the same store. */
import type { Clock } from '../shared/clock.js';
import { warnOnce, type WarningsOption } from '../shared/warnings.js';
import type { Quota } from './quota.js';
import type { RateLimitStore } from './store.js';

/** Milliseconds before the first comparison: the other processes may be starting as well. */
const FIRST_AFTER = 5_000;
/** Milliseconds between two comparisons. */
const EVERY = 60_000;
/** Milliseconds for which a store remembers that a limit is in use: some comparisons may fail. */
export const DECLARED_FOR = 150_000;

/** The numbers of a limit as stores remember them. */
export function quotaText({ rateLimit, refillRate, algorithm }: Quota): string {
  return `${rateLimit}/${refillRate}/${algorithm}`;
}

export class QuotaWatch {
  readonly #store: RateLimitStore;
  readonly #clock: Clock;
  readonly #warnings: WarningsOption | undefined;
  readonly #quotas: Quota[] = [];
  #nextAt: number;

  constructor(store: RateLimitStore, clock: Clock, warnings: WarningsOption | undefined) {
    this.#store = store;
    this.#clock = clock;
    this.#warnings = warnings;
    this.#nextAt = store.declare === undefined ? Infinity : clock.now() + FIRST_AFTER;
  }

  add(quota: Quota): void {
    this.#quotas.push(quota);
  }

  /** Compares if it is time. Called with each decision; the decision does not wait for it. */
  tick(): void {
    if (this.#nextAt === Infinity) return;
    const now = this.#clock.now();
    if (now < this.#nextAt) return;
    this.#nextAt = now + EVERY;
    for (const quota of this.#quotas) {
      // A faulty store is reported by the decisions.
      this.#compare(quota).catch(() => undefined);
    }
  }

  async #compare(quota: Quota): Promise<void> {
    const inUse = await this.#store.declare!(quota);
    if (inUse <= 1) return;
    const message =
      `another process uses this name on the same store with a limit other than ${quotaText(quota)}; ` +
      "give every process the same limit, or each limit its own 'name'";
    warnOnce('TOOLOO_LIMIT_QUOTA_DIFFERS', `rate limiter '${quota.name}'`, message, this.#warnings);
  }
}
