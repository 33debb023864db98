import fc from '../../support/fast-check.js';
import { addUp } from '../../../servers/support/request-figures.js';

const figure = fc.double({ min: 0, max: 1e6, noNaN: true });
const figures = fc.record({
  totalRequests: fc.integer({ min: 0, max: 1e6 }),
  averageLatency: figure,
  p50: figure,
  p95: figure,
  p99: figure,
  errorRate: fc.double({ min: 0, max: 1, noNaN: true }),
  throughput: figure,
});

test('counters add up, rates stay between the lowest and the highest, percentiles are not understated', () => {
  fc.assert(
    fc.property(fc.array(figures, { minLength: 1, maxLength: 5 }), (parts) => {
      const all = addUp(parts);
      expect(all.totalRequests).toBe(parts.reduce((sum, one) => sum + one.totalRequests, 0));
      expect(all.throughput).toBeCloseTo(
        parts.reduce((sum, one) => sum + one.throughput, 0),
        3,
      );
      expect(all.p99).toBe(Math.max(...parts.map(({ p99 }) => p99)));
      const rates = parts.filter(({ totalRequests }) => totalRequests > 0).map(({ errorRate }) => errorRate);
      if (rates.length === 0) return expect(all.errorRate).toBe(0);
      expect(all.errorRate).toBeGreaterThanOrEqual(Math.min(...rates) - 1e-9);
      return expect(all.errorRate).toBeLessThanOrEqual(Math.max(...rates) + 1e-9);
    }),
  );
});

test('an idle instance does not change what a busy one measures', () => {
  const busy = { totalRequests: 10, averageLatency: 5, p50: 4, p95: 9, p99: 10, errorRate: 0.1, throughput: 2 };
  const idle = { totalRequests: 0, averageLatency: 0, p50: 0, p95: 0, p99: 0, errorRate: 0, throughput: 0 };
  expect(addUp([idle, busy])).toEqual(busy);
});
