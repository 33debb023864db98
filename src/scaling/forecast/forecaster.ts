/** Forecasts one load from its own history, and says whether it has earned to be believed. */
import { backtest, type Backtest } from './backtest.js';
import { Series } from './series.js';

export interface ForecasterOptions {
  /** Grid of the history, in milliseconds. */
  readonly step: number;
  /** Steps kept. */
  readonly history: number;
}

/** Of the simpler forecasts' error, what the model may make at most: a smaller gain may be luck. */
const MARGIN = 0.9;
/** The parameters are fitted anew when the history has grown by this share, or by so many steps. */
const REFIT_SHARE = 0.1;
const REFIT_STEPS = 60;

/**
 * Damped Holt-Winters over a regular history. Trusted only while its backtest beats both the last value and an average:
 * without a trend or a season to know, it has nothing to add to what the service measures.
 */
export class Forecaster {
  readonly #series: Series;
  /** What was forecast for each step when its instances had to be ordered; from the step before the open one on. */
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

  /** How much better than the simpler forecasts it does, from 0 (not at all) to 1 (without error). */
  get confidence(): number {
    if (!this.isTrusted || this.#test === undefined) return 0;
    return 1 - this.#test.error / Math.min(this.#test.naiveError, this.#test.averageError);
  }

  /**
   * Adds a measurement. Now and then fits the parameters anew, which takes some milliseconds.
   *
   * @param horizon milliseconds ahead that matter: what the parameters are fitted for
   */
  observe(load: number, at: number, horizon: number): void {
    const { completed, restarted } = this.#series.add(load, at);
    const steps = 1 + Math.floor(horizon / this.step);
    if (restarted) this.#test = undefined;
    for (const value of completed) this.#test?.model.update(value);
    if (restarted || completed.length > 0) this.#expect(Math.floor(at / this.step), steps);
    this.#sinceFit += completed.length;
    const due = Math.min(REFIT_STEPS, Math.max(10, this.#series.values.length * REFIT_SHARE));
    if (completed.length === 0 || this.#sinceFit < due) return;
    this.#sinceFit = 0;
    this.#test = backtest(this.#series.values, steps);
  }

  /** The load at a moment to come, never below 0; undefined without a model. */
  loadAt(at: number): number | undefined {
    if (this.#test === undefined) return undefined;
    return Math.max(0, this.#test.model.forecast(this.#series.stepsTo(at)));
  }

  /**
   * The load from a moment to come on: the higher of its step and the next. A rise within a step shows in its mean only in
   * part, and only as far as the instances of then could carry it.
   */
  loadFrom(at: number): number | undefined {
    const load = this.loadAt(at);
    return load === undefined ? undefined : Math.max(load, this.loadAt(at + this.step)!);
  }

  /**
   * The load that was forecast for a moment that has come, when instances for it had to be ordered: the highest of its
   * step and its neighbours, since a rise need not begin with a step. Undefined where nothing was forecast.
   */
  expectedAt(at: number): number | undefined {
    const slot = Math.floor(at / this.step);
    const expected = this.#expected.get(slot);
    if (expected === undefined) return undefined;
    const around = [this.#expected.get(slot - 1) ?? 0, expected, this.#expected.get(slot + 1) ?? 0];
    return Math.max(...around);
  }

  /** The highest load from the running step to the one that `at` lies in. */
  peakUntil(at: number): number | undefined {
    if (this.#test === undefined) return undefined;
    let peak = 0;
    for (let steps = this.#series.stepsTo(at); steps >= 1; steps--) {
      peak = Math.max(peak, this.#test.model.forecast(steps));
    }
    return peak;
  }

  /** Notes what the model says of `steps` after the latest complete step, now that step `open` has begun. */
  #expect(open: number, steps: number): void {
    for (const slot of this.#expected.keys()) if (slot < open - 1) this.#expected.delete(slot);
    const load = this.#test?.model.forecast(steps);
    if (load === undefined) this.#expected.clear();
    else this.#expected.set(open - 1 + steps, Math.max(0, load));
  }
}
