/**
 * A season found by local regression, on a level that follows the load (after STL: Cleveland et al., "STL: A
 * Seasonal-Trend Decomposition Procedure Based on Loess", 1990). Unlike Holt-Winters, it learns the season from several
 * cycles at once, and smooths it over neighbouring steps.
 */
import type { ForecastModel } from './model.js';

export interface SeasonalTrendParameters {
  /** Weight of the latest value in the level. */
  readonly alpha: number;
  /** Weight of the latest deviation in its place of the season. */
  readonly gamma: number;
  /** Neighbours on each side over which the season is smoothed; 0 for a season with edges. */
  readonly width: number;
}

/** The value minus the mean of the season around it. At both ends, the nearest whole season counts. */
function detrend(values: readonly number[], season: number): number[] {
  const sums = [0];
  for (const value of values) sums.push(sums.at(-1)! + value);
  const last = values.length - season;
  return values.map((value, i) => {
    const start = Math.min(last, Math.max(0, i - Math.floor(season / 2)));
    return value - (sums[start + season]! - sums[start]!) / season;
  });
}

/** Local linear regression around each step of a circle, with tricube weights. */
function loess(values: Float64Array, width: number): Float64Array {
  const reach = Math.min(width, Math.floor((values.length - 1) / 2));
  if (reach === 0) return values;
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => (1 - Math.abs((i - reach) / (reach + 1)) ** 3) ** 3);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // The weights are symmetric, so the line through the neighbours has the weighted mean in the middle.
  return values.map((_, i) => {
    let sum = 0;
    for (let k = -reach; k <= reach; k++) {
      sum += weights[k + reach]! * values[(i + k + values.length) % values.length]!;
    }
    return sum / total;
  });
}

export class SeasonalTrend implements ForecastModel {
  readonly name = 'seasonal trend';
  readonly season: number;
  readonly #parameters: SeasonalTrendParameters;
  readonly #seasonal: Float64Array;
  #level: number;
  #position = 0;

  /** @param start whole seasons, at least one */
  constructor(parameters: SeasonalTrendParameters, season: number, start: readonly number[]) {
    this.season = season;
    this.#parameters = parameters;
    const seasonal = new Float64Array(season);
    detrend(start, season).forEach((value, i) => (seasonal[i % season]! += (value * season) / start.length));
    this.#seasonal = loess(seasonal, parameters.width);
    this.#level = start.slice(-season).reduce((sum, value) => sum + value, 0) / season;
  }

  update(value: number): void {
    const { alpha, gamma } = this.#parameters;
    const seasonal = this.#seasonal[this.#position]!;
    this.#level += alpha * (value - seasonal - this.#level);
    this.#seasonal[this.#position] = seasonal + gamma * (value - this.#level - seasonal);
    this.#position = (this.#position + 1) % this.season;
  }

  forecast(steps: number): number {
    return this.#level + this.#seasonal[(this.#position + steps - 1) % this.season]!;
  }
}
