/**
 * Requests that a process admits while its shared store does not answer. The link's fuzz test checks the bound for all
 * sequences.
 */
import { RateLimiter } from '../../src/rate-limiting/index.js';
import { CUT_OFF_AFTER } from '../../src/rate-limiting/store-outage.js';
import { FakeClock } from '../../src/testing.js';
import { remote } from './remote-store.js';

describe('while the store is unavailable', () => {
  test('while it is away, each process holds its part of the limit; then it decides again', async () => {
    const clock = new FakeClock();
    const { store, fail, asked } = remote(clock);
    const limiter = new RateLimiter({ rateLimit: 120, refillRate: 0, clock, store });
    const admit = async (): Promise<number> => {
      let count = 0;
      for (let i = 0; i < 150; i++) if (await limiter.isAllowed('a')) count++;
      return count;
    };
    fail(new Error('connection refused'));
    expect(await admit()).toBe(4); // a tenth of the limit, divided among the three other processes
    expect(asked()).toBe(6); // the breaker opened, after one attempt more to charge what was admitted
    expect(limiter.getStats().store).toEqual({ available: false, failures: 5, lastError: 'connection refused' });
    clock.tick(999);
    await limiter.isAllowed('b');
    expect(asked()).toBe(6);
    clock.tick(1);
    await Promise.all([limiter.isAllowed('b'), limiter.isAllowed('b')]);
    expect(asked()).toBe(7); // one probe
    expect(await admit()).toBe(0);
    clock.tick(1000);
    expect(await admit()).toBe(26); // the second probe fails too, so the outage is long: a quarter of the limit in all
    fail(undefined);
    clock.tick(1000);
    expect(await admit()).toBe(90); // the 30 that were admitted meanwhile are charged
    expect(limiter.getStats().store.available).toBe(true);
  });

  test('calls that began before the outage was noticed do not make it a long one', async () => {
    const clock = new FakeClock();
    const { store } = remote(clock);
    const limiter = new RateLimiter({ rateLimit: 120, refillRate: 0, clock, store });
    const pending: ((error: Error) => void)[] = [];
    store.take = () => new Promise((_, reject) => pending.push(reject));
    const decisions = Array.from({ length: 10 }, async () => limiter.isAllowed('a'));
    pending.shift()!(new Error('late'));
    await clock.advance(CUT_OFF_AFTER);
    for (const reject of pending.splice(0)) reject(new Error('late'));
    await clock.advance(0); // what asks again fails too
    for (const reject of pending.splice(0)) reject(new Error('late'));
    expect((await Promise.all(decisions)).filter(Boolean)).toHaveLength(4);
  });

  test('answers of overlapping questions count by the larger debt', async () => {
    const clock = new FakeClock();
    const { store, fail } = remote(clock);
    const limiter = new RateLimiter({ rateLimit: 120, refillRate: 0, clock, store });
    const take = store.take.bind(store);
    const answers: (() => void)[] = [];
    store.take = async (charges) => {
      const allowed = await take(charges);
      await new Promise<void>((resolve) => answers.push(resolve));
      return allowed;
    };
    const early = limiter.isAllowed('a');
    const rest = limiter.isAllowed('a', 119);
    while (answers.length < 2) await clock.advance(0);
    for (const answer of answers.reverse()) {
      answer();
      await clock.advance(0);
    }
    expect(await Promise.all([early, rest])).toEqual([true, true]);
    store.take = take;
    fail(new Error('away'));
    expect(await limiter.isAllowed('a')).toBe(false); // nothing is left, although the last answer to arrive left 119
  });
});
