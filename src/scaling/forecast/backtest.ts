/** Lets several models compete on a history, and judges the best on a part of it that they have not seen. */
import { seasonCandidates } from './autocorrelation.js';
import { bestOf, Contender } from './contender.js';
import { HoltWinters } from './holt-winters.js';
import type { ForecastModel } from './model.js';
import { SeasonalNaive } from './seasonal-naive.js';
import { SeasonalTrend } from './seasonal-trend.js';

export interface Backtest {
  /** The model with the lowest loss over the held-out part, run through the whole history. */
  readonly best: Contender;
  /** The best of each kind, by which `best` was chosen. */
  readonly contenders: readonly Contender[];
  /** Mean absolute errors over the held-out part: of the model, of repeating the last value, of a moving average. */
  readonly error: number;
  readonly naiveError: number;
  readonly averageError: number;
}

/** A model, and the number of values it starts from. */
interface Candidate {
  readonly start: number;
  readonly create: (start: readonly number[]) => ForecastModel;
}

/** Share of the history the parameters are fitted to; the rest judges them. */
const FITTED = 0.7;
/** Fewest steps a judgement may rest on. */
const FEWEST = 30;
/** Errors from which the quantile is taken. */
const MEMORY = 240;
const PHI = 0.9;
const ALPHAS = [0.02, 0.1, 0.3, 0.6];
const BETAS = [0, 0.05, 0.2];
const GAMMAS = [0.05, 0.2, 0.5];
const DRIFTS = [0, 0.02, 0.2];
const WIDTHS = [0, 3];

function smoothing(alpha: number, beta: number, gamma: number, season: number): Candidate {
  const parameters = { alpha, beta, gamma, phi: PHI, season };
  return { start: Math.max(1, season), create: (start) => new HoltWinters(parameters, start) };
}

const AVERAGES = ALPHAS.map((alpha) => smoothing(alpha, 0, 0, 0));
const LAST_VALUE = smoothing(1, 0, 0, 0);

function holtWinters(seasons: readonly number[]): Candidate[] {
  return [0, ...seasons].flatMap((season) =>
    ALPHAS.flatMap((alpha) =>
      BETAS.flatMap((beta) => (season === 0 ? [0] : GAMMAS).map((gamma) => smoothing(alpha, beta, gamma, season))),
    ),
  );
}

function seasonalNaive(seasons: readonly number[]): Candidate[] {
  return seasons.flatMap((season) =>
    DRIFTS.map((alpha) => ({ start: season, create: (start: readonly number[]) => new SeasonalNaive(alpha, start) })),
  );
}

/** Starts from whole seasons in the first half of the fitted part, so that the other half can compare parameters. */
function seasonalTrend(seasons: readonly number[], split: number): Candidate[] {
  return seasons.flatMap((season) =>
    ALPHAS.flatMap((alpha) =>
      WIDTHS.map((width) => ({
        start: season * Math.max(1, Math.floor(split / 2 / season)),
        create: (start: readonly number[]) => new SeasonalTrend({ alpha, gamma: 0.1, width }, season, start),
      })),
    ),
  );
}

/** The part of the values that candidates are compared on, and how far ahead they forecast. */
interface Comparison {
  readonly values: readonly number[];
  readonly from: number;
  readonly to: number;
  readonly horizon: number;
}

/**
 * Sum of the absolute errors, as if the values came one by one. The model ends at `to`.
 *
 * @param limit ends the comparison when the sum is above it, because most candidates are much worse than the best so far
 */
function errorOf(model: ForecastModel, { values, from, to, horizon }: Comparison, limit: number): number {
  for (let i = 0; i < Math.min(from, to); i++) model.update(values[i]!);
  let sum = 0;
  for (let i = from; i < to && !(sum > limit); i++) {
    model.update(values[i]!);
    if (i + horizon < to) sum += Math.abs(model.forecast(horizon) - values[i + horizon]!);
  }
  return sum;
}

/** The candidate with the lowest error before the split; it has taken the values up to there. */
function choose(candidates: readonly Candidate[], values: readonly number[], split: number, horizon: number) {
  let chosen: { readonly model: ForecastModel; readonly error: number } | undefined;
  // All candidates are compared over the same steps. No candidate was started with a value of these steps.
  const from = Math.max(...candidates.map(({ start }) => start));
  for (const { start, create } of candidates) {
    const model = create(values.slice(0, start));
    const error = errorOf(model, { values, from, to: split, horizon }, chosen?.error ?? Infinity);
    if (chosen === undefined || error < chosen.error) chosen = { model, error };
  }
  return chosen!.model;
}

/** Judges a model on the values after the split. */
function judge(model: ForecastModel, later: readonly number[], horizon: number): Contender {
  const contender = new Contender(model, { horizon, memory: MEMORY, decay: 1 });
  for (const value of later) contender.update(value);
  return contender;
}

/** Judges the best forecast `horizon` steps ahead. Undefined while the history is too short. */
export function backtest(values: readonly number[], horizon: number): Backtest | undefined {
  const split = Math.floor(values.length * FITTED);
  if (values.length - split - horizon < FEWEST) return undefined;
  const seasons = seasonCandidates(values.slice(0, split));
  const kinds = [holtWinters(seasons), seasonalNaive(seasons), seasonalTrend(seasons, split)];
  const later = values.slice(split);
  const choice = (kind: readonly Candidate[]): ForecastModel => choose(kind, values, split, horizon);
  const contenders = kinds.filter((kind) => kind.length > 0).map((kind) => judge(choice(kind), later, horizon));
  const best = bestOf(contenders);
  const errorLater = (kind: readonly Candidate[]): number =>
    errorOf(choice(kind), { values: later, from: 0, to: later.length, horizon }, Infinity) / (later.length - horizon);
  return {
    best,
    contenders,
    error: best.error,
    naiveError: errorLater([LAST_VALUE]),
    averageError: errorLater(AVERAGES),
  };
}
