/**
 * A model that is judged while the series goes on: each of its forecasts is kept until the value is known. The loss is
 * therefore always that of forecasts made without knowledge of the future.
 */
import type { ForecastModel } from './model.js';

export interface ContenderOptions {
  /** Steps ahead that the model is judged on. */
  readonly horizon: number;
  /** Number of recent errors from which the quantile is taken. */
  readonly memory: number;
  /** Share of the weight of past losses that remains after each step; 1 weighs all equally. */
  readonly decay: number;
}

/**
 * The forecast is the load that is not exceeded in this share of the cases. Too few instances cost more than one too
 * many.
 */
export const QUANTILE = 0.9;

/** The last errors in order of time, and in order of size. */
class RecentErrors {
  /** A ring: once it is full, the oldest error is at `#next`. */
  readonly #byTime: Float64Array;
  readonly #bySize: Float64Array;
  #size = 0;
  #next = 0;

  constructor(memory: number) {
    this.#byTime = new Float64Array(memory);
    this.#bySize = new Float64Array(memory);
  }

  get size(): number {
    return this.#size;
  }

  add(error: number): void {
    const isFull = this.#size === this.#byTime.length;
    const place = isFull ? this.#rank(this.#byTime[this.#next]!) : this.#size++;
    this.#byTime[this.#next] = error;
    this.#next = (this.#next + 1) % this.#byTime.length;
    this.#moveTo(place, error);
  }

  /** The smallest error that at least this share of the errors does not exceed; 0 without errors. */
  quantile(share: number): number {
    return this.#size === 0 ? 0 : this.#bySize[Math.ceil(share * this.#size) - 1]!;
  }

  /** Replaces what is at `place` by an error, and moves those between that place and its own by one. */
  #moveTo(place: number, error: number): void {
    const errors = this.#bySize;
    let at = place;
    for (; at + 1 < this.#size && errors[at + 1]! < error; at++) errors[at] = errors[at + 1]!;
    for (; at > 0 && errors[at - 1]! > error; at--) errors[at] = errors[at - 1]!;
    errors[at] = error;
  }

  /** Position of the first error that is not below this one. */
  #rank(error: number): number {
    let [low, high] = [0, this.#size];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#bySize[middle]! < error) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The loss whose mean is lowest for the quantile (pinball loss). */
const pinball = (error: number): number => (error > 0 ? QUANTILE * error : (QUANTILE - 1) * error);

export class Contender {
  readonly model: ForecastModel;
  readonly #options: ContenderOptions;
  readonly #errors: RecentErrors;
  /** The forecasts whose values are not known yet, oldest first: of the mean, and of the quantile. */
  readonly #open: Array<readonly [mean: number, upper: number]> = [];
  #weight = 0;
  #loss = 0;
  #error = 0;

  constructor(model: ForecastModel, options: ContenderOptions) {
    this.model = model;
    this.#options = options;
    this.#errors = new RecentErrors(options.memory);
  }

  /** Number of forecasts that were compared with their values, at most the memory. */
  get judged(): number {
    return this.#errors.size;
  }

  /** Mean pinball loss of the quantile; Infinity before the first judgement. */
  get loss(): number {
    return this.#weight === 0 ? Infinity : this.#loss / this.#weight;
  }

  /** Mean absolute error of the mean. */
  get error(): number {
    return this.#weight === 0 ? Infinity : this.#error / this.#weight;
  }

  update(value: number): void {
    const { horizon, decay } = this.#options;
    if (this.#open.length === horizon) {
      const [mean, upper] = this.#open.shift()!;
      this.#weight = decay * this.#weight + 1;
      this.#loss = decay * this.#loss + pinball(value - upper);
      this.#error = decay * this.#error + Math.abs(value - mean);
      this.#errors.add(value - mean);
    }
    this.model.update(value);
    const mean = this.model.forecast(horizon);
    this.#open.push([mean, mean + this.#errors.quantile(QUANTILE)]);
  }

  /** The quantile of the value `steps` after the latest, by the errors so far. */
  upper(steps: number): number {
    return this.model.forecast(steps) + this.#errors.quantile(QUANTILE);
  }
}

/** The contender with the lowest loss. */
export function bestOf(contenders: readonly Contender[]): Contender {
  return contenders.reduce((best, one) => (one.loss < best.loss ? one : best));
}
