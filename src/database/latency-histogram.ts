/** Durations in a few hundred counters: percentiles to within 2.5 %, however many were recorded. */

const GROWTH = 1.05;
const SMALLEST = 0.001; // ms; what is faster counts as this
const BUCKETS = 480; // up to about four months
const LOG_GROWTH = Math.log(GROWTH);

export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;

  /** @param times how many durations this one stands for */
  record(duration: number, times = 1): void {
    const bucket = duration <= SMALLEST ? 0 : Math.ceil(Math.log(duration / SMALLEST) / LOG_GROWTH);
    this.#counts[Math.min(bucket, BUCKETS - 1)]! += times;
    this.#total += times;
  }

  /**
   * The duration that the share `quantile` (0 to 1) of the recorded durations did not exceed; 0 without recorded
   * durations.
   */
  quantile(quantile: number): number {
    const rank = Math.ceil(quantile * this.#total);
    if (rank === 0) return 0;
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!;
      // The middle of the bucket, in ratios: off by half a bucket at most.
      if (seen >= rank) return SMALLEST * GROWTH ** (bucket - 0.5);
    }
    return SMALLEST * GROWTH ** (BUCKETS - 1);
  }
}
