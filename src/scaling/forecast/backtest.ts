/** Finds the parameters that would have forecast a history best, and judges them on a part of it they have not seen. */
import { seasonCandidates } from './autocorrelation.js';
import { HoltWinters, type SmoothingParameters } from './holt-winters.js';

export interface Backtest {
  readonly model: HoltWinters;
  /** Mean absolute errors over the held-out part: of the model, of repeating the last value, of a moving average. */
  readonly error: number;
  readonly naiveError: number;
  readonly averageError: number;
}

/** Share of the history the parameters are fitted to; the rest judges them. */
const FITTED = 0.7;
/** Fewest steps a judgement may rest on. */
const FEWEST = 30;
const PHI = 0.9;
const ALPHAS = [0.02, 0.1, 0.3, 0.6];
const BETAS = [0, 0.05, 0.2];
const GAMMAS = [0.05, 0.2, 0.5];

/** Mean absolute errors `horizon` steps ahead, before and from `split` on. */
interface Errors {
  readonly before: number;
  readonly after: number;
}

/** Runs through the history as if it happened, forecasting at every step from `from` on. */
function run(model: HoltWinters, values: readonly number[], from: number, split: number, horizon: number): Errors {
  let before = 0;
  let after = 0;
  for (let i = 0; i < values.length; i++) {
    model.update(values[i]!);
    const target = i + horizon;
    if (i < from || target >= values.length) continue;
    const error = Math.abs(model.forecast(horizon) - values[target]!);
    if (target < split) before += error;
    else if (i >= split) after += error;
  }
  return {
    before: before / Math.max(1, split - from - horizon),
    after: after / Math.max(1, values.length - split - horizon),
  };
}

function naiveError(values: readonly number[], split: number, horizon: number): number {
  let sum = 0;
  for (let i = split; i + horizon < values.length; i++) sum += Math.abs(values[i]! - values[i + horizon]!);
  return sum / Math.max(1, values.length - split - horizon);
}

function parameterGrid(seasons: readonly number[]): SmoothingParameters[] {
  const grid: SmoothingParameters[] = [];
  for (const season of [0, ...seasons])
    for (const alpha of ALPHAS)
      for (const beta of BETAS)
        for (const gamma of season === 0 ? [0] : GAMMAS) grid.push({ alpha, beta, gamma, phi: PHI, season });
  return grid;
}

/** The candidate with the least error before the split, run through the whole history. */
function best(candidates: readonly SmoothingParameters[], values: readonly number[], split: number, horizon: number) {
  let chosen: { readonly model: HoltWinters; readonly errors: Errors } | undefined;
  // All candidates are compared over the same steps. No candidate was started with a value of these steps.
  const from = Math.max(1, ...candidates.map(({ season }) => season));
  for (const parameters of candidates) {
    const model = new HoltWinters(parameters, values.slice(0, Math.max(1, parameters.season)));
    const errors = run(model, values, from, split, horizon);
    if (chosen === undefined || errors.before < chosen.errors.before) chosen = { model, errors };
  }
  return chosen!;
}

/** Judges the best forecast `horizon` steps ahead. Undefined while the history is too short. */
export function backtest(values: readonly number[], horizon: number): Backtest | undefined {
  const split = Math.floor(values.length * FITTED);
  if (values.length - split - horizon < FEWEST) return undefined;
  const seasons = seasonCandidates(values.slice(0, split));
  const average = best(
    ALPHAS.map((alpha) => ({ alpha, beta: 0, gamma: 0, phi: PHI, season: 0 })),
    values,
    split,
    horizon,
  );
  const { model, errors } = best(parameterGrid(seasons), values, split, horizon);
  return {
    model,
    error: errors.after,
    naiveError: naiveError(values, split, horizon),
    averageError: average.errors.after,
  };
}
