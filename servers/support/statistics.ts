/** Statistics used by several services: averages, spread, trends and their significance. All functions are pure. */

const Z_95 = 1.959964;

export function mean(values: readonly number[]): number {
  return values.length === 0 ? NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard deviation of a sample (n − 1); 0 for fewer than two values. */
export function standardDeviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The interpolated `q` quantile, 0 to 1; NaN for no values. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const place = q * (sorted.length - 1);
  const low = Math.floor(place);
  const below = sorted[low]!;
  return below + (place - low) * ((sorted[low + 1] ?? below) - below);
}

/** Median absolute deviation from the median (MAD). */
export function medianDeviation(values: readonly number[]): number {
  const centre = median(values);
  return median(values.map((value) => Math.abs(value - centre)));
}

/** Least-squares line through the points (x, y). Both arrays have the same length. */
export function fitLine(
  x: readonly number[],
  y: readonly number[],
): { readonly slope: number; readonly intercept: number } {
  const meanX = mean(x);
  const meanY = mean(y);
  let sxy = 0;
  let sxx = 0;
  x.forEach((value, i) => {
    sxy += (value - meanX) * (y[i]! - meanY);
    sxx += (value - meanX) ** 2;
  });
  const slope = sxx === 0 ? 0 : sxy / sxx;
  return { slope, intercept: meanY - slope * meanX };
}

export interface SlopeEstimate {
  /** Change per step. */
  readonly slope: number;
  /** Bounds of the 95 % confidence interval; infinite for fewer than three values. */
  readonly low: number;
  readonly high: number;
}

/** The least-squares slope of evenly spaced values, with its interval from Student's t distribution. */
export function slopeOf(values: readonly number[]): SlopeEstimate {
  const steps = values.map((_, i) => i);
  const { slope, intercept } = fitLine(steps, values);
  const freedom = values.length - 2;
  if (freedom < 1) return { slope, low: -Infinity, high: Infinity };
  const squared = values.reduce((sum, value, i) => sum + (value - intercept - slope * i) ** 2, 0);
  const spread = (values.length ** 3 - values.length) / 12; // Σ (i − mean)² of 0 … n−1
  const reach = studentT95(freedom) * Math.sqrt(squared / freedom / spread);
  return { slope, low: slope - reach, high: slope + reach };
}

/**
 * Two-sided 95 % point of Student's t by the Cornish–Fisher expansion. The error is below 1 % from 5 degrees of
 * freedom.
 */
function studentT95(freedom: number): number {
  const z = Z_95;
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
}

/** Probability that a standard normal value is at most z (Abramowitz & Stegun 7.1.26, error at most 1.5e-7). */
export function normalProbability(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const half = (series * Math.exp(-x * x)) / 2;
  return z < 0 ? half : 1 - half;
}

export interface Trend {
  /** Number of rising pairs minus number of falling pairs (Mann–Kendall's S). */
  readonly s: number;
  /** Kendall's τ: −1 (always falling) to 1 (always rising). */
  readonly tau: number;
  /**
   * Probability of a trend this strong, in either direction, if there is no trend. Normal approximation for 8 or more
   * values.
   */
  readonly p: number;
}

/** Mann–Kendall test for a monotone trend, corrected for ties. */
export function mannKendall(values: readonly number[]): Trend {
  const n = values.length;
  let s = 0;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) s += Math.sign(values[j]! - values[i]!);
  const ties = new Map<number, number>();
  for (const value of values) ties.set(value, (ties.get(value) ?? 0) + 1);
  const tied = [...ties.values()].reduce((sum, t) => sum + t * (t - 1) * (2 * t + 5), 0);
  const variance = (n * (n - 1) * (2 * n + 5) - tied) / 18;
  if (variance <= 0) return { s, tau: 0, p: 1 };
  const z = (s - Math.sign(s)) / Math.sqrt(variance);
  return { s, tau: s / ((n * (n - 1)) / 2), p: Math.min(1, 2 * normalProbability(-Math.abs(z))) };
}

/**
 * Theil–Sen slope (1968): the median of the slopes between all pairs. Up to a quarter of outliers does not move it
 * much.
 */
export function theilSen(values: readonly number[]): number {
  const slopes: number[] = [];
  for (let i = 0; i < values.length; i++) {
    for (let j = i + 1; j < values.length; j++) slopes.push((values[j]! - values[i]!) / (j - i));
  }
  return slopes.length === 0 ? 0 : median(slopes);
}

/**
 * Distance of a value from these values in robust standard deviations (Iglewicz & Hoaglin 1993): 0.6745·(x − median) ÷
 * MAD. If more than half of the values are equal, the mean deviation replaces the MAD. If all are equal, any other
 * value is infinitely far away. The spread is computed once for all calls.
 */
export function robustScorer(values: readonly number[]): (value: number) => number {
  const centre = median(values);
  const mad = medianDeviation(values);
  const spread = mad > 0 ? mad / 0.6745 : 1.253314 * mean(values.map((value) => Math.abs(value - centre)));
  return (value) => (value === centre ? 0 : (value - centre) / spread);
}
