import { RateLimiter, charge, resolveQuota, type Charge } from '../../src/rate-limiting/index.js';
import { ResilienceError } from '../../src/shared/errors.js';
import { installInstrumentation, type RecordedSpan } from '../../src/shared/instrumentation.js';
import { FakeClock } from '../../src/testing.js';
import { remote } from './remote-store.js';

function limiterWith(options: ConstructorParameters<typeof RateLimiter>[0] = {}): {
  limiter: RateLimiter;
  clock: FakeClock;
} {
  const clock = new FakeClock();
  return { limiter: new RateLimiter({ rateLimit: 5, refillRate: 1, clock, ...options }), clock };
}

/** How the promise has settled by now. */
async function outcome(promise: Promise<unknown>): Promise<string> {
  const pending = Symbol();
  const first = await Promise.race([promise.catch((error: Error) => error), Promise.resolve(pending)]);
  if (first === pending) return 'pending';
  return first instanceof ResilienceError ? first.code : 'granted';
}

describe('deciding at once', () => {
  test('allows as many as the bucket holds, then as they return', () => {
    const { limiter, clock } = limiterWith();
    const allowed: boolean[] = Array.from({ length: 7 }, () => limiter.isAllowed('a'));
    expect(allowed).toEqual([true, true, true, true, true, false, false]);
    clock.tick(1000);
    expect([limiter.isAllowed('a'), limiter.isAllowed('a')]).toEqual([true, false]);
  });

  test('takes the cost, and nothing for a refusal', () => {
    const { limiter } = limiterWith();
    expect(limiter.isAllowed('a', 4)).toBe(true);
    expect(limiter.isAllowed('a', 2)).toBe(false);
    expect(limiter.isAllowed('a', 1)).toBe(true);
    expect(limiter.isAllowed('b', 6)).toBe(false);
    expect(limiter.isAllowed('b', 5)).toBe(true);
  });

  test('holds a client to its own limit, from the moment it is set', () => {
    const { limiter } = limiterWith();
    limiter.isAllowed('a', 2);
    limiter.setLimit('a', 10, 2);
    expect(limiter.getBucket('a').tokens).toBe(8); // what was spent stays spent
    limiter.setLimit('a', 3, 2);
    expect(limiter.getBucket('a').tokens).toBe(1);
    expect(limiter.getBucket('a')).toMatchObject({ rateLimit: 3, refillRate: 2 });
    expect(limiter.isAllowed('b', 5)).toBe(true);
  });

  test('fills a bucket on reset, and lets its tokens be set', () => {
    const { limiter, clock } = limiterWith();
    limiter.isAllowed('a', 5);
    limiter.resetBucket('a');
    expect(limiter.isAllowed('a', 5)).toBe(true);
    const bucket = limiter.getBucket('a');
    bucket.tokens = 3;
    expect(limiter.isAllowed('a', 3)).toBe(true);
    clock.tick(500);
    expect(bucket.tokens).toBe(0.5);
    bucket.tokens = 99;
    expect(bucket.tokens).toBe(5);
    expect(() => (bucket.tokens = -1)).toThrow(RangeError);
    expect(limiter.remaining('never seen')).toBe(5);
  });

  test.each([
    [() => limiterWith().limiter.isAllowed(7 as never), TypeError],
    [() => limiterWith().limiter.isAllowed('a', Number.NaN), TypeError],
    [() => limiterWith().limiter.isAllowed('a', -1), RangeError],
    [() => limiterWith().limiter.setLimit('a', -1, 1), RangeError],
    [() => limiterWith({ rateLimit: '5' as never }), TypeError],
    [() => limiterWith({ rateLimits: 5 } as never), TypeError],
    [() => limiterWith({ store: {} as never }), TypeError],
  ])('refuses what makes no sense (%#)', (act, error) => {
    expect(act).toThrow(error);
  });
});

