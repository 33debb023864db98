import { AdaptiveLimit } from '../../src/rate-limiting/adaptive-limit.js';
import { ConcurrencyLimiter } from '../../src/rate-limiting/index.js';
import { FakeClock } from '../../src/testing.js';

function limiterWith(options: Partial<ConstructorParameters<typeof ConcurrencyLimiter>[0]> = {}): {
  limiter: ConcurrencyLimiter;
  clock: FakeClock;
} {
  const clock = new FakeClock();
  return { limiter: new ConcurrencyLimiter({ limit: 2, clock, ...options }), clock };
}

describe('a fixed limit', () => {
  test('gives so many slots for each key, and each back once', () => {
    const { limiter } = limiterWith();
    const [first, second] = [limiter.tryAcquire('a'), limiter.tryAcquire('a')];
    expect(limiter.tryAcquire('a')).toBeUndefined();
    expect(limiter.tryAcquire('b')).toBeDefined();
    first!();
    first!();
    expect(limiter.getStats().inFlight).toBe(2);
    expect(limiter.tryAcquire('a')).toBeDefined();
    expect(limiter.tryAcquire('a')).toBeUndefined();
    second!();
    expect(limiter.tryAcquire('a')).toBeDefined();
  });

  test('remembers no key with nothing in flight', () => {
    const { limiter } = limiterWith();
    for (let i = 0; i < 1000; i++) limiter.tryAcquire(`key-${i}`)!();
    expect(limiter.getStats()).toEqual({ inFlight: 0, waiting: 0, refused: 0, limits: {}, keys: {} });
  });

  test('lets those who wait have the slots in the order they asked', async () => {
    const { limiter, clock } = limiterWith({ limit: 1, maxQueue: 2 });
    const release = await limiter.acquire('a');
    const order: number[] = [];
    const waiting = [1, 2].map(async (n) => {
      const mine = await limiter.acquire('a');
      order.push(n);
      return mine;
    });
    await expect(limiter.acquire('a')).rejects.toMatchObject({
      code: 'CONCURRENCY_EXCEEDED',
      status: 503,
      retryAfter: 1,
    });
    release();
    expect(limiter.tryAcquire('a')).toBeUndefined(); // a new request does not overtake those that wait
    (await waiting[0]!)();
    (await waiting[1]!)();
    expect(order).toEqual([1, 2]);
    expect(limiter.getStats()).toMatchObject({ inFlight: 0, waiting: 0, refused: 1 });
    expect(clock.pendingTimers).toBe(0);
  });

  test('one who waits too long, aborts or meets the end leaves the queue', async () => {
    const { limiter, clock } = limiterWith({ limit: 1, maxQueue: 5, maxWaitTime: 100 });
    await limiter.acquire('a');
    const late = expect(limiter.acquire('a')).rejects.toMatchObject({ code: 'CONCURRENCY_EXCEEDED' });
    const controller = new AbortController();
    const aborted = expect(limiter.acquire('a', controller.signal)).rejects.toThrow('gone');
    controller.abort(new Error('gone'));
    await aborted;
    await clock.advance(100);
    await late;
    const ended = expect(limiter.acquire('a')).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    limiter.close();
    limiter.close();
    await ended;
    await expect(limiter.acquire('a')).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    expect([limiter.getStats().waiting, clock.pendingTimers]).toEqual([0, 0]);
  });

  test.each([[{ limit: 0 }], [{ limit: 1.5 }], [{ limit: 'auto' }], [{}], [{ limit: 1, maxQueue: -1 }]])(
    'refuses %j',
    (options) => {
      expect(() => new ConcurrencyLimiter(options as never)).toThrow(/ConcurrencyLimiter: option/);
    },
  );
});

describe('an adaptive limit', () => {
  /**
   * A service that bears `capacity` requests at once at 50 ms each; more than that queue up inside it, so that latency
   * grows with their number. Returns the limit after `seconds` of full use.
   */
  function settle(limit: AdaptiveLimit, clock: FakeClock, capacity: number, seconds: number): number {
    for (let ms = 0; ms < seconds * 1000; ms += 10) {
      clock.tick(10);
      const inFlight = limit.limit;
      const latency = 50 * Math.max(1, inFlight / capacity);
      for (let i = 0; i < Math.ceil(inFlight / 5); i++) limit.record(latency, inFlight);
    }
    return limit.limit;
  }

  test('stays while little is asked, however latencies wander', () => {
    const clock = new FakeClock();
    const limit = new AdaptiveLimit(clock);
    const before = limit.limit;
    for (let i = 0; i < 12_000; i++) {
      clock.tick(50);
      limit.record(i < 20 ? 1 : 5, 2); // the first found a cache that is gone now
    }
    expect(limit.limit).toBe(before);
  });

  test('finds what a service bears, and follows when that changes', () => {
    const clock = new FakeClock();
    const limit = new AdaptiveLimit(clock);
    const wide = settle(limit, clock, 100, 20);
    expect(wide).toBeGreaterThan(100);
    expect(wide).toBeLessThan(200);
    const narrow = settle(limit, clock, 30, 20);
    expect(narrow).toBeGreaterThan(30);
    expect(narrow).toBeLessThan(60);
    expect(settle(limit, clock, 100, 20)).toBeGreaterThan(100);
  });

  test('does not grow from requests that do not use it', () => {
    const clock = new FakeClock();
    const limit = new AdaptiveLimit(clock);
    const before = limit.limit;
    for (let i = 0; i < 10_000; i++) {
      clock.tick(10);
      limit.record(50, 3);
    }
    expect(limit.limit).toBe(before);
  });

  test('never falls so low that nothing is let through, nor grows without end', () => {
    const clock = new FakeClock();
    const limit = new AdaptiveLimit(clock);
    limit.record(1, limit.limit);
    for (let i = 0; i < 1_000; i++) {
      clock.tick(10);
      limit.record(10_000, limit.limit);
    }
    expect(limit.limit).toBeGreaterThanOrEqual(4);
    const free = new AdaptiveLimit(clock);
    for (let i = 0; i < 100_000; i++) {
      clock.tick(20);
      free.record(0, free.limit);
    }
    expect(free.limit).toBe(1_000);
  });

  test('forgets a best latency that can no longer be reached', () => {
    const clock = new FakeClock();
    const limit = new AdaptiveLimit(clock);
    for (let i = 0; i < 20; i++) {
      clock.tick(10);
      limit.record(1, limit.limit); // answers from a cache that is gone now
    }
    const before = limit.limit;
    for (let i = 0; i < 12_000; i++) {
      clock.tick(10);
      limit.record(50, limit.limit);
    }
    expect(limit.limit).toBeGreaterThan(before);
  });

  test('is learnt for each key, of which a bounded number is kept', () => {
    const clock = new FakeClock();
    const limiter = new ConcurrencyLimiter({ limit: 'adaptive', clock });
    for (let i = 0; i < 5_000; i++) limiter.tryAcquire(`key-${i}`)!();
    expect(Object.keys(limiter.getStats().limits)).toHaveLength(100);
    expect(limiter.getStats().inFlight).toBe(0);
  });
});
