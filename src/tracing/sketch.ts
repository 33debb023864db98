/**
 * Quantiles with a relative error (DDSketch): a value between γ^(i-1) and γ^i is counted in bin i. Every quantile is
 * within 1 % of the true one for every distribution. Memory is bounded by the range of the values, not by their count.
 */

const RELATIVE_ERROR = 0.01;
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const BINS_PER_E = 1 / Math.log(GAMMA);

/** Values are clamped to 1 µs … 28 hours (in ms): at most 1,267 bins. */
const SMALLEST = 1e-3;
const LARGEST = 1e8;
const FIRST_BIN = Math.ceil(Math.log(SMALLEST) * BINS_PER_E);

/** Counts of values in bins of equal relative width. */
export class QuantileSketch {
  #counts = new Float64Array(0);
  #offset = 0;
  #total = 0;

  /** The number of added values. */
  get count(): number {
    return this.#total;
  }

  /** The bin of a value: compute it once to add the value to several sketches. */
  static binOf(value: number): number {
    if (!(value > SMALLEST)) return FIRST_BIN;
    return Math.ceil(Math.log(value < LARGEST ? value : LARGEST) * BINS_PER_E);
  }

  add(value: number): void {
    this.addBin(QuantileSketch.binOf(value));
  }

  addBin(bin: number): void {
    const at = bin - this.#offset;
    if (at < 0 || at >= this.#counts.length) this.#growTo(bin);
    this.#counts[bin - this.#offset]! += 1;
    this.#total += 1;
  }

  /** Adds the counts of another sketch. */
  merge(other: QuantileSketch): void {
    if (other.#total === 0) return;
    for (let i = 0; i < other.#counts.length; i++) {
      const count = other.#counts[i]!;
      if (count === 0) continue;
      const bin = i + other.#offset;
      this.#growTo(bin);
      this.#counts[bin - this.#offset]! += count;
    }
    this.#total += other.#total;
  }

  /** The value that the share `q` (0 … 1) of all values does not exceed, within 1 %; 0 without any value. */
  quantile(q: number): number {
    if (this.#total === 0) return 0;
    const rank = Math.min(1, Math.max(0, q)) * (this.#total - 1);
    let seen = 0;
    for (let i = 0; i < this.#counts.length; i++) {
      seen += this.#counts[i]!;
      if (seen > rank) return (2 * GAMMA ** (i + this.#offset)) / (GAMMA + 1);
    }
    return LARGEST;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }

  /** Makes room for the bin, and for some neighbours: latencies of one route lie close together. */
  #growTo(bin: number): void {
    const { length } = this.#counts;
    const end = this.#offset + length;
    if (length > 0 && bin >= this.#offset && bin < end) return;
    const low = length > 0 && bin >= this.#offset ? this.#offset : bin - 16;
    const high = length > 0 && bin < end ? end : bin + 17;
    const grown = new Float64Array(high - low);
    if (length > 0) grown.set(this.#counts, this.#offset - low);
    this.#counts = grown;
    this.#offset = low;
  }
}