describe('waiting', () => {
  test('resolves when the token is there', async () => {
    const { limiter, clock } = limiterWith();
    await expect(limiter.acquire('a', 5)).resolves.toEqual({ acquired: true, waitTime: 0, remaining: 0 });
    const waiting = limiter.acquire('a', 2);
    await clock.advance(1999);
    expect(await outcome(waiting)).toBe('pending');
    await clock.advance(1);
    await expect(waiting).resolves.toEqual({ acquired: true, waitTime: 2000, remaining: 0 });
    expect(clock.pendingTimers).toBe(0);
  });

  test('rejects with a timeout after maxWaitTime, and leaves nothing behind', async () => {
    const { limiter, clock } = limiterWith({ maxWaitTime: 500 });
    await limiter.acquire('a', 5);
    const waiting = limiter.acquire('a');
    const settled = expect(waiting).rejects.toThrow(/timeout/);
    await clock.advance(500);
    await settled;
    await expect(waiting).rejects.toMatchObject({ code: 'ACQUIRE_TIMEOUT', status: 429 });
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(500);
    expect(limiter.isAllowed('a')).toBe(true); // the request that timed out took no token
  });

  test('refuses at once what the bucket can never hold', async () => {
    const { limiter, clock } = limiterWith();
    await expect(limiter.acquire('a', 6)).rejects.toMatchObject({ code: 'COST_ABOVE_CAPACITY' });
    expect(clock.pendingTimers).toBe(0);
  });

  test('serves requests in order; a new request does not overtake those that wait', async () => {
    const { limiter, clock } = limiterWith();
    await limiter.acquire('a', 5);
    const order: number[] = [];
    const waiting = [1, 2, 3].map((n) => limiter.acquire('a').then(() => order.push(n)));
    await clock.advance(1);
    expect(limiter.isAllowed('a')).toBe(false);
    await clock.advance(999);
    expect(limiter.isAllowed('a')).toBe(false); // the token that came was the first waiter's
    await clock.advance(2000);
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
    await clock.advance(1000);
    expect(limiter.isAllowed('a')).toBe(true);
  });

  test('a client that waits for its own bucket does not delay other clients', async () => {
    const { limiter, clock } = limiterWith();
    await limiter.acquire('a', 5);
    const waiting = limiter.acquire('a', 5);
    expect(limiter.isAllowed('b')).toBe(true);
    await expect(limiter.acquire('c')).resolves.toMatchObject({ waitTime: 0 });
    await clock.advance(5000);
    await expect(waiting).resolves.toMatchObject({ waitTime: 5000 });
  });

  test('without fair queueing a shared bucket is served in order, and other buckets are not delayed', async () => {
    const { limiter, clock } = limiterWith({ fairQueueing: false });
    const shared = resolveQuota('service', { rateLimit: 1, refillRate: 1 });
    void limiter.take('a', [charge('all', shared)]);
    const order: string[] = [];
    const waiting = ['a', 'a', 'b'].map((flow) =>
      limiter.wait(flow, [charge('all', shared)], { maxWait: 10_000 }).then(() => order.push(flow)),
    );
    await clock.advance(1);
    expect(limiter.isAllowed('c')).toBe(true);
    await clock.advance(3_000);
    await Promise.all(waiting);
    expect(order).toEqual(['a', 'a', 'b']);
  });

  test('one that aborts leaves the queue at once', async () => {
    const { limiter, clock } = limiterWith();
    await limiter.acquire('a', 5);
    const controller = new AbortController();
    const left = limiter.acquire('a', 5, { signal: controller.signal });
    const stays = limiter.acquire('a');
    await clock.advance(1);
    expect(limiter.getStats().waitingRequests).toBe(2);
    controller.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    expect(limiter.getStats().waitingRequests).toBe(1);
    await clock.advance(999);
    await expect(stays).resolves.toMatchObject({ waitTime: 1000 });
    await expect(limiter.acquire('a', 1, { signal: controller.signal })).rejects.toThrow('gone');
  });

  test('a bucket filled by hand or a raised limit wakes who waits', async () => {
    const { limiter, clock } = limiterWith({ refillRate: 0 });
    await limiter.acquire('a', 5);
    const first = limiter.acquire('a');
    await clock.advance(0);
    limiter.getBucket('a').tokens = 1;
    await expect(first).resolves.toMatchObject({ waitTime: 0 });
    const second = limiter.acquire('a');
    await clock.advance(5);
    limiter.setLimit('a', 50, 1);
    limiter.resetBucket('a');
    await expect(second).resolves.toMatchObject({ waitTime: 5 });
  });

  test('shutdown settles everybody who waits, and later ones are refused', async () => {
    const { limiter, clock } = limiterWith();
    await limiter.acquire('a', 5);
    const waiting = Array.from({ length: 20 }, (_, i) =>
      limiter.acquire(`${i % 2}`, 5).then(() => limiter.acquire(`${i % 2}`, 5)),
    );
    await clock.advance(0);
    await limiter.shutdown();
    await limiter.shutdown();
    const codes = await Promise.all(waiting.map((promise) => promise.catch((error: ResilienceError) => error.code)));
    expect(new Set(codes)).toEqual(new Set(['SHUTTING_DOWN']));
    expect(clock.pendingTimers).toBe(0);
  });

  test('the wait is a span of the request that waits', async () => {
    const ended: unknown[] = [];
    const span: RecordedSpan = {
      setAttribute: () => undefined,
      inject: () => undefined,
      end: (error) => ended.push(error),
    };
    const startSpan = jest.fn(() => span);
    installInstrumentation({ startSpan } as never);
    try {
      const { limiter, clock } = limiterWith();
      await limiter.acquire('a', 5);
      expect(startSpan).not.toHaveBeenCalled();
      const waiting = limiter.acquire('a');
      await clock.advance(1000);
      await waiting;
      expect(startSpan).toHaveBeenCalledWith('rate_limit.wait', undefined);
      expect(ended).toEqual([undefined]);
    } finally {
      installInstrumentation(undefined);
    }
  });
});

