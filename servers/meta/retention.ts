/** Estimates how fast a learner forgets, from the scores after pauses, and plans reviews that prevent it. */
import { mean } from '../support/statistics.js';
import { goldenSection } from './learning-curve.js';

/** A round, and the pause since the previous round of the topic. */
export interface SpacedScore {
  /** Milliseconds since the previous round of the same topic. */
  readonly elapsed: number;
  readonly score: number;
}

export interface ForgettingCurve {
  /** Milliseconds in which the score halves; null if pauses do not lower it measurably. */
  readonly halfLife: number | null;
  /** Expected score without a pause. */
  readonly initial: number;
  readonly rounds: number;
  /** Root mean squared error. */
  readonly rmse: number;
}

const MIN_ROUNDS = 4;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const YEAR = 365 * 24 * HOUR;
/** A curve is accepted only if its squared error is lower by at least this share than that of "no forgetting". */
const WORTH = 0.05;

/** Fits score = initial · 2^(−elapsed/halfLife) by least squares. Returns undefined if there are too few rounds. */
export function fitForgetting(rounds: readonly SpacedScore[]): ForgettingCurve | undefined {
  if (rounds.length < MIN_ROUNDS) return undefined;
  const scores = rounds.map(({ score }) => score);
  const flat = { halfLife: null, initial: mean(scores), rounds: rounds.length };
  const flatError = squaredError(rounds, flat.initial, Infinity);
  const error = (logHalfLife: number): number => {
    const halfLife = Math.exp(logHalfLife);
    return squaredError(rounds, initialFor(rounds, halfLife), halfLife);
  };
  const halfLife = Math.exp(lowest(error, Math.log(MINUTE), Math.log(YEAR)));
  const fittedError = squaredError(rounds, initialFor(rounds, halfLife), halfLife);
  const rmse = (squared: number): number => Math.sqrt(squared / rounds.length);
  if (flatError === 0 || fittedError > (1 - WORTH) * flatError) return { ...flat, rmse: rmse(flatError) };
  return { halfLife, initial: initialFor(rounds, halfLife), rounds: rounds.length, rmse: rmse(fittedError) };
}

const GRID = 60;

/** Minimum of a function that may have several local minima: the lowest grid point, then refined around it. */
function lowest(f: (x: number) => number, low: number, high: number): number {
  const step = (high - low) / GRID;
  let best = low;
  for (let i = 1; i <= GRID; i++) if (f(low + i * step) < f(best)) best = low + i * step;
  return goldenSection(f, best - step, best + step);
}

/** The initial score, at most 1, that fits a given half-life best. */
function initialFor(rounds: readonly SpacedScore[], halfLife: number): number {
  let above = 0;
  let below = 0;
  for (const { elapsed, score } of rounds) {
    const left = 2 ** (-elapsed / halfLife);
    above += score * left;
    below += left * left;
  }
  return below === 0 ? 1 : Math.min(1, above / below);
}

function squaredError(rounds: readonly SpacedScore[], initial: number, halfLife: number): number {
  return rounds.reduce((sum, { elapsed, score }) => sum + (score - initial * 2 ** (-elapsed / halfLife)) ** 2, 0);
}

export interface ReviewPlanOptions {
  /** Share of the learned knowledge that should remain at the time of a review: 0 to 1. */
  readonly target: number;
  /** Number of reviews to plan. */
  readonly reviews: number;
  readonly now: number;
}

/**
 * Returns the times of the next reviews of a topic, each when `target` of the learned knowledge remains.
 * A review on time lengthens the half-life by the share that had been forgotten, as in the training service. Therefore
 * the intervals grow. If the first review is overdue, it is due now.
 */
export function planReviews(
  state: { readonly halfLife: number; readonly lastAt: number },
  { target, reviews, now }: ReviewPlanOptions,
): number[] {
  const times: number[] = [];
  let { halfLife, lastAt } = state;
  for (let i = 0; i < reviews; i++) {
    const due = Math.max(now, Math.round(lastAt - halfLife * Math.log2(target)));
    times.push(due);
    halfLife *= 1 + (1 - 2 ** (-(due - lastAt) / halfLife));
    lastAt = due;
  }
  return times;
}
