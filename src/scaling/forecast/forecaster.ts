/** Forecasts one load from its own history, and decides whether the forecast can be trusted. */
import { backtest, type Backtest } from './backtest.js';
import { Series } from './series.js';

export interface ForecasterOptions {
  /** Step of the history, in milliseconds. */
  readonly step: number;
  /** Maximum number of steps. */
  readonly history: number;
}

/** Maximum error of the model, as a share of the error of the simpler forecasts. A smaller gain may be random. */
const MARGIN = 0.9;
/** The parameters are fitted again when the history has grown by this share, or by that many steps. */
const REFIT_SHARE = 0.1;
const REFIT_STEPS = 60;

/**
 * Several models on a regular history, of which the best in a backtest is used. It is trusted only while its backtest is
 * better than both the last value and an average. Without a trend or a season, it adds nothing to the measured load.
 */
export class Forecaster {
  readonly #series: Series;
  /**
   * The forecast for each step at the time when its instances had to be ordered, starting one step before the current
   * one.
   */
  readonly #expected = new Map<number, number>();
  #test: Backtest | undefined;
  #sinceFit = 0;

  constructor({ step, history }: ForecasterOptions) {
    this.#series = new Series(step, history);
  }

  get step(): number {
    return this.#series.step;
  }

  get test(): Backtest | undefined {
    return this.#test;
  }

  get isTrusted(): boolean {
    const test = this.#test;
    return test !== undefined && test.error < MARGIN * Math.min(test.naiveError, test.averageError);
  }

  /** Accuracy compared with the simpler forecasts, from 0 (not better) to 1 (no error). */
  get confidence(): number {
    if (!this.isTrusted || this.#test === undefined) return 0;
    return 1 - this.#test.error / Math.min(this.#test.naiveError, this.#test.averageError);
  }

  /**
   * Adds a measurement. Sometimes it fits the parameters again, which takes some milliseconds.
   *
   * @param horizon how far ahead to forecast, in milliseconds; the parameters are fitted for it
   */
  observe(load: number, at: number, horizon: number): void {
    const { completed, restarted } = this.#series.add(load, at);
    const steps = 1 + Math.floor(horizon / this.step);
    if (restarted) this.#test = undefined;
    for (const value of completed) this.#test?.best.update(value);
    if (restarted || completed.length > 0) this.#expect(Math.floor(at / this.step), steps);
    this.#sinceFit += completed.length;
    const due = Math.min(REFIT_STEPS, Math.max(10, this.#series.values.length * REFIT_SHARE));
    if (completed.length === 0 || this.#sinceFit < due) return;
    this.#sinceFit = 0;
    this.#test = backtest(this.#series.values, steps);
  }

  /** The load at a future time, never below 0; undefined without a model. */
  loadAt(at: number): number | undefined {
    if (this.#test === undefined) return undefined;
    return Math.max(0, this.#test.best.model.forecast(this.#series.stepsTo(at)));
  }

  /**
   * The load from a future time on: the higher value of its step and the next. A rise within a step is only partly
   * visible in the mean of the step, and only up to the capacity of the instances at that time.
   */
  loadFrom(at: number): number | undefined {
    const load = this.loadAt(at);
    return load === undefined ? undefined : Math.max(load, this.loadAt(at + this.step)!);
  }

  /**
   * The load that was forecast for the current time when its instances had to be ordered. It is the highest value of
   * the step and its neighbours, because a rise need not start with a step. Undefined without a forecast.
   */
  expectedAt(at: number): number | undefined {
    const slot = Math.floor(at / this.step);
    const expected = this.#expected.get(slot);
    if (expected === undefined) return undefined;
    const around = [this.#expected.get(slot - 1) ?? 0, expected, this.#expected.get(slot + 1) ?? 0];
    return Math.max(...around);
  }

  /** The highest load from the current step to the step of `at`. */
  peakUntil(at: number): number | undefined {
    if (this.#test === undefined) return undefined;
    let peak = 0;
    for (let steps = this.#series.stepsTo(at); steps >= 1; steps--) {
      peak = Math.max(peak, this.#test.best.model.forecast(steps));
    }
    return peak;
  }

  /** Records the forecast for `steps` after the last completed step, when step `open` begins. */
  #expect(open: number, steps: number): void {
    for (const slot of this.#expected.keys()) if (slot < open - 1) this.#expected.delete(slot);
    const load = this.#test?.best.model.forecast(steps);
    if (load === undefined) this.#expected.clear();
    else this.#expected.set(open - 1 + steps, Math.max(0, load));
  }
}
