import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { ClusterPrimary } from '../../src/rate-limiting/cluster-primary.js';
import type { Answer, Request } from '../../src/rate-limiting/cluster-protocol.js';
import { ClusterWorker, type PrimaryChannel } from '../../src/rate-limiting/cluster-worker.js';
import { charge, ClusterStore, MemoryStore, RateLimiter, resolveQuota } from '../../src/rate-limiting/index.js';
import { FakeClock, rateLimitStoreCases, type RateLimitStoreFixture } from '../../src/testing.js';
import { PATIENT } from '../support/eventually.js';
import fc from '../support/fast-check.js';
import { bundleProgram, nextMessage, startProgram } from '../support/bundled-child.js';

const once10 = resolveQuota('once', { rateLimit: 10, refillRate: 0 });

/** A channel to a primary in this process. The messages are JSON, as they are between processes. */
function channelTo(
  primary: ClusterPrimary,
  deliver = (answer: () => void): void => void setImmediate(answer),
): PrimaryChannel {
  const listeners = new Set<(answer: Answer) => void>();
  return {
    send(request) {
      const text = JSON.stringify(request);
      deliver(() => {
        const answer = JSON.stringify(primary.answer(JSON.parse(text) as Request, 3));
        for (const listener of listeners) listener(JSON.parse(answer) as Answer);
      });
    },
    listen(onAnswer) {
      listeners.add(onAnswer);
      return () => listeners.delete(onAnswer);
    },
  };
}

function create(): RateLimitStoreFixture {
  const clock = new FakeClock();
  const memory = new MemoryStore({ clock });
  const store = new ClusterWorker('limits', PATIENT, channelTo(new ClusterPrimary(memory, clock)));
  return { store, advance: (ms) => clock.tick(ms), close: () => store.close() };
}

describe('conformance of a worker', () => {
  test.each(rateLimitStoreCases)('$name', ({ run }) => run(create));
});

test('decides as one store does, for any operations of any workers', async () => {
  const quotas = [once10, resolveQuota('window', { rateLimit: 5, refillRate: 1, algorithm: 'sliding-window' })];
  const step = fc.record({
    worker: fc.nat(2),
    name: fc.constantFrom('take' as const, 'spend' as const, 'refund' as const),
    keys: fc.array(fc.constantFrom('a', 'b'), { minLength: 2, maxLength: 2 }),
    cost: fc.nat(4),
    pause: fc.nat(700),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const clock = new FakeClock();
      const alone = new MemoryStore({ clock });
      const primary = new ClusterPrimary(new MemoryStore({ clock }), clock);
      const workers = [0, 1, 2].map(() => new ClusterWorker('limits', PATIENT, channelTo(primary)));
      for (const { worker, name, keys, cost, pause } of steps) {
        const here = quotas.map((quota, i) => charge(keys[i]!, quota, cost));
        const there = quotas.map((quota, i) => charge(keys[i]!, quota, cost));
        expect(await workers[worker]![name](there)).toEqual(alone[name](here));
        expect(there).toEqual(here);
        clock.tick(pause);
      }
      for (const worker of workers) worker.close();
    }),
  );
});

test('a request whose time is over is not charged', async () => {
  const clock = new FakeClock();
  const memory = new MemoryStore({ clock });
  const primary = new ClusterPrimary(memory, clock);
  let deliverNow: (() => void) | undefined;
  const slow = new ClusterWorker(
    'limits',
    1,
    channelTo(primary, (answer) => (deliverNow = answer)),
  );
  await expect(slow.take([charge('a', once10)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  deliverNow!();
  expect(memory.read('a', once10)).toBe(10);
  slow.close();
});

test('in a process without workers it is a store in memory, and stores of one name share it', () => {
  const [first, second] = [new ClusterStore({ name: 'shared' }), new ClusterStore({ name: 'shared' })];
  const other = new ClusterStore({ name: 'other' });
  const limiterOf = (store: ClusterStore) => new RateLimiter({ store, name: 'x', rateLimit: 3, refillRate: 0 });
  expect([1, 2].map(() => limiterOf(first).isAllowed('a'))).toEqual([true, true]);
  expect([1, 2].map(() => limiterOf(second).isAllowed('a'))).toEqual([true, false]);
  expect(limiterOf(other).isAllowed('a')).toBe(true);
  expect(first.instances).toBe(1);
  for (const store of [first, second, other]) {
    store.close();
    store.close();
  }
});

describe('in a cluster', () => {
  let folder: string;
  let bundle: string;
  let program: ChildProcess | undefined;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cluster-store-'));
    bundle = bundleProgram(join(__dirname, 'cluster-store-program.ts'), folder);
  });
  afterEach(() => program?.kill('SIGKILL'));
  afterAll(() => rmSync(folder, { recursive: true }));

  const run = (mode: string): Promise<unknown> => nextMessage((program = startProgram(bundle, mode)));

  test('four workers together admit exactly the limit', async () => {
    expect(await run('limit')).toEqual({ admitted: 1000, asked: 4000, failed: 0, instances: 5 });
  });

  test('without a store in the primary process, the error of a worker asks for one', async () => {
    const message = expect.stringContaining('in the primary process too') as string;
    expect(await run('alone')).toEqual({ code: 'STORE_UNAVAILABLE', message });
  });
});
