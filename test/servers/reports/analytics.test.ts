import fc from '../../support/fast-check.js';
import {
  anomaliesIn,
  compareSpans,
  differences,
  metricNames,
  seriesOf,
  thinned,
  trendOf,
} from '../../../servers/reports/analytics.js';
import type { Snapshot } from '../../../servers/reports/snapshot-store.js';
import type { Metrics } from '../../../servers/reports/sources.js';

const MINUTE = 60_000;
const snapshots = (metrics: readonly Metrics[]): Snapshot[] =>
  metrics.map((one, i) => ({ id: i + 1, at: i * MINUTE, metrics: one }));
const gauge = (values: readonly number[]): Snapshot[] => snapshots(values.map((value) => ({ 'x.level': value })));
const counter = (values: readonly number[]): Snapshot[] => snapshots(values.map((value) => ({ 'x.rounds': value })));

describe('series', () => {
  test('a gauge is its value, a counter its increase, also over a restart of its service', () => {
    expect(seriesOf(gauge([3, 1, 2]), 'x.level').map(({ value }) => value)).toEqual([3, 1, 2]);
    expect(seriesOf(counter([5, 8, 8, 2]), 'x.rounds').map(({ value }) => value)).toEqual([3, 0, 2]);
  });
  test('snapshots without the metric are left out', () => {
    expect(seriesOf(snapshots([{ a: 1 }, {}, { a: 3 }]), 'a')).toHaveLength(2);
    expect(metricNames(snapshots([{ b: 1 }, { a: 1 }]))).toEqual(['a', 'b']);
  });
  test('are thinned to the requested number of points, and keep the mean', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 50 }),
        (values, most) => {
          const thin = thinned(
            values.map((value, at) => ({ at, value })),
            most,
          );
          expect(thin.length).toBeLessThanOrEqual(most);
          for (const { value } of thin) expect(value >= Math.min(...values) && value <= Math.max(...values)).toBe(true);
        },
      ),
    );
  });
});

describe('trends', () => {
  test('rising, falling, steady, unknown', () => {
    const rising = trendOf(gauge(Array.from({ length: 20 }, (_, i) => i)), 'x.level');
    expect(rising).toMatchObject({ direction: 'rising' });
    expect(rising.slopePerHour).toBeCloseTo(60, 9);
    expect(trendOf(gauge(Array.from({ length: 20 }, (_, i) => -i)), 'x.level').direction).toBe('falling');
    expect(trendOf(gauge(Array.from({ length: 20 }, () => 4)), 'x.level')).toMatchObject({
      direction: 'steady',
      slopePerHour: 0,
    });
    expect(trendOf(gauge([1, 2, 3]), 'x.level')).toMatchObject({ direction: 'unknown', slopePerHour: null });
  });
  test('a counter that grows evenly is steady', () => {
    expect(trendOf(counter(Array.from({ length: 20 }, (_, i) => 3 * i)), 'x.rounds').direction).toBe('steady');
  });
});

describe('differences', () => {
  test('the largest relative change is first, and a value missing on one side is null', () => {
    expect(differences({ a: 10, b: 10, gone: 1 }, { a: 11, b: 30, came: 1 })).toEqual([
      { metric: 'b', before: 10, after: 30, change: 20, ratio: 2 },
      { metric: 'came', before: null, after: 1, change: null, ratio: null },
      { metric: 'gone', before: 1, after: null, change: null, ratio: null },
      { metric: 'a', before: 10, after: 11, change: 1, ratio: 0.1 },
    ]);
  });
  test('a change from zero has no relative change', () => {
    expect(differences({ a: 0 }, { a: 5 })).toMatchObject([{ change: 5, ratio: null }]);
  });
});

test('two spans: means, and their distance in standard deviations', () => {
  const [comparison] = compareSpans(gauge([1, 2, 3]), gauge([4, 5, 6]));
  expect(comparison).toMatchObject({ metric: 'x.level', before: 2, after: 5, change: 3, effect: 3 });
  expect(compareSpans(gauge([2, 2]), gauge([5, 5]))).toMatchObject([{ change: 3, effect: null }]);
  expect(compareSpans([], gauge([5]))).toMatchObject([{ before: null, after: 5, change: null }]);
});

describe('anomalies', () => {
  const usual = Array.from({ length: 40 }, (_, i) => 10 + (i % 5));
  test('finds the only value that is far from the others', () => {
    const values = [...usual];
    values[17] = 90;
    const [first, ...others] = anomaliesIn(gauge(values), 3.5, 10);
    expect(first).toMatchObject({ metric: 'x.level', at: 17 * MINUTE, value: 90, usual: 12 });
    expect(others).toEqual([]);
  });
  test('the usual variation is not an anomaly, and too few values show none', () => {
    expect(anomaliesIn(gauge(usual), 3.5, 10)).toEqual([]);
    expect(anomaliesIn(gauge([1, 1, 99]), 3.5, 10)).toEqual([]);
  });
  test('finds bursts of a counter, farthest first, up to the requested number', () => {
    const values: number[] = [];
    let total = 0;
    for (let i = 0; i < 40; i++) values.push((total += i === 20 ? 500 : i === 30 ? 300 : 3 + (i % 3)));
    const found = anomaliesIn(counter(values), 3.5, 1);
    expect(found.map(({ value }) => value)).toEqual([500]);
    expect(anomaliesIn(counter(values), 3.5, 10).map(({ value }) => value)).toEqual([500, 300]);
  });
  test('scores stay finite, so that they survive JSON', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 10, maxLength: 40 }), (values) => {
        for (const { score } of anomaliesIn(gauge(values), 1, 100)) expect(Number.isFinite(score)).toBe(true);
      }),
    );
  });
});
