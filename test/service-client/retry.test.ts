import { retry, RetryBudget, type RetryOptions } from '../../src/service-client/index.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const boom = new Error('boom');

/** Starts a retry on a fake clock: how often it called, when, and how it ended. */
function start(call: (signal: AbortSignal, attempt: number) => unknown, options: RetryOptions = {}) {
  const clock = new FakeClock(0);
  const times: number[] = [];
  const counted = (signal: AbortSignal, attempt: number): unknown => {
    times.push(clock.now());
    return call(signal, attempt);
  };
  const result = retry(counted, { clock, random: () => 0.9999, ...options });
  const ended = jest.fn();
  result.then(ended, ended);
  return { clock, times, result, ended };
}

const failing = (): never => {
  throw boom;
};
const never = (): Promise<never> => new Promise(() => undefined);

test('settles with the first success, sync or async', async () => {
  await expect(start(() => 5).result).resolves.toBe(5);
  await expect(start(() => Promise.resolve(6)).result).resolves.toBe(6);
  const { clock, result, times } = start((_signal, attempt) => (attempt < 3 ? failing() : attempt));
  await clock.advance(1000);
  await expect(result).resolves.toBe(3);
  expect(times).toHaveLength(3);
});

test('waits [0, (2^n − 1) · 25 ms), at most 250 ms, and throws the last error', async () => {
  const { clock, result, times } = start(failing, { retries: 5 });
  const rejected = expect(result).rejects.toBe(boom);
  await clock.advance(2000);
  await rejected;
  const waits = times.slice(1).map((time, i) => Math.round(time - times[i]!));
  expect(waits).toEqual([25, 75, 175, 250, 250]);
  expect(clock.pendingTimers).toBe(0);
});

test('waits as long as the other side asks, unless the deadline comes first', async () => {
  const asked = start(failing, { retries: 1, retryAfter: () => 1000, timeout: 5000 });
  asked.result.catch(() => undefined);
  await asked.clock.advance(1000);
  expect(asked.times).toEqual([0, 1000]);
  const tooLong = start(failing, { retries: 1, retryAfter: () => 5000, timeout: 5000 });
  await expect(tooLong.result).rejects.toBe(boom); // at once: no use in waiting for what cannot be
  expect(tooLong.clock.pendingTimers).toBe(0);
});

test('only what may pass is tried again', async () => {
  const { result, times } = start(failing, { isRetryable: () => false });
  await expect(result).rejects.toBe(boom);
  expect(times).toEqual([0]);
});

test('the deadline ends a call that hangs and one that does not heed its signal', async () => {
  const seen: AbortSignal[] = [];
  const { clock, result } = start(
    (signal) => {
      seen.push(signal);
      return never();
    },
    { timeout: 300 },
  );
  const rejected = expect(result).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
  await clock.advance(300);
  await rejected;
  expect(seen[0]!.aborted).toBe(true);
  expect(clock.pendingTimers).toBe(0);
});

test('an attempt may have its own time, so that the next has some left', async () => {
  const { clock, result, times } = start((_signal, attempt) => (attempt === 1 ? never() : 'second'), {
    attemptTimeout: 100,
    timeout: 1000,
  });
  await clock.advance(200);
  await expect(result).resolves.toBe('second');
  expect(times[1]).toBeGreaterThanOrEqual(100);
  expect(clock.pendingTimers).toBe(0);
});

test('the caller ends it with its reason: before, in an attempt, in a wait', async () => {
  const reason = new Error('changed my mind');
  const before = start(() => 5, { signal: AbortSignal.abort(reason) });
  await expect(before.result).rejects.toBe(reason);
  for (const call of [never, failing]) {
    const controller = new AbortController();
    const { clock, result } = start(call, { signal: controller.signal, retries: 9, base: 1000, cap: 1000 });
    const rejected = expect(result).rejects.toBe(reason);
    await clock.advance(10);
    controller.abort(reason);
    await rejected;
    expect(clock.pendingTimers).toBe(0);
  }
});

test('a spent budget means no retry, and everything taken is given back', async () => {
  const budget = new RetryBudget({ min: 1, ratio: 0 });
  const first = start(failing, { budget, retries: 3 });
  const second = start(failing, { budget, retries: 3 });
  await expect(second.result).rejects.toBe(boom); // the first holds the only retry
  expect(second.times).toHaveLength(1);
  const rejected = expect(first.result).rejects.toBe(boom);
  await first.clock.advance(1000);
  await rejected;
  expect(first.times).toHaveLength(4);
  expect([budget.active, budget.retrying]).toEqual([0, 0]);
  const controller = new AbortController();
  const waiting = start(failing, { budget, signal: controller.signal, base: 1000, cap: 1000 });
  await waiting.clock.advance(1);
  expect(budget.retrying).toBe(1);
  controller.abort(new Error('left'));
  await expect(waiting.result).rejects.toThrow('left');
  expect([budget.active, budget.retrying]).toEqual([0, 0]);
});

test('reports each retry; a listener that throws does not fail the call', async () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation();
  const onRetry = jest.fn(() => {
    throw new Error('mine');
  });
  const { clock, result } = start((_signal, attempt) => (attempt === 1 ? failing() : 'good'), { onRetry });
  await clock.advance(100);
  await expect(result).resolves.toBe('good');
  expect(onRetry).toHaveBeenCalledWith(boom, 1, expect.any(Number));
  warn.mockRestore();
});

test('wrong options are named', async () => {
  await expect(retry(() => 5, { retries: -1 })).rejects.toThrow(/retry: option 'retries'/);
  await expect(retry(() => 5, { attempts: 3 } as never)).rejects.toThrow(/unknown option 'attempts'/);
});

test('maxRetries, as retries was called, is understood and warns once', async () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const call = jest.fn(() => Promise.reject(new Error('away')));
  for (let i = 0; i < 2; i++) await expect(retry(call, { maxRetries: 1, base: 0 } as never)).rejects.toThrow('away');
  expect(call).toHaveBeenCalledTimes(4);
  expect(warn.mock.calls).toEqual([
    ["retry: option 'maxRetries' is now called 'retries'", expect.objectContaining({ code: 'TOOLOO_OPTION_RENAMED' })],
  ]);
  warn.mockRestore();
});
