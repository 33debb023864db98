import fc from '../support/fast-check.js';
import { Backoff, fullJitter } from '../../src/shared/backoff.js';
import { RetryBudget } from '../../src/shared/retry-budget.js';

describe('fullJitter', () => {
  test('is random in [0, (2^n − 1) · 25 ms), capped at 250 ms', () => {
    const highest = (attempt: number): number => fullJitter(attempt, { random: () => 1 });
    expect([1, 2, 3, 4, 5, 2000].map(highest)).toEqual([25, 75, 175, 250, 250, 250]);
    expect(fullJitter(3, { random: () => 0 })).toBe(0);
    expect(fullJitter(1, { base: 100, cap: 40, random: () => 0.5 })).toBe(20);
  });

  test('property: never negative, never above the cap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), (attempt) => {
        const delay = fullJitter(attempt);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThan(250);
      }),
    );
  });
});

describe('Backoff', () => {
  test('doubles from 10 ms to 5 s, and a success starts over', () => {
    const backoff = new Backoff({ random: () => 1 });
    expect(Array.from({ length: 11 }, () => backoff.next())).toEqual([
      10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000,
    ]);
    backoff.reset();
    expect(backoff.failures).toBe(0);
    expect(backoff.next()).toBe(10);
  });

  test('jitters the upper half, so that it never spins, and never overflows', () => {
    const backoff = new Backoff({ random: () => 0 });
    expect([backoff.next(), backoff.next()]).toEqual([5, 10]);
    for (let i = 0; i < 3000; i++) backoff.next();
    expect(backoff.next()).toBe(2500);
  });
});

describe('RetryBudget', () => {
  test('allows three retries when few requests are in flight, and a fifth of many', () => {
    const budget = new RetryBudget();
    expect([budget.tryRetry(), budget.tryRetry(), budget.tryRetry(), budget.tryRetry()]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    for (let i = 0; i < 100; i++) budget.begin();
    expect(budget.limit).toBe(20);
    for (let i = 0; i < 17; i++) expect(budget.tryRetry()).toBe(true);
    expect(budget.tryRetry()).toBe(false);
    budget.endRetry();
    expect(budget.tryRetry()).toBe(true);
  });

  test('counts never go below zero', () => {
    const budget = new RetryBudget({ min: 1 });
    budget.end();
    budget.endRetry();
    expect([budget.active, budget.retrying]).toEqual([0, 0]);
    expect([budget.tryRetry(), budget.tryRetry()]).toEqual([true, false]);
  });
});
