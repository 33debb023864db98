/** How much a series resembles itself some steps earlier, for every lag at once by way of the Fourier transform. */

/** Radix-2 Fourier transform in place; the length is a power of two. */
function transform(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const half = size >> 1;
    const angle = (-2 * Math.PI) / size;
    for (let k = 0; k < half; k++) {
      const cos = Math.cos(angle * k);
      const sin = Math.sin(angle * k);
      for (let a = k; a < n; a += size) butterfly(re, im, a, a + half, cos, sin);
    }
  }
}

function butterfly(re: Float64Array, im: Float64Array, a: number, b: number, cos: number, sin: number): void {
  const real = re[b]! * cos - im[b]! * sin;
  const imaginary = re[b]! * sin + im[b]! * cos;
  re[b] = re[a]! - real;
  im[b] = im[a]! - imaginary;
  re[a] = re[a]! + real;
  im[a] = im[a]! + imaginary;
}

/**
 * Autocorrelation at lags 0 … `maxLag`, each corrected for how few pairs a long lag leaves. All zeros for a constant
 * series.
 */
export function autocorrelation(values: readonly number[], maxLag: number): Float64Array {
  const n = values.length;
  const size = 2 ** Math.ceil(Math.log2(2 * Math.max(n, 1)));
  const re = new Float64Array(size);
  const im = new Float64Array(size);
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  for (let i = 0; i < n; i++) re[i] = values[i]! - mean;
  transform(re, im);
  for (let i = 0; i < size; i++) {
    re[i] = re[i]! ** 2 + im[i]! ** 2;
    im[i] = 0;
  }
  transform(re, im); // of a power spectrum, which is even, the transform is its own inverse but for a factor
  const result = new Float64Array(maxLag + 1);
  const variance = re[0]! / n;
  if (!(variance > 1e-12 * size)) return result;
  for (let lag = 0; lag <= maxLag && lag < n; lag++) result[lag] = re[lag]! / (n - lag) / variance;
  return result;
}

/** Weakest resemblance that counts as a season. */
const WEAKEST = 0.3;
/** A shorter lag that resembles nearly as much is the season, and the longer its multiple. */
const NEARLY = 0.9;
const SHORTEST = 4;

/**
 * Lengths worth trying as the season, in steps: the first that resembles nearly as well as the best, and the best. None
 * when nothing stands out. Only lengths of which the series holds two.
 */
export function seasonCandidates(values: readonly number[]): number[] {
  const maxLag = Math.floor(values.length / 2);
  if (maxLag <= SHORTEST) return [];
  const correlation = autocorrelation(values, maxLag);
  const at = (lag: number): number => correlation[lag] ?? -1;
  let start = 1;
  while (start <= maxLag && at(start) > 0) start++; // the slope of lag 0: neighbours resemble each other anyway
  const peaks: number[] = [];
  for (let lag = Math.max(start, SHORTEST); lag < maxLag; lag++) {
    if (at(lag) >= WEAKEST && at(lag) >= at(lag - 1) && at(lag) > at(lag + 1)) peaks.push(lag);
  }
  if (peaks.length === 0) return [];
  const best = peaks.reduce((a, b) => (at(b) > at(a) ? b : a));
  const first = peaks.find((lag) => at(lag) >= at(best) * NEARLY)!;
  return [...new Set([first, best])];
}
