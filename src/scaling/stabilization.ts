/**
 * Recommendations of the recent past: the service goes up only as far as all of the up window agree, and down only as
 * far as none of the down window objects (HPA's `stabilizationWindowSeconds`).
 */
import type { Outlook } from './outlook.js';

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
  /** Of the down window, what no forecast had foreseen. */
  readonly #unforeseen: WindowExtremum;
  /** Of the time within which a forecast knows nothing of when. */
  readonly #latest: WindowExtremum;

  /**
   * @param windows in milliseconds
   * @param resolution milliseconds within which a forecast cannot tell when; never more than the down window
   */
  constructor(windows: { readonly up: number; readonly down: number }, resolution = windows.down) {
    const isHigher = (a: number, b: number): boolean => a > b;
    this.#lowest = new WindowExtremum(windows.up, (a, b) => a < b);
    this.#highest = new WindowExtremum(windows.down, isHigher);
    this.#unforeseen = new WindowExtremum(windows.down, isHigher);
    this.#latest = new WindowExtremum(Math.min(resolution, windows.down), isHigher);
  }

  /**
   * The current count, moved as little as the windows ask: into [min over the up window, max over the down window]. The
   * down window looks back because nobody knows whether a load comes back. Of a load that was foreseen, the outlook knows:
   * then what is to come within the window counts, and of the past what was not foreseen.
   */
  apply(desired: number, current: number, now: number, outlook?: Outlook): number {
    const up = this.#lowest.add(desired, now);
    const highest = this.#highest.add(desired, now);
    const unforeseen = this.#unforeseen.add(outlook?.unforeseen ?? desired, now);
    const latest = this.#latest.add(desired, now);
    const down = outlook === undefined ? highest : Math.min(highest, Math.max(unforeseen, latest, outlook.ahead));
    return Math.min(Math.max(current, up), down);
  }
}
