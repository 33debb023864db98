import { charge, MemoryStore, resolveQuota, type Charge } from '../../src/rate-limiting/index.js';
import { FairQueue } from '../../src/rate-limiting/fair-queue.js';
import { FakeClock } from '../../src/testing.js';

const budget = resolveQuota('service', { rateLimit: 10, refillRate: 10 });

function setUp(maxQueue = 10_000): {
  clock: FakeClock;
  store: MemoryStore;
  queue: FairQueue;
  served: string[];
  ask: (flow: string, cost?: number) => Promise<number>;
} {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const queue = new FairQueue({
    clock,
    take: (charges) => store.take(charges),
    refund: (charges) => store.refund(charges),
    maxQueue,
  });
  const served: string[] = [];
  const ask = (flow: string, cost = 1): Promise<number> => {
    const charges: Charge[] = [charge('all', budget, cost)];
    if (!queue.isAwaited(flow, charges) && store.take(charges)) {
      served.push(flow);
      return Promise.resolve(0);
    }
    const { granted } = queue.join(flow, charges, Infinity);
    return granted.then((waited) => {
      served.push(flow);
      return waited;
    });
  };
  return { clock, store, queue, served, ask };
}

/** 1 when all get the same, 1/n when one gets all (Jain, 1984). */
function jain(shares: readonly number[]): number {
  const sum = shares.reduce((a, b) => a + b, 0);
  return sum ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0));
}

function shares(served: readonly string[], flows: readonly string[]): number[] {
  return flows.map((flow) => served.filter((one) => one === flow).length);
}

test('nine clients with one request each do not wait behind a flood of a thousand', async () => {
  const { clock, served, ask } = setUp();
  await ask('flood', 10); // the budget is spent
  for (let i = 0; i < 1000; i++) void ask('flood');
  const waits = Promise.all(Array.from({ length: 9 }, (_, i) => ask(`client-${i}`)));
  await clock.advance(1_100);
  // Ten flows share ten tokens a second: within one round each of the nine has had its turn.
  for (const waited of await waits) expect(waited).toBeLessThanOrEqual(1_000);
  expect(shares(served, ['flood'])[0]).toBeLessThanOrEqual(3);
});

test('a shared budget is divided evenly, even if one client has more requests waiting', async () => {
  const { clock, served, ask } = setUp();
  const flows = Array.from({ length: 10 }, (_, i) => `client-${i}`);
  await ask('warm-up', 10);
  served.length = 0;
  flows.forEach((flow, i) => {
    for (let n = 0; n < 40 * (i + 1); n++) void ask(flow);
  });
  await clock.advance(30_000);
  const got = shares(served, flows);
  expect(got.reduce((a, b) => a + b)).toBe(300);
  expect(jain(got)).toBeGreaterThanOrEqual(0.99);
});

test('what is shared is tokens, not requests', async () => {
  const { clock, served, ask } = setUp();
  await ask('warm-up', 10);
  served.length = 0;
  for (let n = 0; n < 400; n++) void ask('small', 1);
  for (let n = 0; n < 100; n++) void ask('large', 5);
  await clock.advance(60_000);
  const [small, large] = shares(served, ['small', 'large']) as [number, number];
  expect(jain([small, large * 5])).toBeGreaterThanOrEqual(0.99);
  expect(small + 5 * large).toBeGreaterThanOrEqual(590);
});

test('a large request is not starved by small ones that take each token as it comes', async () => {
  const { clock, ask } = setUp();
  await ask('warm-up', 10);
  for (let n = 0; n < 500; n++) void ask('small', 1);
  const large = ask('large', 10);
  await clock.advance(5_000);
  expect(await large).toBeLessThanOrEqual(3_000);
});

test('the queue is bounded, and a full queue makes room for a client with fewer requests waiting', async () => {
  const { clock, queue, ask } = setUp(5);
  await ask('warm-up', 10);
  const flood = Array.from({ length: 5 }, () => ask('flood').catch((error: { code: string }) => error.code));
  expect(() => queue.join('flood', [charge('all', budget)], Infinity)).toThrow(/5 are waiting/);
  const other = ask('other');
  expect(queue.size).toBe(5);
  expect(await flood[4]).toBe('QUEUE_FULL');
  await clock.advance(200);
  expect(await other).toBeLessThanOrEqual(200);
});

test('a store that fails refuses the waiter with its error, and goes on with the next', async () => {
  const clock = new FakeClock();
  let failure: Error | undefined = new Error('away');
  const queue = new FairQueue({
    clock,
    take: () => {
      const thrown = failure;
      failure = undefined;
      return thrown === undefined ? true : Promise.reject(thrown);
    },
    refund: () => undefined,
    maxQueue: 10,
  });
  const first = queue.join('a', [charge('a', budget)], Infinity).granted;
  const second = queue.join('a', [charge('a', budget)], Infinity).granted;
  const failed = expect(first).rejects.toThrow('away');
  await clock.advance(1);
  await failed;
  await expect(second).resolves.toBe(1);
  expect(clock.pendingTimers).toBe(0);
});

test('a store that refuses without saying when is asked again, not for ever at once', async () => {
  const clock = new FakeClock();
  let asked = 0;
  const queue = new FairQueue({ clock, take: () => ++asked > 3, refund: () => undefined, maxQueue: 10 });
  const waiting = queue.join('a', [charge('a', budget)], Infinity).granted;
  await clock.advance(10);
  expect(await waiting).toBe(4);
});
