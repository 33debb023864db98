import fc from '../support/fast-check.js';
import { HeavyHitters, Sampling } from '../../src/shared/heavy-hitters.js';

test('never counts too few of a key it names, and too many by no more than it says', () => {
  const keys = fc.array(fc.integer({ min: 0, max: 120 }), { maxLength: 2_000 });
  fc.assert(
    fc.property(keys, (asked) => {
      const hitters = new HeavyHitters();
      const exact = new Map<string, number>();
      for (const key of asked.map(String)) {
        hitters.add(key, false);
        exact.set(key, (exact.get(key) ?? 0) + 1);
      }
      const named = hitters.top(1_000);
      expect(named.length).toBeLessThanOrEqual(64);
      for (const { key, count, error } of named) {
        expect(count).toBeGreaterThanOrEqual(exact.get(key)!);
        expect(count - error).toBeLessThanOrEqual(exact.get(key)!);
      }
      // Every key with more than a 64th of the requests is among them.
      for (const [key, count] of exact)
        if (count > asked.length / 64) expect(named.map((one) => one.key)).toContain(key);
    }),
    { numRuns: 50 },
  );
});

test('counts those that are marked, by their weight', () => {
  const hitters = new HeavyHitters();
  hitters.add('a', false, 16);
  hitters.add('a', true, 16);
  hitters.add('b', true);
  expect(hitters.top(1)).toEqual([{ key: 'a', count: 32, marked: 16, error: 0 }]);
});

test('a sample represents all requests, even if they follow a regular rhythm', () => {
  const sampling = new Sampling(16);
  const byRest = Array<number>(16).fill(0);
  let counted = 0;
  let untilSample = 1;
  for (let i = 0; i < 200_000; i++) {
    if (--untilSample > 0) continue;
    byRest[i % 16]! += sampling.weight;
    counted++;
    untilSample = sampling.nextGap();
  }
  expect(byRest.reduce((sum, one) => sum + one, 0) / 200_000).toBeCloseTo(1, 1);
  expect(counted).toBeGreaterThan(1_000);
  expect(counted).toBeLessThan(15_000);
  for (const share of byRest) expect(share / (200_000 / 16)).toBeCloseTo(1, 0);
});