describe('statistics', () => {
  test('count what was asked, allowed, denied and had to wait', async () => {
    const { limiter, clock } = limiterWith();
    expect(limiter.getStats()).toMatchObject({ totalRequests: 0, allowRate: 1, deniedRequests: 0, queuedRequests: 0 });
    for (let i = 0; i < 8; i++) limiter.isAllowed('a');
    const waiting = limiter.acquire('a');
    await clock.advance(0);
    expect(limiter.getStats()).toMatchObject({
      totalRequests: 9,
      allowedRequests: 5,
      deniedRequests: 3,
      queuedRequests: 1,
      waitingRequests: 1,
      allowRate: 0.625,
    });
    await clock.advance(1000);
    await waiting;
    expect(limiter.getStats()).toMatchObject({
      totalRequests: 9,
      allowedRequests: 6,
      queuedRequests: 1,
      waitingRequests: 0,
    });
    expect(limiter.getStats().store).toEqual({
      available: true,
      failures: 0,
      lastError: undefined,
      buckets: 1,
      evictions: 0,
    });
  });

  test('name the busiest clients among any number of them', () => {
    const { limiter } = limiterWith({ rateLimit: 1_000_000 });
    for (let i = 0; i < 20_000; i++) {
      limiter.isAllowed(`rare-${i}`);
      if (i % 4 === 0) limiter.isAllowed('busy');
      if (i % 10 === 0) limiter.isAllowed('second');
    }
    const { busiest } = limiter.getStats();
    expect(busiest).toHaveLength(10);
    expect(busiest.slice(0, 2).map(({ key }) => key)).toEqual(['busy', 'second']);
    expect(busiest[0]!.requests).toBeGreaterThan(3_500);
  });

  test('count few requests exactly, with what was denied', () => {
    const { limiter } = limiterWith();
    for (let i = 0; i < 8; i++) limiter.isAllowed('a');
    limiter.isAllowed('b');
    expect(limiter.getStats().busiest).toEqual([
      { key: 'a', requests: 8, denied: 3, error: 0 },
      { key: 'b', requests: 1, denied: 0, error: 0 },
    ]);
  });

  test('show no key that may be a secret', () => {
    const { limiter } = limiterWith({ hideKeys: true });
    limiter.isAllowed('api-key-1');
    const [busy] = limiter.getStats().busiest;
    expect(busy!.key).toMatch(/^[0-9a-f]{12}$/);
  });
});

