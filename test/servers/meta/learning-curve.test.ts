import fc from '../../support/fast-check.js';
import { seededRandom } from '../../../servers/support/seeded-random.js';
import { expectedAt, fitCurve, goldenSection } from '../../../servers/meta/learning-curve.js';

const rounds = (n: number, f: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => f(i + 1));

test('finds the exponential that scores follow', () => {
  const curve = fitCurve(rounds(60, (n) => 0.9 - 0.6 * Math.exp(-0.1 * (n - 1))))!;
  expect(curve.kind).toBe('exponential');
  expect(curve.asymptote).toBeCloseTo(0.9, 3);
  expect(curve.gain).toBeCloseTo(0.6, 3);
  expect(curve.rate).toBeCloseTo(0.1, 3);
  expect(curve.r2).toBeGreaterThan(0.9999);
});

test('finds the power law that scores follow', () => {
  const curve = fitCurve(rounds(80, (n) => 0.95 - 0.5 * n ** -0.7))!;
  expect(curve.kind).toBe('power');
  expect(curve.asymptote).toBeCloseTo(0.95, 2);
  expect(curve.rate).toBeCloseTo(0.7, 1);
});

test('noise around a curve still shows it', () => {
  const random = seededRandom(3);
  const scores = rounds(200, (n) => 0.85 - 0.6 * Math.exp(-0.05 * n) + 0.2 * (random() - 0.5));
  const curve = fitCurve(scores)!;
  expect(curve.kind).not.toBe('constant');
  expect(expectedAt(curve, 200)).toBeCloseTo(0.85, 1);
  expect(expectedAt(curve, 1)).toBeCloseTo(0.28, 1);
});

test('noise alone earns no curve, and few rounds none either', () => {
  const random = seededRandom(5);
  const flat = fitCurve(rounds(100, () => 0.5 + 0.2 * (random() - 0.5)))!;
  expect(flat.kind).toBe('constant');
  expect(flat.asymptote).toBeCloseTo(0.5, 1);
  expect(fitCurve([0, 1, 1])).toMatchObject({ kind: 'constant', rounds: 3 });
  expect(fitCurve([])).toBeUndefined();
});

test('for any scores the curve stays finite and its expectations are scores', () => {
  const scores = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(scores, fc.integer({ min: 1, max: 10_000 }), (given, n) => {
      const curve = fitCurve(given)!;
      for (const value of [curve.asymptote, curve.gain, curve.rate, curve.r2, curve.rmse, curve.aicc]) {
        expect(Number.isFinite(value)).toBe(true);
      }
      const expected = expectedAt(curve, n);
      expect(expected >= 0 && expected <= 1).toBe(true);
      expect(curve.asymptote >= 0 && curve.asymptote <= 1).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test('golden section finds the bottom of a valley', () => {
  expect(goldenSection((x) => (x - 2.5) ** 2, 0, 10)).toBeCloseTo(2.5, 6);
});
