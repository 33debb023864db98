/**
 * What the load may grow to while an instance starts, from the last hour alone. It needs no season: it absorbs ramps and
 * bursts by as much as the load has lately grown within one start.
 */
import { bestOf, Contender } from './contender.js';
import { HoltWinters } from './holt-winters.js';
import type { ForecastModel } from './model.js';

/** Step of the grid, in milliseconds: the usual time between two evaluations. */
const STEP = 10_000;
/** Longest horizon in steps. It bounds the forecasts that wait for their values. */
const LONGEST = 60;
/** A longer gap in steps starts the series anew. */
const LONGEST_GAP = 30;
/** Steps from which the quantile is taken: one hour. */
const MEMORY = 360;
/** Half of the weight of a loss is gone after about an hour. */
const DECAY = 0.998;
/** Fewest judged forecasts for an advice: five minutes. */
const FEWEST = 30;
/** A forecast is at most this multiple of the load, because a trend that begins may end at once. */
const MOST = 1.4;

/** The last value, an average, and trends that follow the load at different speeds. */
const PARAMETERS = [
  { alpha: 1, beta: 0, phi: 1 },
  { alpha: 0.3, beta: 0, phi: 1 },
  { alpha: 0.8, beta: 0.2, phi: 0.9 },
  { alpha: 0.9, beta: 0.4, phi: 0.95 },
  { alpha: 1, beta: 0.7, phi: 1 },
];

const contendersFor = (horizon: number, start: number): Contender[] =>
  PARAMETERS.map(
    (parameters) =>
      new Contender(new HoltWinters({ ...parameters, gamma: 0, season: 0 }, [start]), {
        horizon,
        memory: MEMORY,
        decay: DECAY,
      }),
  );

export class ShortTermForecaster {
  #contenders: readonly Contender[] = [];
  #horizon = 0;
  #slot = 0;
  #load = 0;

  /**
   * Adds a measurement.
   *
   * @param horizon how far ahead to forecast, in milliseconds
   */
  observe(load: number, at: number, horizon: number): void {
    const slot = Math.floor(at / STEP);
    const gap = slot - this.#slot;
    if (this.#contenders.length === 0 || gap > LONGEST_GAP || this.#isOff(horizon)) {
      this.#horizon = Math.min(LONGEST, Math.max(1, Math.ceil(horizon / STEP)));
      this.#contenders = contendersFor(this.#horizon, load);
    } else {
      for (let i = 1; i <= gap; i++) this.#update(this.#load + ((load - this.#load) * i) / gap);
    }
    if (gap < 0) return; // a clock set back: wait until it has caught up
    this.#slot = slot;
    this.#load = load;
  }

  /** The model with the lowest loss; undefined for lack of history. */
  get best(): ForecastModel | undefined {
    return this.#best?.model;
  }

  /** The load that is probably not exceeded when an instance ordered now is ready; undefined for lack of history. */
  get load(): number | undefined {
    const best = this.#best;
    return best && Math.min(Math.max(0, best.upper(this.#horizon)), MOST * this.#load);
  }

  get #best(): Contender | undefined {
    if (this.#contenders.length === 0) return undefined;
    const best = bestOf(this.#contenders);
    return best.judged < FEWEST ? undefined : best;
  }

  #update(value: number): void {
    for (const contender of this.#contenders) contender.update(value);
  }

  /** Whether the horizon has changed by more than a step. A start takes a little longer or shorter each time. */
  #isOff(horizon: number): boolean {
    const steps = Math.min(LONGEST, Math.max(1, horizon / STEP));
    return Math.abs(steps - this.#horizon) > 1;
  }
}
