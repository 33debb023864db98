/** The right to make one call through a circuit breaker. */

/**
 * The outcome of a call. `ignored`: it proves nothing about the other side (cancelled by the caller, shed on this
 * side).
 */
export type Outcome = 'success' | 'failure' | 'ignored';

/**
 * The right to make one call. Only the first call of `end` counts.
 *
 * @example
 * import { CircuitBreaker } from '@tooloo/resilience';
 *
 * const breaker = new CircuitBreaker();
 * const permit = breaker.tryAcquire();
 * if (permit === undefined) throw breaker.openError();
 * await fetch('http://billing:3000/prices').then(
 *   () => permit.end('success'),
 *   () => permit.end('failure'),
 * );
 */
export interface Permit {
  end(outcome: Outcome): void;
}

export class BreakerPermit implements Permit {
  readonly generation: number;
  /** When the call, as a probe, is given up on. */
  readonly deadline: number;
  #settle: ((permit: BreakerPermit, outcome: Outcome) => void) | undefined;

  constructor(generation: number, deadline: number, settle: (permit: BreakerPermit, outcome: Outcome) => void) {
    this.generation = generation;
    this.deadline = deadline;
    this.#settle = settle;
  }

  end(outcome: Outcome): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(this, outcome);
  }
}
