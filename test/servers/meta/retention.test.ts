import fc from '../../support/fast-check.js';
import { fitForgetting, planReviews } from '../../../servers/meta/retention.js';

const HOUR = 3_600_000;

test('finds the half-life that scores after pauses follow', () => {
  const rounds = [0, 1, 2, 5, 10, 24, 48, 72].map((hours) => ({
    elapsed: hours * HOUR,
    score: 0.9 * 2 ** (-hours / 24),
  }));
  const curve = fitForgetting(rounds)!;
  expect(curve.halfLife! / HOUR).toBeCloseTo(24, 2);
  expect(curve.initial).toBeCloseTo(0.9, 4);
  expect(curve.rmse).toBeLessThan(1e-4);
});

test('pauses that cost nothing have no half-life, too few rounds no curve', () => {
  const rounds = [0, 1, 2, 5, 10].map((hours) => ({ elapsed: hours * HOUR, score: 0.8 }));
  expect(fitForgetting(rounds)).toMatchObject({ halfLife: null, initial: 0.8 });
  const growing = [0, 1, 2, 5, 10].map((hours) => ({ elapsed: hours * HOUR, score: 0.1 + hours / 20 }));
  expect(fitForgetting(growing)).toMatchObject({ halfLife: null });
  expect(fitForgetting(rounds.slice(2))).toBeUndefined();
});

test('any scores give finite numbers', () => {
  const rounds = fc.array(
    fc.record({ elapsed: fc.integer({ min: 0, max: 1e12 }), score: fc.double({ min: 0, max: 1, noNaN: true }) }),
    { minLength: 4, maxLength: 30 },
  );
  fc.assert(
    fc.property(rounds, (given) => {
      const { halfLife, initial, rmse } = fitForgetting(given)!;
      expect(halfLife === null || (Number.isFinite(halfLife) && halfLife > 0)).toBe(true);
      expect(Number.isFinite(initial) && initial >= 0 && initial <= 1).toBe(true);
      expect(Number.isFinite(rmse)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

describe('a plan of reviews', () => {
  test('places each review where retention falls to the target, at growing intervals', () => {
    const [first, second, third] = planReviews({ halfLife: 24 * HOUR, lastAt: 0 }, { target: 0.5, reviews: 3, now: 0 });
    expect(first).toBe(24 * HOUR);
    expect(second! - first!).toBe(36 * HOUR);
    expect(third! - second!).toBe(54 * HOUR);
  });

  test('an overdue review is now', () => {
    const now = 1000 * HOUR;
    expect(planReviews({ halfLife: HOUR, lastAt: 0 }, { target: 0.8, reviews: 1, now })).toEqual([now]);
  });

  test('never lies in the past and never goes backwards', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: HOUR, max: 10_000 * HOUR }),
        fc.double({ min: 0.3, max: 0.97, noNaN: true }),
        fc.nat(1e12),
        fc.nat(1e12),
        (halfLife, target, lastAt, now) => {
          const times = planReviews({ halfLife, lastAt }, { target, reviews: 6, now });
          times.forEach((time, i) => expect(time).toBeGreaterThanOrEqual(i === 0 ? now : times[i - 1]!));
        },
      ),
    );
  });
});
