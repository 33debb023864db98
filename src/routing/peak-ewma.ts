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
    const kept = this.#observed ? this.#keptAt(now) : 0;
    const remaining = this.#estimate * kept;
    this.#estimate = latency >= remaining ? latency : remaining + latency * (1 - kept);
    this.#updatedAt = now;
    this.#observed = true;
  }

  /** Milliseconds. Decays without observations, so that an instance that was slow is tried again. */
  estimate(now: number): number {
    return this.#estimate * this.#keptAt(now);
  }

  reset(): void {
    this.#estimate = 0;
    this.#observed = false;
  }

  /** The part of the estimate that is left. A clock that went back takes nothing away. */
  #keptAt(now: number): number {
    return now <= this.#updatedAt ? 1 : Math.exp((this.#updatedAt - now) / this.#decay);
  }
}
