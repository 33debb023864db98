import fc from '../support/fast-check.js';
import { autocorrelation, seasonCandidates } from '../../src/scaling/forecast/autocorrelation.js';
import { backtest } from '../../src/scaling/forecast/backtest.js';
import { Forecaster } from '../../src/scaling/forecast/forecaster.js';
import { HoltWinters } from '../../src/scaling/forecast/holt-winters.js';
import { Series } from '../../src/scaling/forecast/series.js';
import { seededRandom } from '../support/seeded-random.js';

const MINUTE = 60_000;

/** `length` values of a function of the step. */
const history = (length: number, value: (step: number) => number): number[] =>
  Array.from({ length }, (_, i) => value(i));

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A forecaster that has seen the values, one a minute. */
function fed(values: readonly number[], horizon = MINUTE): Forecaster {
  const forecaster = new Forecaster({ step: MINUTE, history: 4320 });
  values.forEach((value, i) => forecaster.observe(value, i * MINUTE, horizon));
  return forecaster;
}

describe('autocorrelation', () => {
  test('matches its definition at every lag', () => {
    const values = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 3, maxLength: 60 });
    fc.assert(
      fc.property(values, (x) => {
        const n = x.length;
        const mean = x.reduce((sum, value) => sum + value, 0) / n;
        const covariance = (lag: number): number => {
          let sum = 0;
          for (let i = 0; i + lag < n; i++) sum += (x[i]! - mean) * (x[i + lag]! - mean);
          return sum / (n - lag);
        };
        fc.pre(covariance(0) > 1e-3);
        const found = autocorrelation(x, n - 1);
        for (let lag = 0; lag < n; lag++) expect(found[lag]).toBeCloseTo(covariance(lag) / covariance(0), 6);
      }),
      { numRuns: 50 },
    );
  });

  test('of a constant is zero', () => {
    expect([...autocorrelation([5, 5, 5, 5], 3)]).toEqual([0, 0, 0, 0]);
  });
});

describe('the season', () => {
  test.each([12, 37, 60, 288])('of a wave of %d steps is found', (period) => {
    const random = seededRandom(period);
    const values = history(period * 4, (i) => 10 + 5 * Math.sin((2 * Math.PI * i) / period) + normal(random));
    const candidates = seasonCandidates(values);
    expect(candidates.some((lag) => Math.abs(lag - period) <= Math.max(1, period * 0.03))).toBe(true);
  });

  test('of regular spikes is the distance between them, not a multiple', () => {
    const random = seededRandom(7);
    const values = history(600, (i) => (i % 60 < 5 ? 9 : 2) + 0.2 * normal(random));
    expect(seasonCandidates(values)[0]).toBe(60);
  });

  test('is not found in noise, in a constant or in an empty series', () => {
    const random = seededRandom(3);
    expect(seasonCandidates(history(800, () => normal(random)))).toEqual([]);
    expect(seasonCandidates(history(800, () => 3))).toEqual([]);
    expect(seasonCandidates([])).toEqual([]);
  });
});

describe('Holt-Winters', () => {
  test('damps the trend, so that it stays bounded', () => {
    const model = new HoltWinters({ alpha: 0.8, beta: 0.5, gamma: 0, phi: 0.9, season: 0 }, [0]);
    for (let i = 0; i < 200; i++) model.update(i);
    expect(model.forecast(1)).toBeGreaterThan(199);
    expect(model.forecast(10_000) - model.forecast(1000)).toBeLessThan(1e-6);
  });

  test('repeats a pure season', () => {
    const season = [1, 5, 9, 2];
    const model = new HoltWinters({ alpha: 0.2, beta: 0, gamma: 0.2, phi: 0.9, season: 4 }, [...season, ...season]);
    for (let i = 0; i < 40; i++) model.update(season[i % 4]!);
    for (let ahead = 1; ahead <= 8; ahead++) expect(model.forecast(ahead)).toBeCloseTo(season[(ahead - 1) % 4]!, 6);
  });
});

describe('trust', () => {
  test('is given to a series with a season', () => {
    const random = seededRandom(1);
    const forecaster = fed(history(600, (i) => (i % 60 < 5 ? 9 : 2) + 0.2 * normal(random)));
    expect(forecaster.isTrusted).toBe(true);
    expect(forecaster.confidence).toBeGreaterThan(0.5);
    expect(forecaster.test!.best.model.season).toBe(60);
    // The last value was that of minute 599; minutes 600 to 604 are a spike again, 605 is not.
    expect(forecaster.loadAt(600 * MINUTE)).toBeGreaterThan(7);
    expect(forecaster.loadAt(606 * MINUTE)).toBeLessThan(4);
    expect(forecaster.peakUntil(630 * MINUTE)).toBeGreaterThan(7);
  });

  test('is given to a ramp', () => {
    expect(
      fed(
        history(300, (i) => i / 10),
        5 * MINUTE,
      ).isTrusted,
    ).toBe(true);
  });

  test.each<[string, (random: () => number) => (step: number) => number]>([
    ['noise', (random) => () => 5 + normal(random)],
    ['a constant', () => () => 5],
    [
      'a random walk',
      (random) =>
        (
          (level) => () =>
            (level += normal(random))
        )(50),
    ],
    [
      'bursts at random',
      (random) => ((left) => () => (--left > 0 || random() < 0.02 ? ((left = left > 0 ? left : 8), 9) : 2))(0),
    ],
  ])('is never given to %s', (_, generator) => {
    for (let seed = 1; seed <= 8; seed++) {
      expect(fed(history(800, generator(seededRandom(seed)))).isTrusted).toBe(false);
    }
  });

  test('is lost when the season ends', () => {
    const random = seededRandom(5);
    const values = history(600, (i) => (i % 60 < 5 ? 9 : 2) + 0.2 * normal(random));
    const forecaster = fed([...values, ...history(900, () => 2 + 7 * Math.abs(normal(random)))]);
    expect(forecaster.isTrusted).toBe(false);
    expect(forecaster.confidence).toBe(0);
  });

  test('needs a history', () => {
    expect(
      backtest(
        history(90, (i) => i),
        1,
      ),
    ).toBeUndefined();
    expect(new Forecaster({ step: MINUTE, history: 60 }).loadAt(5)).toBeUndefined();
  });

  test('depends on the error for values that the forecast had not seen', () => {
    const values = history(400, (i) => (i < 280 ? i % 20 : 1000 * ((i * 7919) % 13)));
    const test = backtest(values, 1)!;
    expect(test.error).toBeGreaterThan(100);
  });
});

describe('the history', () => {
  test('holds the mean of each step, with gaps interpolated linearly', () => {
    const series = new Series(10, 100);
    for (const [at, value] of [
      [0, 1],
      [5, 3],
      [12, 4],
      [41, 10],
    ] as const)
      series.add(value, at);
    expect(series.values).toEqual([2, 4, 6, 8]);
    expect(series.stepsTo(41)).toBe(1);
    expect(series.stepsTo(60)).toBe(3);
  });

  test('starts anew after a long gap, and ignores a clock that is set back', () => {
    const series = new Series(10, 100);
    for (let at = 0; at < 100; at += 10) series.add(1, at);
    expect(series.add(1, 50).completed).toEqual([]);
    expect(series.values.length).toBe(9);
    expect(series.add(1, 1000)).toEqual({ completed: [], restarted: true });
    expect(series.values).toEqual([]);
  });

  test('is bounded', () => {
    const series = new Series(10, 100);
    for (let at = 0; at < 50_000; at += 10) series.add(1, at);
    expect(series.values.length).toBeLessThanOrEqual(125);
  });
});
