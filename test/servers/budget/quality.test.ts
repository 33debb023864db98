import fc from '../../support/fast-check.js';
import { seededRandom } from '../../support/seeded-random.js';
import {
  chooseProviders,
  rankProviders,
  wilsonLowerBound,
  type MeasuredCall,
} from '../../../servers/budget/quality.js';

const call = (provider: string, outcome: MeasuredCall['outcome'], latencyMs = 100, costMicros = 50): MeasuredCall => ({
  provider,
  outcome,
  latencyMs,
  costMicros,
});
const times = <T>(n: number, make: () => T): T[] => Array.from({ length: n }, make);

test('the lower bound lies between nothing and the rate, and rises with evidence', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (calls, share) => {
      const successes = Math.round(calls * share);
      const bound = wilsonLowerBound(successes, calls);
      expect(bound).toBeGreaterThanOrEqual(0);
      expect(bound).toBeLessThanOrEqual(successes / calls);
      expect(wilsonLowerBound(successes * 2, calls * 2)).toBeGreaterThanOrEqual(bound - 1e-12);
    }),
  );
});

test('a known value of the interval', () => {
  expect(wilsonLowerBound(8, 10)).toBeCloseTo(0.4902, 4); // Wilson 95 %: 0.4902 to 0.9433
});

test('a reliable provider comes before one that fails', () => {
  const calls = [...times(20, () => call('good', 'success')), ...times(20, () => call('bad', 'failure'))];
  expect(rankProviders(['bad', 'good'], calls).map(({ provider }) => provider)).toEqual(['good', 'bad']);
});

test('among equals the faster or the cheaper wins, by the weights of the caller', () => {
  const calls = [
    ...times(20, () => call('fast', 'success', 50, 1000)),
    ...times(20, () => call('cheap', 'success', 500, 10)),
  ];
  const first = (preference: { success: number; latency: number; cost: number }) =>
    rankProviders(['fast', 'cheap'], calls, preference)[0]!.provider;
  expect(first({ success: 1, latency: 1, cost: 0 })).toBe('fast');
  expect(first({ success: 1, latency: 0, cost: 1 })).toBe('cheap');
});

test('an abandoned call counts neither for nor against a provider', () => {
  const [one] = rankProviders(['a'], [call('a', 'success'), ...times(50, () => call('a', 'abandoned'))]);
  expect(one).toMatchObject({ calls: 1, successRate: 1 });
});

test('a provider that was never called has null for every measurement', () => {
  expect(rankProviders(['new'], [])).toEqual([
    expect.objectContaining({ calls: 0, successRate: null, medianLatencyMs: null, meanCost: null }),
  ]);
});

describe('chooseProviders', () => {
  const named = (id: string, asked: number) => ({ id, asked });

  test('a new provider takes the last place until it has measurements, and the best one keeps the first', () => {
    const ranked = [named('best', 100), named('second', 50), named('known', 20), named('new', 0)];
    expect(chooseProviders(ranked, 2, () => 0.99).map(({ id }) => id)).toEqual(['best', 'new']);
  });

  test('for any ranking no provider is chosen twice or beyond the count, and each is chosen eventually', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }), fc.nat(), (size, count, seed) => {
        const random = seededRandom(seed);
        const asked = Array.from({ length: size }, () => 0);
        for (let burst = 0; burst < 400; burst++) {
          const ranked = asked.map((times, i) => ({ i, asked: times }));
          const chosen = chooseProviders(ranked, count, random);
          expect(chosen).toHaveLength(Math.min(size, count));
          expect(new Set(chosen.map(({ i }) => i)).size).toBe(chosen.length);
          for (const { i } of chosen) asked[i]!++;
        }
        expect(Math.min(...asked)).toBeGreaterThan(0);
      }),
      { numRuns: 10 },
    );
  });
});
