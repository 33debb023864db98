import fc from '../support/fast-check.js';
import { backtest } from '../../src/scaling/forecast/backtest.js';
import { bestOf, Contender } from '../../src/scaling/forecast/contender.js';
import { Forecaster } from '../../src/scaling/forecast/forecaster.js';
import type { ForecastModel } from '../../src/scaling/forecast/model.js';
import { HoltWinters } from '../../src/scaling/forecast/holt-winters.js';
import { SeasonalNaive } from '../../src/scaling/forecast/seasonal-naive.js';
import { SeasonalTrend } from '../../src/scaling/forecast/seasonal-trend.js';
import { ShortTermForecaster } from '../../src/scaling/forecast/short-term.js';
import { seededRandom } from '../support/seeded-random.js';

const MINUTE = 60_000;
const STEP = 10_000;
const HORIZON = 55_000;
const SEASON = 24;

const history = (length: number, value: (step: number) => number): number[] =>
  Array.from({ length }, (_, i) => value(i));
const wave = (step: number): number => 10 + 5 * Math.sin((2 * Math.PI * step) / SEASON);
/** Always forecasts the same value. */
const constantly = (value: number): ForecastModel => ({
  ...{ name: 'constant', season: 0 },
  update: () => undefined,
  forecast: () => value,
});
const contend = (model: ForecastModel, horizon = 1): Contender =>
  new Contender(model, { horizon, memory: 10, decay: 1 });

function shortTerm(values: readonly number[]): ShortTermForecaster {
  const forecaster = new ShortTermForecaster();
  values.forEach((value, i) => forecaster.observe(value, i * STEP, HORIZON));
  return forecaster;
}

/** Loads of all sizes with jumps, as a fleet may measure them. */
const loads = fc.array(
  fc.oneof(fc.constant(0), fc.double({ min: 0, max: 20, noNaN: true }), fc.double({ min: 0, max: 1e9, noNaN: true })),
  { minLength: 120, maxLength: 300 },
);

describe('the seasonal models', () => {
  const start = history(4 * SEASON, wave);

  test.each<[string, ForecastModel]>([
    ['seasonal naive', new SeasonalNaive(0, start.slice(0, SEASON))],
    ['seasonal trend', new SeasonalTrend({ alpha: 0.1, gamma: 0.1, width: 0 }, SEASON, start)],
  ])('%s repeats a pure season', (name, model) => {
    expect(model).toMatchObject({ name, season: SEASON });
    start.forEach((value) => model.update(value));
    for (let ahead = 1; ahead <= 2 * SEASON; ahead++) expect(model.forecast(ahead)).toBeCloseTo(wave(ahead - 1), 6);
  });

  test.each<[string, ForecastModel]>([
    ['seasonal naive', new SeasonalNaive(0.5, start.slice(0, SEASON))],
    ['seasonal trend', new SeasonalTrend({ alpha: 0.5, gamma: 0, width: 0 }, SEASON, start)],
  ])('%s follows a shift of the level', (_, model) => {
    for (let i = 0; i < SEASON / 2; i++) model.update(wave(i) + 100);
    expect(Math.abs(model.forecast(3) - (wave(SEASON / 2 + 2) + 100))).toBeLessThan(1);
  });

  test('the local regression removes noise from the season', () => {
    const random = seededRandom(1);
    const noisy = history(4 * SEASON, (i) => wave(i) + 4 * (random() - 0.5));
    const errorOf = (width: number): number => {
      const model = new SeasonalTrend({ alpha: 0, gamma: 0, width }, SEASON, noisy);
      const errors = history(SEASON, (i) => Math.abs(model.forecast(i + 1) - wave(i)));
      return errors.reduce((sum, error) => sum + error, 0) / SEASON;
    };
    expect(errorOf(3)).toBeLessThan(errorOf(0));
  });
});

