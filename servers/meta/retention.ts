/** How fast a learner forgets, by the scores after pauses, and when to review so that little is lost. */
import { mean } from '../support/statistics.js';
import { goldenSection } from './learning-curve.js';

/** A round and the pause before it. */
export interface SpacedScore {
  /** Milliseconds since the round of the same topic before. */
  readonly elapsed: number;
  readonly score: number;
}

export interface ForgettingCurve {
  /** Milliseconds in which the score halves; null where pauses do not lower it measurably. */
  readonly halfLife: number | null;
  /** Score expected without a pause. */
  readonly initial: number;
  readonly rounds: number;
  /** Root of the mean squared error. */
  readonly rmse: number;
}

const MIN_ROUNDS = 4;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const YEAR = 365 * 24 * HOUR;
/** A curve must explain at least this share of the squared error of "no forgetting" to be believed. */
const WORTH = 0.05;

/** Fits score = initial · 2^(−elapsed/halfLife) by least squares. undefined for too few rounds after a pause. */
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

/** Where a function may have several valleys: the lowest point of a grid, refined around it. */
function lowest(f: (x: number) => number, low: number, high: number): number {
  const step = (high - low) / GRID;
  let best = low;
  for (let i = 1; i <= GRID; i++) if (f(low + i * step) < f(best)) best = low + i * step;
  return goldenSection(f, best - step, best + step);
}

/** The initial score that fits a half-life best, a score at most. */
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
  /** Part of what was learned that a review shall still find: 0 to 1. */
  readonly target: number;
  /** How many reviews are planned. */
  readonly reviews: number;
  readonly now: number;
}

/**
 * Times of the next reviews of a topic: each when `target` is left of what was learned. A review met in time lengthens
 * the half-life by what had been forgotten, as training reckons, so that the intervals grow. An overdue first review is now.
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
