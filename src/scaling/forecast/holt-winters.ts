/**
 * Exponential smoothing with a damped trend and an additive season (Holt-Winters; Hyndman & Athanasopoulos, "Forecasting:
 * Principles and Practice", 8.3): each step costs the same, however long the history.
 */

import type { ForecastModel } from './model.js';

export interface SmoothingParameters {
  /** Weight of the latest value in the level. */
  readonly alpha: number;
  /** Weight of the latest change of level in the trend. */
  readonly beta: number;
  /** Weight of the latest deviation in its place of the season. */
  readonly gamma: number;
  /** Damping: the share of the trend that remains after each step. */
  readonly phi: number;
  /** Steps of the season; 0 without one. */
  readonly season: number;
}

export class HoltWinters implements ForecastModel {
  readonly name: string;
  readonly season: number;
  readonly #parameters: SmoothingParameters;
  #level: number;
  #trend = 0;
  readonly #seasonal: Float64Array;
  #position = 0;
  /** The last steps asked for, and by how much they multiply the trend. */
  #steps = 0;
  #damped = 0;

  /** @param start what the first level and season are the means of: one season or several, or one value without a season */
  constructor(parameters: SmoothingParameters, start: readonly number[]) {
    this.#parameters = parameters;
    const { season } = parameters;
    this.season = season;
    this.name = season > 0 ? 'Holt-Winters' : parameters.beta > 0 ? 'trend' : 'level';
    this.#level = start.reduce((sum, value) => sum + value, 0) / start.length;
    this.#seasonal = new Float64Array(season);
    for (let i = 0; i < start.length && season > 0; i++) {
      this.#seasonal[i % season]! += ((start[i]! - this.#level) * season) / start.length;
    }
  }

  update(value: number): void {
    const { alpha, beta, gamma, phi, season } = this.#parameters;
    const previous = this.#level;
    const seasonal = season === 0 ? 0 : this.#seasonal[this.#position]!;
    const expected = previous + phi * this.#trend;
    this.#level = alpha * (value - seasonal) + (1 - alpha) * expected;
    this.#trend = beta * (this.#level - previous) + (1 - beta) * phi * this.#trend;
    if (season === 0) return;
    this.#seasonal[this.#position] = gamma * (value - this.#level) + (1 - gamma) * seasonal;
    this.#position = (this.#position + 1) % season;
  }

  forecast(steps: number): number {
    const { phi, season } = this.#parameters;
    // The same steps ahead nearly every time, and a power costs more than the rest.
    if (steps !== this.#steps) {
      this.#steps = steps;
      this.#damped = phi === 1 ? steps : (phi * (1 - phi ** steps)) / (1 - phi);
    }
    const seasonal = season === 0 ? 0 : this.#seasonal[(this.#position + steps - 1) % season]!;
    return this.#level + this.#damped * this.#trend + seasonal;
  }
}
