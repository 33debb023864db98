/** A token bucket in exact fractions: the reference that the stores are compared with. */

export interface ExactLimit {
  readonly capacity: bigint;
  /** Tokens per second, as numerator and denominator. */
  readonly rate: readonly [numerator: bigint, denominator: bigint];
}

const MICROSECONDS = 1_000_000n;

export class ExactBucket {
  readonly #capacity: bigint; // in units of 1 / (denominator · 10⁶) token
  readonly #unit: bigint;
  readonly #perMicrosecond: bigint;
  #level: bigint;
  #time: bigint;

  constructor({ capacity, rate: [numerator, denominator] }: ExactLimit, now: bigint) {
    this.#unit = denominator * MICROSECONDS;
    this.#perMicrosecond = numerator;
    this.#capacity = capacity * this.#unit;
    this.#level = this.#capacity;
    this.#time = now;
  }

  /** Whether `cost` tokens are there at `now` (µs); takes them if so. Time that goes back counts as none. */
  take(cost: bigint, now: bigint): boolean {
    this.#refill(now);
    if (this.#level < cost * this.#unit) return false;
    this.#level -= cost * this.#unit;
    return true;
  }

  canPay(cost: bigint, now: bigint): boolean {
    this.#refill(now);
    return this.#level >= cost * this.#unit;
  }

  #refill(now: bigint): void {
    if (now > this.#time) {
      const refilled = this.#level + (now - this.#time) * this.#perMicrosecond;
      this.#level = refilled < this.#capacity ? refilled : this.#capacity;
    }
    this.#time = now;
  }
}
