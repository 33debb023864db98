/**
 * Repeats the last season on the present level (the seasonal naive method with drift; Hyndman & Athanasopoulos,
 * "Forecasting: Principles and Practice", 5.2).
 */
import type { ForecastModel } from './model.js';

export class SeasonalNaive implements ForecastModel {
  readonly name = 'seasonal naive';
  readonly season: number;
  readonly #alpha: number;
  /** The values of the last season, relative to the level of their time. */
  readonly #last: Float64Array;
  #position = 0;
  #level = 0;

  /**
   * @param alpha weight of the latest difference from one season ago in the level; 0 repeats the season as it was
   * @param start the first season
   */
  constructor(alpha: number, start: readonly number[]) {
    this.season = start.length;
    this.#alpha = alpha;
    this.#last = Float64Array.from(start);
  }

  update(value: number): void {
    this.#level += this.#alpha * (value - this.#level - this.#last[this.#position]!);
    this.#last[this.#position] = value - this.#level;
    this.#position = (this.#position + 1) % this.season;
  }

  forecast(steps: number): number {
    return this.#last[(this.#position + steps - 1) % this.season]! + this.#level;
  }
}
