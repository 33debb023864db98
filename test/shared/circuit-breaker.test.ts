import fc from '../support/fast-check.js';
import { CircuitBreaker, type CircuitBreakerOptions, type Permit } from '../../src/shared/circuit-breaker.js';
import { ResilienceError } from '../../src/shared/errors.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

function setUp(options: CircuitBreakerOptions = {}) {
  const clock = new FakeClock();
  const breaker = new CircuitBreaker({ failureThreshold: 3, openDuration: 1000, probeTimeout: 500, clock, ...options });
  const changes: string[] = [];
  breaker.onStateChange((state, previous) => changes.push(`${previous}>${state}`));
  const fail = (times = 1): void => {
    for (let i = 0; i < times; i++) breaker.tryAcquire()!.end('failure');
  };
  return { clock, breaker, changes, fail };
}

describe('closed', () => {
  test('opens at the threshold-th failure in a row, not before', () => {
    const { breaker, fail } = setUp();
    fail(2);
    expect(breaker.state).toBe('closed');
    fail();
    expect(breaker.state).toBe('open');
    expect(breaker.tryAcquire()).toBeUndefined();
    expect(breaker.retryAfter).toBe(1000);
  });

  test('a success in between starts the count again; an ignored call changes nothing', () => {
    const { breaker, fail } = setUp();
    fail(2);
    breaker.tryAcquire()!.end('success');
    fail(2);
    breaker.tryAcquire()!.end('ignored');
    expect(breaker.state).toBe('closed');
    fail();
    expect(breaker.state).toBe('open');
  });

  test('a permit counts once', () => {
    const { breaker } = setUp();
    const permit = breaker.tryAcquire()!;
    for (let i = 0; i < 10; i++) permit.end('failure');
    expect(breaker.state).toBe('closed');
  });

  test('opens on a share of failures once there are enough calls, and old calls are forgotten', () => {
    const { breaker, clock, fail } = setUp({
      failureThreshold: Infinity,
      errorRate: { threshold: 0.5, window: 10_000, minimum: 10 },
    });
    fail(9);
    expect(breaker.state).toBe('closed');
    clock.tick(11_000);
    for (let i = 0; i < 6; i++) breaker.tryAcquire()!.end('success');
    fail(5);
    expect(breaker.state).toBe('closed'); // 5 of 11
    fail();
    expect(breaker.state).toBe('open'); // 6 of 12
  });

  test('the wrong share, window or name of an option is refused', () => {
    expect(() => setUp({ errorRate: { threshold: 0 } })).toThrow(RangeError);
    expect(() => setUp({ errorRate: { threshold: 1.1 } })).toThrow(/threshold.*1\.1/);
    expect(() => setUp({ failureThreshold: 0 })).toThrow(/failureThreshold/);
    expect(() => setUp({ treshold: 1 } as never)).toThrow(/unknown option 'treshold'/);
  });
});

describe('open', () => {
  test('a call begun before opening cannot close it, nor keep it open', () => {
    const { breaker, clock, fail } = setUp();
    const [early, late] = [breaker.tryAcquire()!, breaker.tryAcquire()!];
    fail(3);
    early.end('success');
    expect(breaker.state).toBe('open');
    clock.tick(1000);
    const probe = breaker.tryAcquire()!;
    late.end('failure');
    expect(breaker.state).toBe('half-open');
    probe.end('success');
    expect(breaker.state).toBe('closed');
  });

  test('a call begun before opening does not count after closing either', () => {
    const { breaker, clock, fail } = setUp({ failureThreshold: 1 });
    const early = breaker.tryAcquire()!;
    fail();
    clock.tick(1000);
    breaker.tryAcquire()!.end('success');
    early.end('failure');
    expect(breaker.state).toBe('closed');
  });

  test('each failed probing keeps it open longer, up to the limit; closing starts over', () => {
    const { breaker, clock, fail } = setUp({ maxOpenDuration: 2500 });
    const waits: number[] = [];
    fail(3);
    for (let i = 0; i < 4; i++) {
      waits.push(breaker.retryAfter);
      clock.tick(breaker.retryAfter);
      fail();
    }
    expect(waits).toEqual([1000, 2000, 2500, 2500]);
    clock.tick(2500);
    breaker.tryAcquire()!.end('success');
    fail(3);
    expect(breaker.retryAfter).toBe(1000);
  });
});

