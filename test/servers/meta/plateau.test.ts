import fc from '../../support/fast-check.js';
import { seededRandom } from '../../../servers/support/seeded-random.js';
import { fitCurve } from '../../../servers/meta/learning-curve.js';
import { detectPlateau, predictPlateau } from '../../../servers/meta/plateau.js';

const OPTIONS = { window: 20, minSlope: 0.005 };
const series = (n: number, f: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => f(i));

test.each([
  ['unknown', series(7, () => 0.5)],
  ['rising', series(20, (i) => 0.2 + 0.03 * i)],
  ['falling', series(20, (i) => 0.9 - 0.03 * i)],
  ['plateau', series(30, (i) => 0.6 + 0.001 * (i % 3))],
  ['ceiling', series(20, () => 0.99)],
] as const)('%s', (state, scores) => {
  expect(detectPlateau(scores, OPTIONS).state).toBe(state);
});

test('scores that vary too much are neither progress nor a plateau', () => {
  const random = seededRandom(11);
  expect(
    detectPlateau(
      series(10, () => random()),
      OPTIONS,
    ),
  ).toMatchObject({ state: 'unclear' });
});

test('right and wrong answers by turns are no plateau until there are many of them', () => {
  const answers = series(200, (i) => (i % 4 === 0 ? 0 : 1));
  expect(detectPlateau(answers, OPTIONS).state).toBe('unclear');
  expect(detectPlateau(answers, { ...OPTIONS, window: 200 }).state).toBe('plateau');
  const learning = series(30, (i) => ((i < 8 ? i % 4 === 3 : i % 8 !== 3) ? 1 : 0));
  expect(detectPlateau(learning, { ...OPTIONS, window: 30 }).state).toBe('rising');
});

test('only the latest rounds count', () => {
  const scores = [...series(50, (i) => i / 80), ...series(20, () => 0.6)];
  expect(detectPlateau(scores, OPTIONS)).toMatchObject({ state: 'plateau', rounds: 20 });
  expect(detectPlateau(scores, { ...OPTIONS, window: 70 }).state).toBe('rising');
});

test('the answer survives JSON: no infinite number', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 }), (scores) => {
      const found = detectPlateau(scores, OPTIONS);
      for (const value of Object.values(found)) {
        if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
      }
    }),
  );
});

test('an exponential flattens where its gain falls below the least worth it', () => {
  const curve = fitCurve(series(30, (i) => 0.9 - 0.6 * Math.exp(-0.1 * i)))!;
  const forecast = predictPlateau(curve, 0.001);
  // 0.6·(1 − e^−0.1)·e^(−0.1·(n−1)) < 0.001 from n = 41.4 on; 30 rounds were played.
  expect(forecast.roundsUntilPlateau).toBe(12);
  expect(forecast.asymptote).toBeCloseTo(0.9, 3);
  expect(forecast.scoreAtPlateau).toBeGreaterThan(0.88);
});

test('a constant is already flat, and a curve that flattens beyond the horizon gives null', () => {
  expect(predictPlateau(fitCurve([0.5, 0.5])!, 0.005).roundsUntilPlateau).toBe(0);
  const slow = { kind: 'power', asymptote: 1, gain: 1, rate: 0.001, rounds: 10, r2: 1, rmse: 0, aicc: 0 } as const;
  expect(predictPlateau(slow, 1e-12)).toMatchObject({ roundsUntilPlateau: null, scoreAtPlateau: null });
});
