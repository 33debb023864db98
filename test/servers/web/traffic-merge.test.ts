import { newTally, recordRequest, type Tally } from '../../../servers/support/tally.js';
import type { PulseSlot } from '../../../servers/support/pulse.js';
import { heatRow, TrafficMerge } from '../../../servers/web/traffic-merge.js';

function tally(durations: readonly number[], ok = true): Tally {
  const made = newTally();
  for (const duration of durations)
    recordRequest(made, { duration, status: ok ? 200 : 500, traceId: `trace-${duration}`, kept: duration < 100 });
  return made;
}

function slot(number: number, requests: Record<string, Tally> = {}, calls: Record<string, Tally> = {}): PulseSlot {
  return { slot: number, requests, calls };
}

test('adds up the instances of a service, by route and in all', () => {
  const merge = new TrafficMerge();
  merge.add('training-1', 'training', [slot(7, { 'GET /a': tally([10]), 'GET /b': tally([100], false) })]);
  merge.add('training-2', 'training', [slot(7, { 'GET /a': tally([20, 20]) })]);
  const [point] = merge.take(new Set(['training-1', 'training-2']));
  const { training } = point!.services;
  expect(training).toMatchObject({ count: 4, errors: 1, slowest: 100, statuses: { '2xx': 3, '5xx': 1 } });
  expect(training!.example).toEqual({ traceId: 'trace-20', duration: 20 });
  expect(training!.routes['GET /a']).toMatchObject({ count: 3, errors: 0, slowest: 20 });
  expect(training!.p50).toBeCloseTo(20, 0);
  expect(training!.heat).toEqual(
    expect.arrayContaining([
      [heatRow(10), 1],
      [heatRow(20), 2],
      [heatRow(100), 1],
    ]),
  );
});

test('lists the calls between services', () => {
  const merge = new TrafficMerge();
  merge.add('web-1', 'web', [slot(1, {}, { training: tally([5, 5]), meta: tally([7], false) })]);
  const [point] = merge.take(new Set(['web-1']));
  expect(point!.calls).toEqual([
    { from: 'web', to: 'training', count: 2, errors: 0, p95: expect.closeTo(5, 0) },
    { from: 'web', to: 'meta', count: 1, errors: 1, p95: expect.closeTo(7, 0) },
  ]);
});

test('a point waits until every instance has reported its part, and at most two slots', () => {
  const merge = new TrafficMerge();
  const both = new Set(['a', 'b']);
  merge.add('a', 'training', [slot(1), slot(2)]);
  merge.add('b', 'training', [slot(1)]);
  expect(merge.take(both).map((point) => point.slot)).toEqual([1]);
  merge.add('a', 'training', [slot(3), slot(4)]);
  expect(merge.take(both).map((point) => point.slot)).toEqual([2]); // b is silent
  merge.add('b', 'training', [slot(2, { 'GET /late': tally([1]) }), slot(3), slot(4)]);
  const told = merge.take(both);
  expect(told.map((point) => point.slot)).toEqual([3, 4]); // a report too late for its point is dropped
  expect(told[0]!.services).toEqual({});
});

test('a point does not wait for an instance that is removed', () => {
  const merge = new TrafficMerge();
  merge.add('a', 'training', [slot(1)]);
  merge.add('b', 'training', [slot(1), slot(2)]);
  merge.take(new Set(['a', 'b']));
  expect(merge.take(new Set(['b'])).map((point) => point.slot)).toEqual([2]);
  expect(merge.lastOf('a')).toBe(0);
  expect(merge.lastOf('b')).toBe(2);
});

test('names are names, also those that objects come with', () => {
  const merge = new TrafficMerge();
  const hostile = JSON.parse(
    '{"__proto__": {"count": 1, "errors": 0, "bins": {"0": 1}, "slowest": 1, "statuses": {}}}',
  ) as Record<string, Tally>;
  merge.add('a', 'constructor', [slot(1, hostile)]);
  const [point] = merge.take(new Set(['a']));
  const sent = JSON.stringify(point);
  expect(sent).toContain('"constructor":{"count":1');
  expect(sent).toContain('"__proto__":{"count":1');
});
