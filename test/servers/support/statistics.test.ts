import fc from '../../support/fast-check.js';
import {
  fitLine,
  mannKendall,
  mean,
  medianDeviation,
  median,
  normalProbability,
  quantile,
  robustScorer,
  slopeOf,
  standardDeviation,
  theilSen,
} from '../../../servers/support/statistics.js';

const numbers = fc.array(fc.double({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 60 });

test('averages and spreads', () => {
  expect(mean([1, 2, 6])).toBe(3);
  expect(mean([])).toBeNaN();
  expect(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(2.13809, 5);
  expect(standardDeviation([7])).toBe(0);
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1])).toBe(2.5);
  expect(quantile([0, 10], 0.25)).toBe(2.5);
  expect(quantile([], 0.5)).toBeNaN();
  expect(medianDeviation([1, 1, 2, 2, 4, 6, 9])).toBe(1);
});

test.each([
  [0, 0.5],
  [1.959964, 0.975],
  [-1.644854, 0.05],
  [3, 0.99865],
])('the normal distribution at %d is %d', (z, p) => {
  expect(normalProbability(z)).toBeCloseTo(p, 5);
});

test('a line through points on a line is that line', () => {
  const { slope, intercept } = fitLine([1, 2, 5], [3, 5, 11]);
  expect([slope, intercept]).toEqual([2, 1]);
  expect(fitLine([2, 2], [1, 3])).toEqual({ slope: 0, intercept: 2 });
});

describe('Mann and Kendall', () => {
  test('a rising series: every pair rises', () => {
    const { s, tau, p } = mannKendall([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect([s, tau]).toEqual([45, 1]);
    // z = 44 / sqrt(125) = 3.935
    expect(p).toBeCloseTo(0.0000832, 6);
  });
  test('a constant or empty series has no trend', () => {
    expect(mannKendall([3, 3, 3, 3])).toEqual({ s: 0, tau: 0, p: 1 });
    expect(mannKendall([])).toEqual({ s: 0, tau: 0, p: 1 });
  });
  test('reversed, the trend is the opposite and as likely', () => {
    fc.assert(
      fc.property(numbers, (values) => {
        const there = mannKendall(values);
        const back = mannKendall([...values].reverse());
        expect(back.s + there.s).toBe(0);
        expect(back.p).toBeCloseTo(there.p, 9);
        expect(there.p >= 0 && there.p <= 1).toBe(true);
      }),
    );
  });
});

describe('slopes', () => {
  test('outliers do not move the slope of Theil and Sen', () => {
    const values = Array.from({ length: 20 }, (_, i) => 2 * i);
    values[3] = 1000;
    values[15] = -1000;
    expect(theilSen(values)).toBeCloseTo(2, 9);
    expect(theilSen([1])).toBe(0);
  });

  test('the least-squares slope, with the interval a table of t gives', () => {
    // Residuals of ±1 around y = i: s² = 10/8, Σ(i−4.5)² = 82.5, t(8) = 2.306; the alternation tilts the line a little.
    const { slope, low, high } = slopeOf(Array.from({ length: 10 }, (_, i) => i + (i % 2 === 0 ? 1 : -1)));
    expect(slope).toBeCloseTo(1 - 5 / 82.5, 9);
    const squared = 10 - 25 / 82.5;
    expect((high - low) / 2).toBeCloseTo(2.306 * Math.sqrt(squared / 8 / 82.5), 2);
  });

  test('the interval holds the slope; two values bound nothing; a line bounds it to itself', () => {
    fc.assert(
      fc.property(numbers, (values) => {
        const { slope, low, high } = slopeOf(values);
        expect(low <= slope && slope <= high).toBe(true);
      }),
    );
    expect(slopeOf([1, 2])).toEqual({ slope: 1, low: -Infinity, high: Infinity });
    expect(slopeOf([1, 3, 5, 7])).toEqual({ slope: 2, low: 2, high: 2 });
  });
});

describe('the robust score', () => {
  test('counts in medians of distances', () => {
    expect(robustScorer([10, 9, 11, 10, 8, 12, 10])(14)).toBeCloseTo((0.6745 * 4) / 1, 9);
    expect(robustScorer([10, 9, 11])(10)).toBe(0);
  });
  test('uses the mean distance if most values are equal; if all are equal, any other value is infinitely far', () => {
    expect(robustScorer([1, 1, 1, 1, 2])(3)).toBeCloseTo(2 / (1.253314 * 0.2), 5);
    expect(robustScorer([1, 1, 1])(3)).toBe(Infinity);
    expect(robustScorer([1, 1, 1])(1)).toBe(0);
  });
});
