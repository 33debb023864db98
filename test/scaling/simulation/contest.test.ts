import { contest, contestTable, duel, Track, verdictOf } from './contest.js';
import type { Result } from './fleet-model.js';
import { generatedRates } from './generated.js';
import { engine } from './scalers.js';
import { HOUR, WORKLOADS } from './workloads.js';

const SHAPE = { capacity: 100, boot: 45 };
const result = (secondsOver: number): Result => ({ secondsOver, instanceHours: 10, changes: 1 });

/** The first hours of generated loads. */
const tracks = [3, 8, 10].map((seed) => new Track(generatedRates(seed, 1, 500).slice(0, 6 * HOUR), SHAPE));

test('the oracle is never slow, and no scaler that is never slow costs less', () => {
  for (const track of tracks) {
    const { rows } = contest(track);
    const cost = track.runOracle();
    expect(cost.secondsOver).toBe(0);
    for (const { name, result: other } of rows.filter((row) => row.result.secondsOver === 0)) {
      expect([name, other.instanceHours >= cost.instanceHours]).toEqual([name, true]);
    }
  }
});

test('a fixed fleet for the peak is never slow, and one for the mean costs less', () => {
  for (const track of tracks) {
    const peak = track.runFixedAtPeak();
    expect(peak).toMatchObject({ secondsOver: 0, changes: 0 });
    expect(track.runFixedAtMean().instanceHours).toBeLessThan(peak.instanceHours);
  }
});

test('HPA at a cost is between its results for the nearest targets', () => {
  const [track] = tracks;
  const [cheap, costly] = [track!.runHpa(65, 10), track!.runHpa(60, 10)];
  const cost = (cheap.instanceHours + costly.instanceHours) / 2;
  const between = track!.hpaAt(cost);
  expect(between.instanceHours).toBeCloseTo(cost);
  expect(between.secondsOver).toBeCloseTo((cheap.secondsOver + costly.secondsOver) / 2);
  expect(track!.hpaAt(0).instanceHours).toBe(track!.runHpa(90, 10).instanceHours);
  expect(track!.hpaAt(1e6).instanceHours).toBe(track!.runHpa(30, 10).instanceHours);
});

test('a small difference in seconds does not count', () => {
  expect(verdictOf(result(100), result(129))).toBe('same');
  expect(verdictOf(result(960), result(1000))).toBe('same');
  expect(verdictOf(result(940), result(1000))).toBe('better');
  expect(verdictOf(result(131), result(100))).toBe('worse');
});

test('the table has all scalers', () => {
  const constant = new Track(new Float64Array(600).fill(250), SHAPE);
  const rows = contestTable(contest(constant)).split('\n').slice(2);
  expect(rows.map((row) => row.split('|')[1]!.trim())).toEqual([
    'engine, defaults',
    'engine, documented policy',
    'HPA every 15 s',
    'HPA every 10 s',
    'HPA every 10 s, at the cost of the defaults',
    'fixed fleet for the mean',
    'fixed fleet for the peak',
    'oracle',
  ]);
});

test('at the cost of HPA the engine is not slow for longer', () => {
  const random = WORKLOADS.filter(({ predictable }) => !predictable).map(
    ({ rates }) => new Track(rates(1, 1).slice(0, 8 * HOUR), SHAPE),
  );
  for (const track of [...tracks, ...random]) expect(duel(track).verdict).not.toBe('worse');
});

test('a constant load causes no action', () => {
  for (const rate of [1, 64, 65, 66, 249, 500, 1940]) {
    const track = new Track(new Float64Array(2 * HOUR).fill(rate), SHAPE);
    expect([rate, track.runEngine({}).changes]).toEqual([rate, 0]);
  }
});

test('the future changes no earlier decision', () => {
  const known = 3 * HOUR;
  const decisionsFor = (rates: Float64Array): number[] => {
    const track = new Track(rates, SHAPE);
    const scaler = engine({}, { min: 1, max: 50 });
    const decisions: number[] = [];
    track.run({
      interval: scaler.interval,
      decide: (readings, ready, starting, second) => {
        const desired = scaler.decide(readings, ready, starting, second);
        if (second <= known) decisions.push(desired);
        return desired;
      },
    });
    return decisions;
  };
  for (const { rates } of tracks) {
    const other = rates.map((rate, second) => (second < known ? rate : 3000 - rate / 2));
    expect(decisionsFor(other)).toEqual(decisionsFor(rates));
  }
});

test('generated loads have the mean, are never negative and depend on the seed only', () => {
  const rates = generatedRates(1, 1, 500);
  expect(rates.reduce((sum, rate) => sum + rate, 0) / rates.length).toBeCloseTo(500);
  expect(rates.every((rate) => rate >= 0)).toBe(true);
  expect(generatedRates(1, 1, 500)).toEqual(rates);
  expect(generatedRates(2, 1, 500)).not.toEqual(rates);
});
