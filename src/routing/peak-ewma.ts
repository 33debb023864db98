/**
 * A latency estimate that reacts to slow responses at once and to fast ones gradually. It jumps up to a slower response
 * and decays exponentially towards faster ones. An instance that becomes slow therefore loses its traffic with its next
 * response.
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

  /** Whether there was any observation. Until then the estimate is 0 and has no meaning. */
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

  /** Milliseconds. Decays without observations, so that an instance that was slow is tried again. */
  estimate(now: number): number {
    return now <= this.#updatedAt ? this.#estimate : this.#estimate * Math.exp((this.#updatedAt - now) / this.#decay);
  }

  reset(): void {
    this.#estimate = 0;
    this.#observed = false;
  }
}
