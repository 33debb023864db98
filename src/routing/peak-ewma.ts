/**
 * A latency estimate that believes bad news at once and good news slowly: it jumps up to a slower answer and decays
 * exponentially towards faster ones, so that an instance that turns slow loses its traffic with its next answer.
 */

/** Milliseconds after which an old estimate counts 1/e. */
const DECAY = 10_000;

export class PeakEwma {
  readonly #decay: number;
  #estimate = 0;
  #updatedAt = 0;
  #observed = false;

  /** @param decay milliseconds after which an old estimate counts 1/e; default 10 000 */
  constructor(decay = DECAY) {
    this.#decay = decay;
  }

  /** Whether anything was observed yet. Until then the estimate is 0 and means nothing. */
  get observed(): boolean {
    return this.#observed;
  }

  observe(latency: number, now: number): void {
    const remaining = this.estimate(now);
    const kept = this.#observed ? Math.exp((this.#updatedAt - now) / this.#decay) : 0;
    this.#estimate = latency >= remaining ? latency : this.#estimate * kept + latency * (1 - kept);
    this.#updatedAt = now;
    this.#observed = true;
  }

  /** Milliseconds. Decays while nothing is observed, so that an instance once slow is tried again. */
  estimate(now: number): number {
    return now <= this.#updatedAt ? this.#estimate : this.#estimate * Math.exp((this.#updatedAt - now) / this.#decay);
  }

  reset(): void {
    this.#estimate = 0;
    this.#observed = false;
  }
}
