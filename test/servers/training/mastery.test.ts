import fc from '../../support/fast-check.js';
import {
  expectedScore,
  observe,
  recall,
  retention,
  reviewAt,
  type MasteryModel,
} from '../../../servers/training/mastery.js';

const HOUR = 3_600_000;
const MODEL: MasteryModel = { prior: 0.2, learn: 0.15, guess: 0.2, slip: 0.1, initialHalfLife: 24 * HOUR };

const model = fc
  .record({
    prior: fc.double({ min: 0.001, max: 0.999, noNaN: true }),
    learn: fc.double({ min: 0.001, max: 0.999, noNaN: true }),
    guess: fc.double({ min: 0.001, max: 0.49, noNaN: true }),
    slip: fc.double({ min: 0.001, max: 0.49, noNaN: true }),
    initialHalfLife: fc.integer({ min: HOUR, max: 1000 * HOUR }),
  })
  .map((one): MasteryModel => one);
const score = fc.double({ min: 0, max: 1, noNaN: true });
const rounds = fc.array(fc.record({ score, gap: fc.integer({ min: 0, max: 10_000 * HOUR }) }), {
  minLength: 1,
  maxLength: 30,
});

function play(given: MasteryModel, played: readonly { score: number; gap: number }[]) {
  let at = 0;
  let state = observe(undefined, played[0]!.score, at, given);
  for (const one of played.slice(1)) {
    at += one.gap;
    state = observe(state, one.score, at, given);
  }
  return state;
}

test('the first round follows Bayes, then learning', () => {
  const right = observe(undefined, 1, 0, MODEL);
  const posterior = (0.2 * 0.9) / (0.2 * 0.9 + 0.8 * 0.2);
  expect(right.known).toBeCloseTo(posterior + (1 - posterior) * 0.15, 12);
  const wrong = observe(undefined, 0, 0, MODEL);
  const after = (0.2 * 0.1) / (0.2 * 0.1 + 0.8 * 0.8);
  expect(wrong.known).toBeCloseTo(after + (1 - after) * 0.15, 12);
});

test('after a half-life half of the gain remains, and never less than the prior', () => {
  const state = { known: 0.9, halfLife: 24 * HOUR, lastAt: 0 };
  expect(recall(state, MODEL, 24 * HOUR)).toBeCloseTo(0.2 + 0.7 / 2, 12);
  expect(recall(state, MODEL, 1e15)).toBeCloseTo(0.2, 6);
  expect(recall({ ...state, known: 0.1 }, MODEL, 1e15)).toBe(0.1);
});

test('setting the clock back forgets nothing and does not move the last round back', () => {
  expect(retention(-5, HOUR)).toBe(1);
  expect(observe({ known: 0.5, halfLife: HOUR, lastAt: 1000 }, 1, 500, MODEL).lastAt).toBe(1000);
});

test('spaced success lengthens the half-life, massed success does not, failure halves it', () => {
  const first = observe(undefined, 1, 0, MODEL);
  expect(observe(first, 1, 0, MODEL).halfLife).toBe(first.halfLife);
  expect(observe(first, 1, first.halfLife, MODEL).halfLife).toBeCloseTo(first.halfLife * 1.5, 3);
  expect(observe(first, 0, 0, MODEL).halfLife).toBeCloseTo(first.halfLife / 2, 3);
});

test('a review is due when retention falls to the target', () => {
  const state = { known: 0.9, halfLife: 24 * HOUR, lastAt: 5000 };
  const due = reviewAt(state, 0.9);
  expect(retention(due - state.lastAt, state.halfLife)).toBeCloseTo(0.9, 6);
});

describe('for every model and every history', () => {
  test('the estimate stays a probability and half-lives stay bounded', () => {
    fc.assert(
      fc.property(model, rounds, (given, played) => {
        const { known, halfLife } = play(given, played);
        expect(known).toBeGreaterThanOrEqual(0);
        expect(known).toBeLessThanOrEqual(1);
        expect(halfLife).toBeGreaterThanOrEqual(HOUR);
        expect(halfLife).toBeLessThanOrEqual(365 * 24 * HOUR);
      }),
    );
  });

  test('a better score never means less known', () => {
    fc.assert(
      fc.property(model, rounds, score, score, (given, played, a, b) => {
        const state = play(given, played);
        const [low, high] = a < b ? [a, b] : [b, a];
        const worse = observe(state, low, state.lastAt + HOUR, given).known;
        expect(observe(state, high, state.lastAt + HOUR, given).known).toBeGreaterThanOrEqual(worse - 1e-12);
      }),
    );
  });

  test('recall never grows by waiting', () => {
    fc.assert(
      fc.property(model, rounds, fc.nat(1e9), fc.nat(1e9), (given, played, a, b) => {
        const state = play(given, played);
        const sooner = recall(state, given, state.lastAt + Math.min(a, b));
        expect(recall(state, given, state.lastAt + Math.max(a, b))).toBeLessThanOrEqual(sooner + 1e-12);
      }),
    );
  });

  test('only right answers end in mastery, and the expected score follows what is known', () => {
    fc.assert(
      fc.property(model, (given) => {
        const { known } = play(
          given,
          Array.from({ length: 2000 }, () => ({ score: 1, gap: 0 })),
        );
        expect(known).toBeGreaterThan(0.95);
        expect(expectedScore(1, given)).toBeGreaterThan(expectedScore(0, given));
      }),
      { numRuns: 30 },
    );
  });
});
