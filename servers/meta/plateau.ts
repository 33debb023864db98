/** Whether learning has come to a stand, and when it will. */
import { mannKendall, mean, slopeOf } from '../support/statistics.js';
import { expectedAt, type LearningCurve } from './learning-curve.js';

export interface PlateauOptions {
  /** Latest rounds looked at. */
  readonly window: number;
  /** Score per round that counts as progress: less is a standstill. */
  readonly minSlope: number;
}

/** Fewer rounds tell nothing: the tests' approximations begin to hold here. */
export const MIN_WINDOW = 8;
const CEILING = 0.95;
const SIGNIFICANT = 0.05;

export type PlateauState =
  /** Not enough rounds to tell. */
  | 'unknown'
  /** Scores rise. */
  | 'rising'
  /** Scores fall. */
  | 'falling'
  /** Scores stand still, and could still rise. */
  | 'plateau'
  /** Scores stand still because there is nothing left to gain. */
  | 'ceiling'
  /** Scores vary too much to tell progress from a standstill. */
  | 'unclear';

export interface PlateauResult {
  readonly state: PlateauState;
  /** Rounds looked at. */
  readonly rounds: number;
  readonly meanScore: number | null;
  /** Change of the score per round, and the 95 % interval it lies in; an end is null where the rounds set none. */
  readonly slope: number;
  readonly slopeLow: number | null;
  readonly slopeHigh: number | null;
  /** Probability of so strong a trend by chance (Mann–Kendall). */
  readonly p: number;
}

/**
 * Looks at the latest scores. A standstill is claimed only on evidence: when the interval of the slope excludes progress
 * worth the name, not merely when no trend could be proven.
 */
export function detectPlateau(scores: readonly number[], { window, minSlope }: PlateauOptions): PlateauResult {
  const latest = scores.slice(-window);
  const { p } = mannKendall(latest);
  // Least squares, not a median of slopes: of scores that are only 0 or 1 most pairs have no slope at all.
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
  /** Score the curve leads to. */
  readonly asymptote: number;
  /** Score expected in the next round. */
  readonly expectedNext: number;
  /** Rounds from now until a round gains less than the least worth it; 0 when that is so already; null when it is further than we look. */
  readonly roundsUntilPlateau: number | null;
  /** The score by then. */
  readonly scoreAtPlateau: number | null;
}

const HORIZON = 10_000;

/** When the curve will have flattened: the first round to come that gains less than `minGain`. */
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
