/** Quantiles are accurate to one percent for every distribution. */
import fc from '../support/fast-check.js';
import { QuantileSketch } from '../../src/tracing/sketch.js';

const exact = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))]!;

const positive = fc.double({ min: 0.001, max: 1e7, noNaN: true });

test('every quantile is within 1 %', () => {
  fc.assert(
    fc.property(
      fc.array(positive, { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, q) => {
        const sketch = new QuantileSketch();
        values.forEach((value) => sketch.add(value));
        const expected = exact(values, q);
        expect(Math.abs(sketch.quantile(q) - expected)).toBeLessThanOrEqual(expected * 0.0100001);
        expect(sketch.count).toBe(values.length);
      },
    ),
  );
});

test('merging is the same as adding all values to one', () => {
  fc.assert(
    fc.property(fc.array(positive), fc.array(positive), (a, b) => {
      const [first, second, whole] = [new QuantileSketch(), new QuantileSketch(), new QuantileSketch()];
      a.forEach((value) => first.add(value));
      b.forEach((value) => second.add(value));
      [...a, ...b].forEach((value) => whole.add(value));
      first.merge(second);
      for (const q of [0, 0.5, 0.95, 0.99, 1]) expect(first.quantile(q)).toBe(whole.quantile(q));
    }),
  );
});

test('empty, zero, endless and senseless values', () => {
  const sketch = new QuantileSketch();
  expect(sketch.quantile(0.5)).toBe(0);
  [0, -5, NaN].forEach((value) => sketch.add(value));
  expect(sketch.quantile(0.5)).toBeCloseTo(0.001, 4);
  sketch.add(Infinity);
  expect(Number.isFinite(sketch.quantile(1))).toBe(true);
  sketch.clear();
  expect([sketch.count, sketch.quantile(0.5)]).toEqual([0, 0]);
});