describe('half-open', () => {
  function halfOpen(options: CircuitBreakerOptions = {}) {
    const all = setUp(options);
    all.fail(3);
    all.clock.tick(1000);
    return all;
  }

  test('lets through a bounded number of probes', () => {
    const { breaker } = halfOpen({ probes: 2 });
    const probes = [breaker.tryAcquire(), breaker.tryAcquire(), breaker.tryAcquire()];
    expect(probes.map((probe) => probe !== undefined)).toEqual([true, true, false]);
    probes[0]!.end('ignored');
    expect(breaker.state).toBe('half-open');
    expect(breaker.tryAcquire()).toBeDefined(); // the ignored probe's place is free again
  });

  test('closes after `successThreshold` successes', () => {
    const { breaker } = halfOpen({ successThreshold: 2 });
    breaker.tryAcquire()!.end('success');
    expect(breaker.state).toBe('half-open');
    breaker.tryAcquire()!.end('success');
    expect(breaker.state).toBe('closed');
  });

  test('a probe that never ends is a failed one at its deadline, and its late success is void', () => {
    const { breaker, clock } = halfOpen();
    const hanging = breaker.tryAcquire()!;
    clock.tick(499);
    expect(breaker.state).toBe('half-open');
    clock.tick(1);
    expect(breaker.state).toBe('open');
    expect(breaker.retryAfter).toBe(2000);
    hanging.end('success');
    expect(breaker.state).toBe('open');
  });

  test('looked at late, the transitions happened when they were due', () => {
    const { breaker, clock, changes } = halfOpen();
    breaker.tryAcquire();
    clock.tick(500 + 1999);
    expect(breaker.state).toBe('open');
    expect(breaker.retryAfter).toBe(1);
    clock.tick(1);
    expect(breaker.state).toBe('half-open');
    expect(changes).toEqual(['closed>open', 'open>half-open', 'half-open>open', 'open>half-open']);
  });
});

describe('execute', () => {
  test('passes result and error on, and refuses with CIRCUIT_OPEN and a Retry-After', async () => {
    const { breaker } = setUp({ name: 'reports', failureThreshold: 1 });
    await expect(breaker.execute(() => 5)).resolves.toBe(5);
    const boom = new Error('boom');
    await expect(breaker.execute(() => Promise.reject(boom))).rejects.toBe(boom);
    const fn = jest.fn();
    const refusal = await breaker.execute(fn).catch((error: unknown) => error as ResilienceError);
    expect(fn).not.toHaveBeenCalled();
    expect(refusal).toMatchObject({ code: 'CIRCUIT_OPEN', status: 503, retryAfter: 1 });
    expect((refusal as ResilienceError).message).toContain('reports');
  });

  test('a synchronous throw counts as a rejection does', async () => {
    const { breaker } = setUp({ failureThreshold: 1 });
    const thrower = (): never => {
      throw new Error('at once');
    };
    await expect(breaker.execute(thrower)).rejects.toThrow('at once');
    expect(breaker.state).toBe('open');
  });

  test.each([
    ['a cancelled call', new DOMException('stop', 'AbortError')],
    ['own shedding', new ResilienceError('QUEUE_FULL', 'too many')],
    ['an inner open circuit', new ResilienceError('CIRCUIT_OPEN', 'open')],
  ])('%s is no failure', async (_, error) => {
    const { breaker } = setUp({ failureThreshold: 1 });
    await expect(breaker.execute(() => Promise.reject(error))).rejects.toBe(error);
    expect(breaker.state).toBe('closed');
  });

  test('isFailure decides; one that throws counts the failure and hides nothing', async () => {
    const { breaker } = setUp({
      failureThreshold: 1,
      isFailure: (error) => {
        if ((error as Error).message === 'unclear') throw new Error('judge');
        return false;
      },
    });
    await expect(breaker.execute(() => Promise.reject(new Error('fine')))).rejects.toThrow('fine');
    expect(breaker.state).toBe('closed');
    await expect(breaker.execute(() => Promise.reject(new Error('unclear')))).rejects.toThrow('unclear');
    expect(breaker.state).toBe('open');
  });
});

test('reset closes and forgets, trip opens; calls in flight count no more', () => {
  const { breaker, fail, changes } = setUp();
  const inFlight = breaker.tryAcquire()!;
  breaker.trip();
  expect(breaker.state).toBe('open');
  breaker.reset();
  inFlight.end('failure');
  fail(2);
  expect(breaker.state).toBe('closed');
  expect(changes).toEqual(['closed>open', 'open>closed']);
});

test('a listener that throws does not affect the breaker; an unsubscribed one is not called', () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation();
  const { breaker, fail } = setUp();
  const removed = jest.fn();
  breaker.onStateChange(() => {
    throw new Error('mine');
  });
  breaker.onStateChange(removed)();
  fail(3);
  expect(breaker.state).toBe('open');
  expect(removed).not.toHaveBeenCalled();
  expect(warn).toHaveBeenCalledWith(
    expect.stringContaining('mine'),
    expect.objectContaining({ code: 'TOOLOO_LISTENER_FAILED' }),
  );
  warn.mockRestore();
});

