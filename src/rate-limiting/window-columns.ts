/** What the buckets of a table hold beside their debt where their quota has windows: two more columns. */
import type { Quota } from './quota.js';
import { signedWindow, type WindowState } from './windows.js';

type Column = Float64Array<ArrayBuffer>;

export class WindowColumns {
  /** Units counted in the previous window. */
  previous: Column;
  /** The window in force, as `signedWindow` returns it. */
  window: Column;

  constructor(slots: number) {
    this.previous = new Float64Array(slots);
    this.window = new Float64Array(slots);
  }

  /** A new bucket. */
  begin(slot: number, quota: Quota): void {
    this.previous[slot] = 0;
    this.window[slot] = signedWindow(quota);
  }

  set(slot: number, { previous, window }: WindowState): void {
    this.previous[slot] = previous;
    this.window[slot] = window;
  }

  convert(slot: number, convert: (units: number) => number): void {
    this.previous[slot] = convert(this.previous[slot]!);
  }

  move(from: number, to: number): void {
    this.previous[to] = this.previous[from]!;
    this.window[to] = this.window[from]!;
  }

  resize(grow: (column: Column) => Column): void {
    this.previous = grow(this.previous);
    this.window = grow(this.window);
  }
}
