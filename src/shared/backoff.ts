/** How long to wait before trying again. Jittered, because clients that failed together must not return together. */

/** A number in [0, 1), as `Math.random` gives. */
export type Random = () => number;

export interface RetryDelayOptions {
  /** Milliseconds; the first retry waits less than this. Default 25. */
  readonly base?: number;
  /** Milliseconds; no retry waits longer. Default 250. */
  readonly cap?: number;
  readonly random?: Random;
}

/**
 * Milliseconds before a request's `attempt`-th retry (1 is the first): uniformly random in [0, (2^attempt − 1) · base),
 * at most `cap`. A request has a client waiting, so this is short and may be zero.
 */
export function fullJitter(attempt: number, options: RetryDelayOptions = {}): number {
  const { base = 25, cap = 250, random = Math.random } = options;
  return random() * Math.min((2 ** attempt - 1) * base, cap);
}

export interface BackoffOptions {
  /** Milliseconds of the first wait. Default 10. */
  readonly initial?: number;
  /** Milliseconds; waits grow to this and no further. Default 5000. */
  readonly max?: number;
  readonly random?: Random;
}

/**
 * Delays for background work that no request waits for: creating connections, reconnecting, restarting. Each delay
 * doubles the one before. Only the upper half is jittered, so a delay is never so short that it causes a busy loop.
 */
export class Backoff {
  readonly #initial: number;
  readonly #max: number;
  readonly #random: Random;
  #failures = 0;

  constructor({ initial = 10, max = 5000, random = Math.random }: BackoffOptions = {}) {
    this.#initial = initial;
    this.#max = max;
    this.#random = random;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Counts a failure and returns the milliseconds to wait after it: [½, 1] of `initial · 2^failures`, at most `max`.
   */
  next(): number {
    const full = Math.min(this.#initial * 2 ** this.#failures, this.#max);
    this.#failures++;
    return full / 2 + (this.#random() * full) / 2;
  }

  /** A success: the next failure waits `initial` again. */
  reset(): void {
    this.#failures = 0;
  }
}
