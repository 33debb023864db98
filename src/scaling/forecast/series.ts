/** A history with regular steps. The measurements within a step are averaged, and gaps are interpolated linearly. */

/** Longest gap in steps that is interpolated. After a longer gap, the history restarts. */
const LONGEST_GAP = 30;

export class Series {
  readonly step: number;
  readonly #capacity: number;
  #values: number[] = [];
  #slot: number | undefined;
  #sum = 0;
  #count = 0;

  /**
   * @param step milliseconds
   * @param capacity maximum number of steps
   */
  constructor(step: number, capacity: number) {
    this.step = step;
    this.#capacity = capacity;
  }

  /** Means of the completed steps, oldest first. */
  get values(): readonly number[] {
    return this.#values;
  }

  /** Number of steps from the last completed one to the time `at`: 1 is the current step. */
  stepsTo(at: number): number {
    return Math.max(1, Math.floor(at / this.step) - (this.#slot ?? 0) + 1);
  }

  /** Adds a measurement. Returns the completed steps, and whether a long gap has restarted the history. */
  add(value: number, at: number): { readonly completed: readonly number[]; readonly restarted: boolean } {
    const slot = Math.floor(at / this.step);
    const gap = this.#slot === undefined ? 0 : slot - this.#slot;
    if (gap < 0) return { completed: [], restarted: false }; // a clock set back: wait until it has caught up
    const completed = gap === 0 ? [] : this.#complete(gap, value);
    const restarted = gap > LONGEST_GAP;
    if (restarted) this.#values = [];
    else if (completed.length > 0) this.#append(completed);
    if (gap > 0) this.#sum = this.#count = 0;
    this.#slot = slot;
    this.#sum += value;
    this.#count++;
    return { completed: restarted ? [] : completed, restarted };
  }

  /** The step that was open, and the steps skipped before `next`. */
  #complete(gap: number, next: number): number[] {
    if (gap > LONGEST_GAP) return [];
    const mean = this.#sum / this.#count;
    return Array.from({ length: gap }, (_, i) => mean + ((next - mean) * i) / gap);
  }

  #append(completed: readonly number[]): void {
    this.#values.push(...completed);
    // Trimmed rarely, because moving the whole history at each step would cost more than the forecast.
    if (this.#values.length > this.#capacity * 1.25) this.#values = this.#values.slice(-this.#capacity);
  }
}