test('property: never more probes than allowed, and only a probe of the present half-open closes', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('acquire' as const) }),
    fc.record({
      do: fc.constant('end' as const),
      pick: fc.nat(50),
      outcome: fc.constantFrom('success' as const, 'failure' as const, 'ignored' as const),
    }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(1500) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 3 }), (steps, probes) => {
      const { breaker, clock } = setUp({ probes });
      const open: { permit: Permit; at: number; state: string; round: number }[] = [];
      let round = 0;
      breaker.onStateChange(() => round++);
      for (const one of steps) {
        const before = breaker.state;
        if (one.do === 'wait') clock.tick(one.ms);
        if (one.do === 'acquire') {
          const permit = breaker.tryAcquire();
          if (before === 'open') expect(permit).toBeUndefined();
          if (permit !== undefined) open.push({ permit, at: clock.now(), state: before, round });
        }
        if (one.do === 'end' && open.length > 0) {
          const [call] = open.splice(one.pick % open.length, 1);
          const current = call!.round === round;
          call!.permit.end(one.outcome);
          if (before === 'half-open' && breaker.state === 'closed') {
            expect({ current, state: call!.state, outcome: one.outcome }).toEqual({
              current: true,
              state: 'half-open',
              outcome: 'success',
            });
          }
          if (before === 'open') expect(breaker.state).toBe('open');
        }
        if (breaker.state === 'half-open') {
          expect(open.filter((call) => call.round === round && call.state === 'half-open').length).toBeLessThanOrEqual(
            probes,
          );
        }
      }
    }),
  );
});

describe('execute as opossum has it', () => {
  test('a call beyond the timeout has failed, and its signal is aborted', async () => {
    const { breaker, clock } = setUp({ timeout: 100, failureThreshold: 1 });
    let signal: AbortSignal | undefined;
    const call = breaker.execute((given) => {
      signal = given;
      return new Promise(() => undefined);
    });
    const failed = expect(call).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
    await clock.advance(100);
    await failed;
    expect(signal?.aborted).toBe(true);
    expect(breaker.state).toBe('open');
    expect(breaker.getStats()).toMatchObject({ calls: 1, failures: 1, timeouts: 1, openings: 1 });
  });

  test.each([
    ['a reason of its own', new Error('enough'), undefined],
    ['a reason that looks like a failure', Object.assign(new Error('reset'), { code: 'ECONNRESET' }), undefined],
    ["axios' error", undefined, Object.assign(new Error('canceled'), { name: 'CanceledError', code: 'ERR_CANCELED' })],
  ])('what the caller aborted with %s is no failure', async (_, reason, error) => {
    const { breaker } = setUp({ failureThreshold: 1, isFailure: () => true });
    const caller = new AbortController();
    const call = breaker.execute(
      (signal) =>
        new Promise((__, reject) => {
          signal.addEventListener('abort', () => reject(error ?? (signal.reason as Error)));
        }),
      { signal: caller.signal, fallback: () => 'not asked for' },
    );
    caller.abort(reason);
    await expect(call).rejects.toBeInstanceOf(Error);
    expect(breaker.state).toBe('closed');
    expect(breaker.getStats()).toMatchObject({ ignored: 1, failures: 0, fallbacks: 0 });
  });

  test("a cancelled call of axios is no failure without the caller's signal either", async () => {
    const { breaker } = setUp({ failureThreshold: 1 });
    const canceled = Object.assign(new Error('canceled'), { name: 'CanceledError', code: 'ERR_CANCELED' });
    await expect(breaker.execute(() => Promise.reject(canceled))).rejects.toBe(canceled);
    expect(breaker.state).toBe('closed');
  });

  test('the fallback answers in place of failures and refusals, and events tell each', async () => {
    const { breaker, clock } = setUp({
      failureThreshold: 1,
      timeout: 50,
      fallback: (error) => (error as Error).message,
    });
    const heard: string[] = [];
    for (const event of ['success', 'failure', 'timeout', 'reject', 'fallback', 'open', 'halfOpen', 'close'] as const) {
      breaker.on(event, () => heard.push(event));
    }
    expect(await breaker.execute(() => Promise.reject(new Error('down')))).toBe('down');
    expect(await breaker.execute(() => 'not called')).toMatch(/the circuit is open/);
    await clock.advance(1000);
    expect(await breaker.execute(() => 'up')).toBe('up');
    expect(heard).toEqual(['open', 'failure', 'fallback', 'reject', 'fallback', 'halfOpen', 'close', 'success']);
    expect(breaker.getStats()).toEqual({
      calls: 2,
      successes: 1,
      failures: 1,
      timeouts: 0,
      ignored: 0,
      rejected: 1,
      fallbacks: 2,
      openings: 1,
    });
    expect(() => breaker.on('opened' as never, () => undefined)).toThrow(RangeError);
  });

  test('with an error rate only the share counts', async () => {
    const { breaker, fail } = setUp({ failureThreshold: undefined, errorRate: { threshold: 0.5, minimum: 100 } });
    fail(99);
    expect(breaker.state).toBe('closed');
    await Promise.resolve();
    fail();
    expect(breaker.state).toBe('open');
  });
});
