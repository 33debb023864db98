/**
 * Recommendations of the recent past: the service goes up only as far as all of the up window agree, and down only as
 * far as none of the down window objects (HPA's `stabilizationWindowSeconds`).
 */

/**
 * The best of what was recommended within a window. Each entry is better than all later ones, so that there are never
 * more of them than distinct recommendations, however often the service is evaluated.
 */
class WindowExtremum {
  readonly #window: number;
  readonly #isBetter: (a: number, b: number) => boolean;
  /** Oldest and best first. */
  readonly #entries: Array<{ readonly at: number; readonly value: number }> = [];

  constructor(window: number, isBetter: (a: number, b: number) => boolean) {
    this.#window = window;
    this.#isBetter = isBetter;
  }

  /** Adds a recommendation and returns the extremum of the window, this one included. */
  add(value: number, now: number): number {
    while (this.#entries.length > 0 && now - this.#entries[0]!.at >= this.#window) this.#entries.shift();
    while (this.#entries.length > 0 && !this.#isBetter(this.#entries.at(-1)!.value, value)) this.#entries.pop();
    this.#entries.push({ at: now, value });
    return this.#entries[0]!.value;
  }
}

export class Stabilization {
  readonly #lowest: WindowExtremum;
  readonly #highest: WindowExtremum;

  /** @param windows in milliseconds */
  constructor(windows: { readonly up: number; readonly down: number }) {
    this.#lowest = new WindowExtremum(windows.up, (a, b) => a < b);
    this.#highest = new WindowExtremum(windows.down, (a, b) => a > b);
  }

  /** The current count, moved as little as the windows ask: into [min over the up window, max over the down window]. */
  apply(desired: number, current: number, now: number): number {
    const up = this.#lowest.add(desired, now);
    const down = this.#highest.add(desired, now);
    return Math.min(Math.max(current, up), down);
  }
}
