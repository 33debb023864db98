/** Mean of the values of the last few seconds. The number of stored values is bounded. */

/** More values than a realistic window contains. Beyond it, the oldest are dropped early. */
const KEPT = 32;

export class WindowMean {
  readonly #window: number;
  readonly #values: Array<{ readonly at: number; readonly value: number }> = [];

  /** @param window milliseconds */
  constructor(window: number) {
    this.#window = window;
  }

  add(value: number, at: number): void {
    this.#values.push({ at, value });
    while (this.#values.length > KEPT || at - this.#values[0]!.at >= this.#window) this.#values.shift();
  }

  /** Undefined if the window that ends at the latest value is empty. */
  get mean(): number | undefined {
    if (this.#values.length === 0) return undefined;
    return this.#values.reduce((sum, { value }) => sum + value, 0) / this.#values.length;
  }
}
