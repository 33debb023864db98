import type { ExposedMetric } from '../../src/tracing/exposition.js';
import { MetricSums, sumFamilies } from '../../src/tracing/metric-sums.js';

const counter = (value: number, labels = {}): ExposedMetric => ({
  name: 'things_total',
  help: 'Things.',
  type: 'counter',
  samples: [{ labels, value }],
});
const gauge = (name: string, value: number): ExposedMetric => ({
  name,
  help: 'x',
  type: 'gauge',
  samples: [{ value }],
});
const process = (start: number, things: number): ExposedMetric[] => [
  gauge('process_start_time_seconds', start),
  gauge('tooloo_active_traces', 1),
  counter(things),
];

const valueOf = (families: readonly ExposedMetric[], name: string): number | undefined =>
  families.find((family) => family.name === name)?.samples[0]?.value;

test('samples with the same labels are added, regardless of the order of the labels', () => {
  const sums = sumFamilies([
    [counter(1, { a: 'x', b: 'y' })],
    [counter(2, { b: 'y', a: 'x' }), counter(4, { a: 'x' })],
  ]);
  expect(sums).toHaveLength(1);
  expect(sums[0]!.samples.map(({ labels, value }) => [labels, value])).toEqual([
    [{ a: 'x', b: 'y' }, 3],
    [{ a: 'x' }, 4],
  ]);
});

test('histograms keep their buckets and the latest exemplar, summaries lose their quantiles', () => {
  const histogram = (value: number, timestamp: number): ExposedMetric => ({
    name: 'h',
    help: 'h',
    type: 'histogram',
    samples: [
      { metricName: 'h_bucket', labels: { le: 1 }, value, exemplar: { labelSet: { trace_id: 'a' }, value, timestamp } },
      { metricName: 'h_count', labels: {}, value },
    ],
  });
  const summary: ExposedMetric = {
    name: 's',
    help: 's',
    type: 'summary',
    samples: [
      { labels: { quantile: '0.5' }, value: 7 },
      { metricName: 's_count', labels: {}, value: 2 },
    ],
  };
  const [h, s] = sumFamilies([
    [histogram(1, 10), summary],
    [histogram(2, 5), summary],
  ]);
  expect(h!.samples.map(({ value }) => value)).toEqual([3, 3]);
  expect(h!.samples[0]!.exemplar?.timestamp).toBe(10);
  expect(s!.samples).toEqual([{ metricName: 's_count', labels: {}, value: 4 }]);
});

test.each([
  ['tooloo_active_traces', 5],
  ['process_resident_memory_bytes', 5],
  ['tooloo_load_cpu_ratio', 3],
  ['nodejs_eventloop_lag_p99_seconds', 3],
  ['tooloo_load_p99_seconds', 3],
  ['process_start_time_seconds', 3],
])('of the gauge %s two values, 2 and 3, are %d', (name, expected) => {
  expect(valueOf(sumFamilies([[gauge(name, 2)], [gauge(name, 3)]]), name)).toBe(expected);
});

test('a process that does not answer counts with what it said last', () => {
  const sums = new MetricSums();
  sums.update(
    new Map([
      ['a', process(1, 10)],
      ['b', process(1, 5)],
    ]),
  );
  const now = sums.update(
    new Map([
      ['a', process(1, 12)],
      ['b', undefined],
    ]),
  );
  expect(valueOf(now, 'things_total')).toBe(17);
  expect(valueOf(now, 'tooloo_active_traces')).toBe(2);
});

test('counts of processes that are gone or restarted stay, their gauges do not', () => {
  const sums = new MetricSums();
  sums.update(
    new Map([
      ['a', process(1, 10)],
      ['b', process(1, 5)],
    ]),
  );
  const without = sums.update(new Map([['a', process(2, 1)]]));
  expect(valueOf(without, 'things_total')).toBe(16);
  expect(valueOf(without, 'tooloo_active_traces')).toBe(1);
  expect(valueOf(sums.update(new Map([['a', process(2, 3)]])), 'things_total')).toBe(18);
  expect(valueOf(sums.update(new Map()), 'things_total')).toBe(18);
});
