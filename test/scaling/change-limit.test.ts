/** The rate limit, with the example of the Kubernetes documentation: the larger of 4 pods and 10 % per minute. */
import { ChangeLimiter } from '../../src/scaling/change-limit.js';

const MINUTE = 60_000;

test('80 instances shrink to 10 by 10 %, rounded up, until four are more', () => {
  const rule = { percent: 10, count: 4, period: MINUTE };
  const limiter = new ChangeLimiter({ up: rule, down: rule });
  const counts = [80];
  for (let now = 0; counts.at(-1)! > 10; now += MINUTE) {
    const current = counts.at(-1)!;
    const next = limiter.apply(10, current, now);
    limiter.changed(next - current, now);
    counts.push(next);
    expect(limiter.apply(10, next, now + MINUTE - 1)).toBe(next);
  }
  expect(counts).toEqual([80, 72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10]);
});

test('instances removed within the period do not allow more additions', () => {
  const limiter = new ChangeLimiter({
    up: { percent: 100, count: 4, period: MINUTE },
    down: { percent: 100, count: 0, period: MINUTE },
  });
  expect(limiter.apply(50, 2, 0)).toBe(6);
  limiter.changed(4, 0);
  expect(limiter.apply(50, 6, 30_000)).toBe(6);
  limiter.changed(-3, 30_000);
  expect(limiter.apply(50, 3, 30_001)).toBe(3);
  expect(limiter.apply(50, 3, MINUTE)).toBe(7);
});