describe('a contender', () => {
  test('is judged on forecasts that were made before the value was known', () => {
    const contender = contend(new HoltWinters({ alpha: 1, beta: 0, gamma: 0, phi: 1, season: 0 }, [0]), 2);
    for (const value of [1, 2, 4]) contender.update(value);
    expect([contender.judged, contender.error]).toEqual([1, 3]); // 1 was the forecast for the third value, 4
    contender.update(2);
    expect([contender.judged, contender.error]).toEqual([2, 1.5]); // 2 was the forecast for the fourth
  });

  test('forecasts a value that nine of ten values do not exceed', () => {
    const contender = contend(constantly(0));
    for (const value of [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]) contender.update(value);
    expect(contender.judged).toBe(10);
    expect(contender.upper(1)).toBe(6);
  });

  test('forgets old errors', () => {
    const contender = contend(constantly(0));
    for (const value of [...history(10, () => 100), ...history(11, () => 1)]) contender.update(value);
    expect(contender.upper(1)).toBe(1);
  });

  test('with the lowest loss is chosen', () => {
    const lastValue = contend(new HoltWinters({ alpha: 1, beta: 0, gamma: 0, phi: 1, season: 0 }, [0]));
    const naive = contend(new SeasonalNaive(0, [1, 9]));
    for (let i = 0; i < 60; i++) for (const one of [lastValue, naive]) one.update(i % 2 === 0 ? 1 : 9);
    expect([naive.loss, lastValue.loss > 0.1]).toEqual([0, true]);
    expect(bestOf([lastValue, naive])).toBe(naive);
  });
});

describe('the backtest', () => {
  const random = seededRandom(1);
  const pulses = [0, 3, 9, 5, 4];

  test.each<[string, string, readonly number[]]>([
    ['a season in noise', 'seasonal trend', history(20 * SEASON, (i) => wave(i) + 3 * random())],
    [
      'an exact season whose level has shifted',
      'seasonal naive',
      history(300, (i) => pulses[i % 5]! + (i < 150 ? 0 : 2)),
    ],
    ['a ramp', 'trend', history(300, (i) => i / 10)],
  ])('chooses the kind of model with the lowest loss: for %s', (_, name, values) => {
    const { best, contenders, error } = backtest(values, 1)!;
    expect(best.model.name).toBe(name);
    expect(best.loss).toBe(Math.min(...contenders.map(({ loss }) => loss)));
    expect(error).toBe(best.error);
  });
});

describe('the short-term forecast', () => {
  test('of a constant load is the load', () => {
    expect(shortTerm(history(100, () => 3)).load).toBe(3);
  });

  test('needs five minutes', () => {
    expect(shortTerm([]).load).toBeUndefined();
    expect(shortTerm(history(30, () => 3)).load).toBeUndefined();
    expect(shortTerm(history(40, () => 3)).load).toBe(3);
  });

  test('of a steady ramp is where the ramp will be', () => {
    const ramp = history(200, (i) => 5 + i / 20);
    const expected = 5 + (199 + 6) / 20;
    expect(Math.abs(shortTerm(ramp).load! - expected)).toBeLessThan(0.1);
  });

  test('is higher for a load that has jumped lately, up to 1.4 times the load', () => {
    const random = seededRandom(6);
    const jumpy = history(300, (i) => (i === 299 ? 4 : 4 * (random() < 0.2 ? 3 : 1)));
    expect(shortTerm(jumpy).load).toBeCloseTo(1.4 * 4);
  });

  test('starts anew after a long gap, and ignores a clock that is set back', () => {
    const forecaster = shortTerm(history(100, () => 3));
    forecaster.observe(9, 50 * STEP, HORIZON);
    expect(forecaster.load).toBe(3);
    forecaster.observe(3, 400 * STEP, HORIZON);
    expect(forecaster.load).toBeUndefined();
  });

  test('keeps what it has learnt while starts take about as long', () => {
    const forecaster = shortTerm(history(100, () => 3));
    forecaster.observe(3, 100 * STEP, HORIZON + 4000);
    expect(forecaster.load).toBe(3);
    forecaster.observe(3, 101 * STEP, 2 * HORIZON);
    expect(forecaster.load).toBeUndefined();
  });
});

test('forecasts are finite and never negative', () => {
  fc.assert(
    fc.property(loads, (values) => {
      const forecaster = new Forecaster({ step: MINUTE, history: 200 });
      const soon = new ShortTermForecaster();
      values.forEach((value, i) => {
        forecaster.observe(value, i * MINUTE, HORIZON);
        soon.observe(value, i * STEP, HORIZON);
        const at = (i + 1) * MINUTE;
        const forecasts = [soon.load, forecaster.loadAt(at), forecaster.peakUntil(at + 10 * MINUTE)];
        for (const load of forecasts) expect(load === undefined || (Number.isFinite(load) && load >= 0)).toBe(true);
      });
    }),
    { numRuns: 20 },
  );
});
