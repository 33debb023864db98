/** Limits how often and how fast a failing instance is restarted. */
import { Backoff } from '../shared/backoff.js';
import { checkOptions, count, milliseconds, type OptionChecks } from '../shared/options.js';

/** How soon and how often an ended instance is restarted. */
export interface RestartPolicy {
  /** First delay before a restart, in ms. It doubles with each failure. Default 100. */
  readonly initialDelay?: number;
  /** Longest delay, in ms. Default 30,000. */
  readonly maxDelay?: number;
  /** Number of failures within `window` that count as a crash loop. Restarts then stop. Default 10. */
  readonly maxFailures?: number;
  /** Time after which a failure is forgotten, in ms. Default 60,000. */
  readonly window?: number;
}

const CHECKS: OptionChecks<RestartPolicy> = {
  initialDelay: milliseconds,
  maxDelay: milliseconds,
  maxFailures: count(1),
  window: milliseconds,
};

export class RestartBudget {
  readonly #maxFailures: number;
  readonly #window: number;
  readonly #backoff: Backoff;
  #failures: number[] = [];

  /** @throws TypeError or RangeError for an invalid option */
  constructor(who: string, policy: RestartPolicy | undefined) {
    const {
      initialDelay = 100,
      maxDelay = 30_000,
      maxFailures = 10,
      window = 60_000,
    } = checkOptions(who, policy, CHECKS);
    this.#maxFailures = maxFailures;
    this.#window = window;
    this.#backoff = new Backoff({ initial: initialDelay, max: maxDelay });
  }

  /** Forgets all failures so far. */
  reset(): void {
    this.#failures = [];
  }

  /** Counts a failure. Returns the delay before the next start in ms, or undefined in a crash loop. */
  failed(now: number): number | undefined {
    this.#failures = this.#failures.filter((at) => now - at < this.#window);
    if (this.#failures.length === 0) this.#backoff.reset();
    this.#failures.push(now);
    return this.#failures.length < this.#maxFailures ? this.#backoff.next() : undefined;
  }

  /** The message for a crash loop. */
  get exhausted(): string {
    return `${this.#failures.length} failures in ${this.#window / 1000} s, not started again`;
  }
}
