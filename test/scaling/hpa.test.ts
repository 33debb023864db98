/** The formula against the published cases of Kubernetes' replica calculator (pkg/controller/podautoscaler). */
import fc from '../support/fast-check.js';
import { adviseLoad } from '../../src/scaling/hpa.js';

const mean = (values: readonly number[]) => values.reduce((total, value) => total + value, 0) / values.length;
const rule = (target: number) => ({ target, up: target * 1.1, down: target * 0.9 });

test.each([
  // name, target, values, missing, warming, expected
  ['scales up', 30, [30, 50, 70], 0, 0, 5],
  ['scales up less while one is not ready', 30, [50, 70], 0, 1, 4],
  ['does not scale up when those not ready make up for it', 30, [40], 0, 2, 3],
  ['scales up on a plain metric', 15, [20, 10, 30], 0, 0, 4],
  ['scales down', 50, [10, 30, 50, 25, 25], 0, 0, 3],
  ['scales down on a plain metric', 20, [12, 12, 12, 12, 12], 0, 0, 3],
  ['stays within the tolerance', 100, [101, 103, 102], 0, 0, 3],
  ['a missing one changes nothing at the target', 100, [100], 1, 0, 2],
  ['a missing one counts as nothing when growing', 100, [190], 1, 0, 2],
  ['a missing one counts as full when shrinking', 100, [60], 1, 0, 2],
  ['missing and not ready, no direction', 50, [45], 1, 1, 3],
  ['missing and not ready, growing', 50, [200], 1, 1, 4],
  ['missing and not ready, shrinking', 50, [10, 10], 1, 1, 3],
])('%s', (_, target, values, missing, warming, expected) => {
  expect(adviseLoad(rule(target), { values, missing, warming, full: 100 }).desired).toBe(expected);
});

test('with explicit thresholds the number changes only beyond them', () => {
  const cpu = { target: 65, up: 70, down: 30 };
  const desired = (value: number) =>
    adviseLoad(cpu, { values: [value, value, value], missing: 0, warming: 0, full: 100 }).desired;
  expect([0, 29.9, 30, 50, 70, 70.1, 100].map(desired)).toEqual([0, 2, 3, 3, 3, 4, 5]);
});

test('without any reported value there is no advice', () => {
  expect(adviseLoad(rule(50), { values: [], missing: 2, warming: 1, full: 100 }).desired).toBeUndefined();
});

const reading = fc.record({
  values: fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 1, maxLength: 12 }),
  missing: fc.nat(5),
  warming: fc.nat(5),
  full: fc.constant(100),
});

test('more load never asks for fewer instances', () => {
  fc.assert(
    fc.property(
      reading,
      fc.double({ min: 1, max: 3, noNaN: true }),
      fc.integer({ min: 1, max: 100 }),
      (less, factor, target) => {
        const more = { ...less, values: less.values.map((value) => value * factor) };
        expect(adviseLoad(rule(target), more).desired).toBeGreaterThanOrEqual(adviseLoad(rule(target), less).desired!);
      },
    ),
  );
});

test('missing and starting instances never reverse or enlarge a change', () => {
  fc.assert(
    fc.property(reading, fc.integer({ min: 1, max: 100 }), (known, target) => {
      const { values, missing, warming } = known;
      const unseen = missing + warming;
      const alone = adviseLoad(rule(target), { ...known, missing: 0, warming: 0 }).desired! - values.length;
      const change = adviseLoad(rule(target), known).desired! - (values.length + unseen);
      if (alone > 0) expect(change >= 0 && change <= alone).toBe(true);
      // Below the target the result may be the number of ready instances, rounded up: only starting ones are removed.
      else if (alone < 0 || mean(values) < rule(target).down) expect(change <= 0).toBe(true);
      else expect(change).toBe(0);
    }),
  );
});
