/** The statistics that several services compute: averages, spreads, trends and their significance. All pure. */

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

/** The value below which the part `q` of the values lies, interpolated; NaN for none. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const place = q * (sorted.length - 1);
  const low = Math.floor(place);
  const below = sorted[low]!;
  return below + (place - low) * ((sorted[low + 1] ?? below) - below);
}

/** Median distance from the median. */
export function medianDeviation(values: readonly number[]): number {
  const centre = median(values);
  return median(values.map((value) => Math.abs(value - centre)));
}

/** Least-squares line through points of x and y, both of one length. */
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
  /** Ends of its 95 % confidence interval; infinite for fewer than three values. */
  readonly low: number;
  readonly high: number;
}

/** The least-squares slope of values at even steps, with its interval from Student's t. */
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

/** Two-sided 95 % point of Student's t by the Cornish–Fisher expansion: off by less than 1 % from 5 degrees of freedom on. */
function studentT95(freedom: number): number {
  const z = Z_95;
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
}

/** The probability that a standard normal value is at most z (Abramowitz & Stegun 7.1.26: off by at most 1.5e-7). */
export function normalProbability(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const half = (series * Math.exp(-x * x)) / 2;
  return z < 0 ? half : 1 - half;
}

export interface Trend {
  /** Pairs that rise minus pairs that fall (Mann–Kendall's S). */
  readonly s: number;
  /** Kendall's τ: −1 (always falling) to 1 (always rising). */
  readonly tau: number;
  /** Probability of so strong a trend, either way, where there is none. Normal approximation, for 8 values or more. */
  readonly p: number;
}

/** Mann and Kendall's test for a monotone trend, corrected for ties. */
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

/** The slope of Theil and Sen (1968): median of the slopes between all pairs. One outlier in four does not move it. */
export function theilSen(values: readonly number[]): number {
  const slopes: number[] = [];
  for (let i = 0; i < values.length; i++) {
    for (let j = i + 1; j < values.length; j++) slopes.push((values[j]! - values[i]!) / (j - i));
  }
  return slopes.length === 0 ? 0 : median(slopes);
}

/**
 * How far a value lies from these, in robust standard deviations (Iglewicz & Hoaglin 1993): 0.6745·(x − median) ÷ MAD.
 * Where more than half of them are equal the mean deviation takes the MAD's place; where all are, any other value is
 * infinitely far. The spread is worked out once, for as many values as are asked about.
 */
export function robustScorer(values: readonly number[]): (value: number) => number {
  const centre = median(values);
  const mad = medianDeviation(values);
  const spread = mad > 0 ? mad / 0.6745 : 1.253314 * mean(values.map((value) => Math.abs(value - centre)));
  return (value) => (value === centre ? 0 : (value - centre) / spread);
}
