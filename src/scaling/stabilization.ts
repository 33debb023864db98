/**
 * Stabilization over recent recommendations (HPA's `stabilizationWindowSeconds`). The service grows only to the lowest
 * recommendation in the up window. It shrinks only to the highest in the down window.
 */
import type { Outlook } from './outlook.js';

/**
 * The extremum of the recommendations within a window. Each stored entry is better than all later ones. Therefore there
 * are never more entries than distinct recommendations, regardless of how often the service is evaluated.
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

  /** Adds a recommendation. Returns the extremum of the window, including this one. */
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
  /** For the down window: the part that was not forecast. */
  readonly #unforeseen: WindowExtremum;
  /** For the time resolution of the forecast, within which it cannot say when a load comes. */
  readonly #latest: WindowExtremum;

  /**
   * @param windows in milliseconds
   * @param resolution milliseconds within which a forecast cannot say when; at most the down window
   */
  constructor(windows: { readonly up: number; readonly down: number }, resolution = windows.down) {
    const isHigher = (a: number, b: number): boolean => a > b;
    this.#lowest = new WindowExtremum(windows.up, (a, b) => a < b);
    this.#highest = new WindowExtremum(windows.down, isHigher);
    this.#unforeseen = new WindowExtremum(windows.down, isHigher);
    this.#latest = new WindowExtremum(Math.min(resolution, windows.down), isHigher);
  }

  /**
   * Moves the current count as little as the windows require: into [min over the up window, max over the down window].
   * The down window considers the past because a load may return. For a forecast load, the outlook is known. Then the
   * coming load in the window counts, and of the past only the part that was not forecast.
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
