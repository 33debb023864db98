import { RequestDeduplicator } from '../../src/service-client/index.js';

/** Calls that end when the test settles them. */
function manual<T>() {
  const calls: Array<{ resolve(value: T): void; reject(error: unknown): void; signal: AbortSignal }> = [];
  const call = (signal: AbortSignal): Promise<T> =>
    new Promise((resolve, reject) => calls.push({ resolve, reject, signal }));
  return { calls, call };
}

test('calls of one key at the same time are one; other keys, and later calls, are their own', async () => {
  const deduplicator = new RequestDeduplicator<number>();
  const { calls, call } = manual<number>();
  const together = [deduplicator.run('a', call), deduplicator.run('a', call), deduplicator.run('b', call)];
  expect(calls).toHaveLength(2);
  calls[0]!.resolve(1);
  calls[1]!.resolve(2);
  await expect(Promise.all(together)).resolves.toEqual([1, 1, 2]);
  const later = deduplicator.run('a', call);
  calls[2]!.resolve(3);
  await expect(later).resolves.toBe(3);
  expect(deduplicator.getStats()).toEqual({ calls: 3, shared: 1, inFlight: 0 });
});

test('everybody gets the error, and nothing is kept', async () => {
  const deduplicator = new RequestDeduplicator<number>();
  const boom = new Error('boom');
  const failing = (): never => {
    throw boom;
  };
  const both = await Promise.allSettled([deduplicator.run('a', failing), deduplicator.run('a', failing)]);
  expect(both).toEqual([
    { status: 'rejected', reason: boom },
    { status: 'rejected', reason: boom },
  ]);
  expect(deduplicator.getStats().inFlight).toBe(0);
});

test('one caller leaving, the first too, leaves the call to the others', async () => {
  const deduplicator = new RequestDeduplicator<number>();
  const { calls, call } = manual<number>();
  const controller = new AbortController();
  const leaver = deduplicator.run('a', call, { signal: controller.signal });
  const stayer = deduplicator.run('a', call);
  const reason = new Error('left');
  controller.abort(reason);
  await expect(leaver).rejects.toBe(reason);
  expect(calls[0]!.signal.aborted).toBe(false);
  calls[0]!.resolve(7);
  await expect(stayer).resolves.toBe(7);
});

test('when the last caller leaves, the call is aborted with its reason, and a later caller starts anew', async () => {
  const deduplicator = new RequestDeduplicator<number>();
  const { calls, call } = manual<number>();
  const controllers = [new AbortController(), new AbortController()];
  const leavers = controllers.map(({ signal }) => deduplicator.run('a', call, { signal }));
  const reason = new Error('last');
  controllers[0]!.abort(new Error('first'));
  controllers[1]!.abort(reason);
  await expect(Promise.allSettled(leavers)).resolves.toMatchObject([
    { reason: { message: 'first' } },
    { reason: { message: 'last' } },
  ]);
  expect(calls[0]!.signal.reason).toBe(reason);
  const fresh = deduplicator.run('a', call);
  calls[0]!.reject(new Error('aborted')); // no caller is left to receive it
  calls[1]!.resolve(9);
  await expect(fresh).resolves.toBe(9);
});

test('a caller that has left already makes no call', async () => {
  const deduplicator = new RequestDeduplicator<number>();
  const { calls, call } = manual<number>();
  await expect(deduplicator.run('a', call, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
  expect(calls).toHaveLength(0);
});

test('with `copy`, no caller shares a value that another may change', async () => {
  const deduplicator = new RequestDeduplicator<{ list: number[] }>({ copy: (value) => structuredClone(value) });
  const { calls, call } = manual<{ list: number[] }>();
  const both = [deduplicator.run('a', call), deduplicator.run('a', call)];
  calls[0]!.resolve({ list: [1] });
  const [one, other] = await Promise.all(both);
  one!.list.push(2);
  expect(other).toEqual({ list: [1] });
});

test('a thousand callers that come and go leave nothing behind', async () => {
  const deduplicator = new RequestDeduplicator<number>();
  const { calls, call } = manual<number>();
  const controllers = Array.from({ length: 1000 }, () => new AbortController());
  const all = controllers.map(({ signal }, i) => deduplicator.run(`key ${i % 10}`, call, { signal }));
  controllers.forEach((controller, i) => i % 2 === 0 && controller.abort(new Error('left')));
  calls.forEach((one) => one.resolve(1));
  const settled = await Promise.allSettled(all);
  expect(settled.filter((one) => one.status === 'fulfilled')).toHaveLength(500);
  expect(deduplicator.getStats().inFlight).toBe(0);
});
