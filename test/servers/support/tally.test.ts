import fc from '../../support/fast-check.js';
import { latencyOf, merge, newTally, quantiles, record, type Tally } from '../../../servers/support/tally.js';

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

test('counts errors, and keeps the slowest request of all that were added', () => {
  const first = newTally();
  record(first, 10, false, 'a');
  record(first, 5, true, 'b');
  const second = newTally();
  record(second, 20, true, 'c');
  merge(first, second);
  expect(first).toMatchObject({ count: 3, errors: 1, slowest: { traceId: 'c', duration: 20 } });
});

test('nothing has no quantiles, and what takes no time is the fastest there is', () => {
  expect(quantiles(newTally(), [0.5])).toBeUndefined();
  const [fastest] = quantiles(tallyOf([0]), [0.5])!;
  expect(fastest).toBeCloseTo(0.001, 4);
  expect(latencyOf(0)).toBeCloseTo(1, 1);
});
