/** When a closed circuit opens: a tiny strategy each. */
import { checkOptions, count, number, positive } from './options.js';

/** Sees the outcome of every call while the circuit is closed; `reset` when it closes again. */
export interface TripPolicy {
  succeeded(now: number): void;
  /** Counts a failure and returns whether the circuit should open. */
  failed(now: number): boolean;
  reset(): void;
}

/** Opens at the `threshold`-th failure in a row. */
export class ConsecutiveFailures implements TripPolicy {
  readonly #threshold: number;
  #failures = 0;

  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): boolean {
    this.#failures++;
    return this.#failures >= this.#threshold;
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Opens the circuit by the share of failures. */
export interface ErrorRateOptions {
  /** Share of failures at which the circuit opens, above 0, at most 1. */
  readonly threshold: number;
  /** Milliseconds looked back. Default 10 000. */
  readonly window?: number;
  /** The least number of calls in the window for which the share counts. Default 20. */
  readonly minimum?: number;
}

interface Slice {
  number: number;
  successes: number;
  failures: number;
}

const SLICES = 10;

/** Opens when the failures of the last `window` ms reach a share of its calls. Counts by tenths of the window. */
export class ErrorRate implements TripPolicy {
  readonly #threshold: number;
  readonly #minimum: number;
  readonly #sliceLength: number;
  readonly #slices: Slice[] = [];

  /** @throws TypeError or RangeError for a wrong option */
  constructor(options: ErrorRateOptions) {
    const checked = checkOptions('ErrorRate', options, {
      threshold: { ...number({ min: Number.MIN_VALUE, max: 1 }), expected: 'a number above 0, at most 1' },
      window: positive,
      minimum: count(),
    });
    const { threshold, window = 10_000, minimum = 20 } = checked;
    this.#threshold = threshold;
    this.#minimum = minimum;
    this.#sliceLength = window / SLICES;
    this.reset();
  }

  succeeded(now: number): void {
    this.#slice(now).successes++;
  }

  failed(now: number): boolean {
    this.#slice(now).failures++;
    const oldest = this.#numberOf(now) - SLICES;
    let calls = 0;
    let failures = 0;
    for (const slice of this.#slices) {
      if (slice.number <= oldest) continue;
      calls += slice.successes + slice.failures;
      failures += slice.failures;
    }
    return calls >= this.#minimum && failures >= this.#threshold * calls;
  }

  reset(): void {
    for (let i = 0; i < SLICES; i++) this.#slices[i] = { number: -Infinity, successes: 0, failures: 0 };
  }

  #numberOf(now: number): number {
    return Math.floor(now / this.#sliceLength);
  }

  /** The slice of now, emptied first when it last served an earlier round. */
  #slice(now: number): Slice {
    const number = this.#numberOf(now);
    const slice = this.#slices[((number % SLICES) + SLICES) % SLICES]!;
    if (slice.number !== number) {
      slice.number = number;
      slice.successes = 0;
      slice.failures = 0;
    }
    return slice;
  }
}

/** Opens as soon as any of these would. Each sees every call. */
export function anyPolicy(policies: readonly TripPolicy[]): TripPolicy {
  return {
    succeeded: (now) => policies.forEach((policy) => policy.succeeded(now)),
    failed: (now) => policies.map((policy) => policy.failed(now)).includes(true),
    reset: () => policies.forEach((policy) => policy.reset()),
  };
}
