/**
 * Tracks whether a shared store answers. A circuit breaker avoids the wait for a store that keeps failing. The length of
 * the outage decides how much of a limit this process may apply without the store.
 *
 * A process cannot tell a store that is away from a connection that is. While other processes still reach the store,
 * every request that this process admits by itself comes on top of the limit. Until the store has failed for CUT_OFF_AFTER, the
 * processes together therefore admit at most EXCESS of the limit without it. After that, each applies its whole share,
 * because a long outage must not reject clients that are within the limit.
 */
import type { Clock } from '../shared/clock.js';
import { describeFault } from './store-faults.js';

/** Consecutive failures that open the breaker. */
export const FAILURES_TO_OPEN = 5;
/** Milliseconds until the open breaker lets the next probe through. */
export const OPEN_FOR = 1_000;
/** Milliseconds without an answer after which the whole share is applied: two probes have failed. */
export const CUT_OFF_AFTER = 2_000;
/** The part of a limit that all processes together admit without the store before that. */
export const EXCESS = 0.1;
/** The least number of tokens that each process may admit, so that small limits do not reject everything. */
export const LEAST_TOKENS = 2;

/** The part of a limit that a process may apply without the store. Each part is between 0 and 1. */
export interface LocalPart {
  /** The part that each process has where all share the limit equally. */
  readonly wholeShare: number;
  /** The part of the refill that may be admitted again. */
  readonly returning: number;
  /** The part of what a bucket of this capacity has left. */
  shareOf(rateLimit: number): number;
}

export class StoreOutage implements LocalPart {
  readonly #clock: Clock;
  readonly #instances: () => number;
  #failures = 0; // in a row
  #total = 0;
  #lastError: unknown;
  #openUntil = -Infinity;
  /** When the first of the consecutive failures was noticed. */
  #since = Infinity;
  #isCutOff = false;

  /** @param instances how many processes share the store now */
  constructor(clock: Clock, instances: () => number) {
    this.#clock = clock;
    this.#instances = instances;
  }

  /** Whether the last call succeeded, how many calls failed, and the last error. */
  get health(): { available: boolean; failures: number; lastError: string | undefined } {
    const lastError = this.#lastError === undefined ? undefined : describeFault(this.#lastError);
    return { available: this.#failures === 0, failures: this.#total, lastError };
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  /** Whether a call may be made: always while the breaker is closed, otherwise one call per OPEN_FOR. */
  mayAsk(): boolean {
    if (this.#failures < FAILURES_TO_OPEN) return true;
    const now = this.#clock.now();
    if (now < this.#openUntil) return false;
    this.#openUntil = now + OPEN_FOR; // this call is the probe
    return true;
  }

  /** A call succeeded. Returns whether the store was away until now. */
  succeeded(): boolean {
    const wasAway = this.#failures > 0;
    this.#failures = 0;
    this.#since = Infinity;
    this.#isCutOff = false;
    return wasAway;
  }

  /**
   * A call failed. Calls that began before the outage was noticed are no evidence of its length.
   *
   * @param began when the call began, in the clock's milliseconds
   */
  failed(error: unknown, began: number): void {
    this.#failures++;
    this.#total++;
    this.#lastError = error;
    const now = this.#clock.now();
    if (this.#failures >= FAILURES_TO_OPEN) this.#openUntil = now + OPEN_FOR;
    this.#since = Math.min(this.#since, now);
    if (began - this.#since >= CUT_OFF_AFTER) this.#isCutOff = true;
  }

  get wholeShare(): number {
    return 1 / this.#instances();
  }

  shareOf(rateLimit: number): number {
    return this.#withinShare(Math.max(this.returning, LEAST_TOKENS / rateLimit));
  }

  get returning(): number {
    return this.#isCutOff ? this.wholeShare : this.#withinShare(EXCESS / (this.#instances() - 1));
  }

  #withinShare(part: number): number {
    return Math.min(this.wholeShare, part); // a single process has everything: 1 / 0 is Infinity
  }
}
