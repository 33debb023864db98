import fc from '../../support/fast-check.js';
import {
  latencyOf,
  merge,
  newTally,
  quantiles,
  record,
  recordRequest,
  type Tally,
} from '../../../servers/support/tally.js';

function tallyOf(durations: readonly number[]): Tally {
  const tally = newTally();
  for (const duration of durations) record(tally, duration, true);
  return tally;
}

const durations = fc.array(fc.double({ min: 0.01, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 60 });

test('a quantile is within one percent of the value at its rank', () => {
  fc.assert(
    fc.property(durations, fc.constantFrom(0, 0.5, 0.95, 0.99, 1), (values, q) => {
      const exact = [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))]!;
      const [estimate] = quantiles(tallyOf(values), [q])!;
      expect(Math.abs(estimate! - exact)).toBeLessThanOrEqual(0.0101 * exact);
    }),
    { numRuns: 200 },
  );
});

test('tallies of several instances add up to the tally of all, also after travelling as JSON', () => {
  fc.assert(
    fc.property(durations, durations, (one, other) => {
      const merged = JSON.parse(JSON.stringify(tallyOf(one))) as Tally;
      merge(merged, JSON.parse(JSON.stringify(tallyOf(other))) as Tally);
      expect(merged).toEqual(tallyOf([...one, ...other]));
    }),
    { numRuns: 100 },
  );
});

test('counts by status class, and keeps as its example the slowest request whose trace is kept', () => {
  const first = newTally();
  recordRequest(first, { duration: 10, status: 500, traceId: 'a', kept: true });
  recordRequest(first, { duration: 5, status: 204, traceId: 'b', kept: true });
  recordRequest(first, { duration: 1, status: undefined, traceId: 'b', kept: false });
  const second = newTally();
  recordRequest(second, { duration: 20, status: 429, traceId: 'c', kept: false });
  recordRequest(second, { duration: 15, status: 301, traceId: 'd', kept: true });
  recordRequest(second, { duration: 1, status: 404, traceId: 'e', kept: false });
  merge(first, second);
  expect(first).toMatchObject({
    count: 6,
    errors: 2,
    slowest: 20,
    example: { traceId: 'd', duration: 15 },
    statuses: { '2xx': 1, '3xx': 1, '4xx': 1, '429': 1, '5xx': 1, aborted: 1 },
  });
});

test('an empty tally has no quantiles, and a duration of zero counts as the shortest one', () => {
  expect(quantiles(newTally(), [0.5])).toBeUndefined();
  const [fastest] = quantiles(tallyOf([0]), [0.5])!;
  expect(fastest).toBeCloseTo(0.001, 4);
  expect(latencyOf(0)).toBeCloseTo(1, 1);
});