describe('an asynchronous store', () => {
  test('decides with promises', async () => {
    const clock = new FakeClock();
    const limiter = new RateLimiter({ rateLimit: 2, refillRate: 1, clock, store: remote(clock).store });
    const decisions = [limiter.isAllowed('a'), limiter.isAllowed('a'), limiter.isAllowed('a')];
    expect(await Promise.all(decisions as Promise<boolean>[])).toEqual([true, true, false]);
    expect(await limiter.remaining('a')).toBe(0);
    await limiter.resetBucket('a');
    expect(await limiter.remaining('a')).toBe(2);
    expect(() => limiter.getBucket('a')).toThrow(/remaining/);
    expect(limiter.getStats()).toMatchObject({ allowedRequests: 2, deniedRequests: 1 });
  });

  test('waits fairly, one attempt at a time', async () => {
    const clock = new FakeClock();
    const limiter = new RateLimiter({ rateLimit: 1, refillRate: 1, clock, store: remote(clock).store });
    await limiter.acquire('a');
    const order: string[] = [];
    const waiting = ['a', 'a', 'a'].map((key, i) => limiter.acquire(key).then(() => order.push(`${key}${i}`)));
    for (let i = 0; i < 3; i++) await clock.advance(1000);
    await Promise.all(waiting);
    expect(order).toEqual(['a0', 'a1', 'a2']);
    expect(clock.pendingTimers).toBe(0);
  });

  test("'allow' lets everybody through, 'deny' fails as itself and never as a limit", async () => {
    const clock = new FakeClock();
    const { store, fail } = remote(clock);
    fail(new Error('away'));
    const open = new RateLimiter({ rateLimit: 1, refillRate: 0, clock, store, onStoreError: 'allow' });
    expect(
      await Promise.all([open.isAllowed('a'), open.isAllowed('a'), open.isAllowed('a')] as Promise<boolean>[]),
    ).toEqual([true, true, true]);
    const shut = new RateLimiter({ rateLimit: 1, refillRate: 0, clock, store, onStoreError: 'deny' });
    await expect(shut.isAllowed('a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', status: 503 });
    await expect(shut.acquire('a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(shut.getStats().deniedRequests).toBe(1);
  });

  test.each([
    ['is about to be admitted', 1],
    ['is about to wait', 0],
  ])('one who leaves while the store is first asked and %s is not charged', async (_, tokens) => {
    const clock = new FakeClock();
    const { store } = remote(clock);
    const limiter = new RateLimiter({ rateLimit: 1, refillRate: 0, clock, store });
    await store.write('a', limiter.quota, tokens);
    const controller = new AbortController();
    const take = store.take.bind(store);
    store.take = (charges) => {
      controller.abort(new Error('gone'));
      return take(charges);
    };
    await expect(limiter.acquire('a', 1, { signal: controller.signal })).rejects.toThrow('gone');
    expect(await limiter.remaining('a')).toBe(tokens);
    expect(limiter.getStats().waitingRequests).toBe(0);
  });

  test('a request that is aborted while the store decides is rejected, and its tokens return', async () => {
    const clock = new FakeClock();
    const { store } = remote(clock);
    const limiter = new RateLimiter({ rateLimit: 1, refillRate: 1, clock, store });
    await limiter.acquire('a');
    const controller = new AbortController();
    const waiting = limiter.acquire('a', 1, { signal: controller.signal });
    const settled = expect(waiting).rejects.toThrow('gone');
    await clock.advance(0);
    const take = store.take.bind(store);
    store.take = (charges) => {
      controller.abort(new Error('gone'));
      return take(charges);
    };
    await clock.advance(1000);
    await settled;
    expect(await limiter.remaining('a')).toBe(1);
  });
});

test('a refusal because others wait names the bucket they wait for', async () => {
  const { limiter, clock } = limiterWith();
  const service = resolveQuota('service', { rateLimit: 1, refillRate: 0.5 });
  const charges = (key: string): Charge[] => [charge(key, limiter.quota), charge('all', service)];
  expect(limiter.take('a', charges('a'))).toBe(true);
  const waiting = limiter.wait('a', charges('a'), { maxWait: 10_000 });
  await clock.advance(500);
  const refused = charges('b');
  expect(limiter.take('b', refused)).toBe(false);
  expect(refused.map(({ remaining, retryAfter }) => [remaining, retryAfter])).toEqual([
    [5, 0],
    [0.25, 1_500],
  ]);
  await clock.advance(1_500);
  await waiting;
});

test('several buckets are decided as one, for callers with more than the client', () => {
  const { limiter } = limiterWith();
  const shared = resolveQuota('service', { rateLimit: 1, refillRate: 1 });
  expect(limiter.take('a', [charge('a', limiter.quota), charge('all', shared)])).toBe(true);
  expect(limiter.take('b', [charge('b', limiter.quota), charge('all', shared)])).toBe(false);
  expect(limiter.remaining('b')).toBe(5);
});
