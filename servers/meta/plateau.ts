/** Detects whether the scores have stopped rising, and predicts when they will. */
import { mannKendall, mean, slopeOf } from '../support/statistics.js';
import { expectedAt, type LearningCurve } from './learning-curve.js';

export interface PlateauOptions {
  /** Number of latest rounds to examine. */
  readonly window: number;
  /** Change of the score per round that counts as progress. A smaller change counts as a plateau. */
  readonly minSlope: number;
}

/** Minimum number of rounds. With fewer, the approximations of the statistical tests do not hold. */
export const MIN_WINDOW = 8;
const CEILING = 0.95;
const SIGNIFICANT = 0.05;

export type PlateauState =
  /** Too few rounds. */
  | 'unknown'
  /** Scores rise. */
  | 'rising'
  /** Scores fall. */
  | 'falling'
  /** Scores do not change, although they could still rise. */
  | 'plateau'
  /** Scores do not change because they are already close to the maximum. */
  | 'ceiling'
  /** Scores vary too much to distinguish progress from a plateau. */
  | 'unclear';

export interface PlateauResult {
  readonly state: PlateauState;
  /** Number of rounds examined. */
  readonly rounds: number;
  readonly meanScore: number | null;
  /** Change of the score per round, with its 95 % interval. A bound is null if the rounds do not determine it. */
  readonly slope: number;
  readonly slopeLow: number | null;
  readonly slopeHigh: number | null;
  /** Probability that a trend this strong occurs by chance (Mann–Kendall). */
  readonly p: number;
}

/**
 * Examines the latest scores. It reports a plateau only if the interval of the slope excludes a change of `minSlope` or
 * more. A missing proof of a trend is not enough.
 */
export function detectPlateau(scores: readonly number[], { window, minSlope }: PlateauOptions): PlateauResult {
  const latest = scores.slice(-window);
  const { p } = mannKendall(latest);
  // Least squares instead of the median of slopes, because with scores of only 0 and 1 most pairs have a slope of 0.
  const { slope, low, high } = slopeOf(latest);
  const measured = {
    rounds: latest.length,
    meanScore: latest.length === 0 ? null : mean(latest),
    slope,
    slopeLow: Number.isFinite(low) ? low : null,
    slopeHigh: Number.isFinite(high) ? high : null,
    p,
  };
  const state = ((): PlateauState => {
    if (latest.length < MIN_WINDOW) return 'unknown';
    if (mean(latest) >= CEILING) return 'ceiling';
    if (p < SIGNIFICANT && Math.abs(slope) >= minSlope) return slope > 0 ? 'rising' : 'falling';
    return high < minSlope && low > -minSlope ? 'plateau' : 'unclear';
  })();
  return { state, ...measured };
}

export interface Forecast {
  /** Score that the curve approaches. */
  readonly asymptote: number;
  /** Expected score in the next round. */
  readonly expectedNext: number;
  /**
   * Number of rounds until a round gains less than the minimum gain. 0 if that is already the case, null if it is
   * beyond the horizon.
   */
  readonly roundsUntilPlateau: number | null;
  /** Expected score at that round. */
  readonly scoreAtPlateau: number | null;
}

const HORIZON = 10_000;

/** Predicts when the curve flattens: the first future round that gains less than `minGain`. */
export function predictPlateau(curve: LearningCurve, minGain: number): Forecast {
  const now = curve.rounds;
  const gainOf = (n: number): number => Math.abs(expectedAt(curve, n + 1) - expectedAt(curve, n));
  let until: number | null = null;
  for (let ahead = 0; ahead <= HORIZON; ahead++) {
    if (gainOf(now + ahead) < minGain) {
      until = ahead;
      break;
    }
  }
  return {
    asymptote: curve.asymptote,
    expectedNext: expectedAt(curve, now + 1),
    roundsUntilPlateau: until,
    scoreAtPlateau: until === null ? null : expectedAt(curve, now + until),
  };
}
