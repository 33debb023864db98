/** Thousands of random things done to a pool and its database, against what must always hold. */
import fc from '../support/fast-check.js';
import { ConnectionPool, type PooledConnection } from '../../src/database/index.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { FakeConnections, type CreateBehaviour, type FakeConnection } from '../../src/testing/fake-connections.js';

interface Caller {
  readonly number: number;
  readonly abort: AbortController;
  state: 'waiting' | 'served' | 'refused' | 'returned';
  connection?: PooledConnection<FakeConnection>;
}

/** A pool with what it should look like beside it. */
class Model {
  readonly clock = new FakeClock();
  readonly database = new FakeConnections();
  readonly pool: ConnectionPool<FakeConnection>;
  readonly callers: Caller[] = [];
  readonly maxConnections: number;
  healthChecks = 0;

  constructor(maxConnections: number, minConnections: number) {
    this.maxConnections = maxConnections;
    this.pool = new ConnectionPool({
      factory: this.database,
      clock: this.clock,
      maxConnections,
      minConnections: Math.min(minConnections, maxConnections),
      connectionTimeout: 2000,
      validationTimeout: 300,
      idleTimeout: 5000,
      maxLifetime: 20_000,
      keepaliveTime: 3000,
      leakDetectionThreshold: 4000,
      onLeak: () => undefined,
    });
  }

  async healthCheck(): Promise<void> {
    this.healthChecks++;
    await this.pool.healthCheck();
    this.healthChecks--;
  }

  acquire(timeout?: number): void {
    const caller: Caller = { number: this.callers.length, abort: new AbortController(), state: 'waiting' };
    this.callers.push(caller);
    this.pool.acquire({ signal: caller.abort.signal, timeout }).then(
      (connection) => {
        caller.state = 'served';
        caller.connection = connection;
        this.checkServed(caller);
      },
      () => (caller.state = 'refused'),
    );
  }

  /** The one with this index among those in the state, counted round. */
  pick(state: Caller['state'], index: number): Caller | undefined {
    const some = this.callers.filter((caller) => caller.state === state);
    return some[index % some.length];
  }

  release(index: number): void {
    const caller = this.pick('served', index);
    if (caller === undefined) return;
    caller.state = 'returned';
    caller.connection!.release();
  }

  checkServed(caller: Caller): void {
    // First come, first served: no earlier caller is still waiting.
    const passed = this.callers.filter(({ number, state }) => number < caller.number && state === 'waiting');
    expect(passed.map(({ number }) => number)).toEqual([]);
    // Each connection has at most one borrower.
    const holders = this.callers.filter(({ state }) => state === 'served').map(({ connection }) => connection!.id);
    expect(new Set(holders).size).toBe(holders.length);
  }

  checkAlways(): void {
    const holders = this.callers.filter(({ state }) => state === 'served');
    const stats = this.pool.getStats();
    expect(this.database.mostOpen).toBeLessThanOrEqual(this.maxConnections);
    expect(stats.poolSize + stats.connecting).toBeLessThanOrEqual(this.maxConnections);
    expect(stats.activeCount).toBe(holders.length);
    expect(this.pool.activeConnections.size).toBe(holders.length);
    expect(stats.availableConnections).toBeLessThanOrEqual(stats.poolSize - stats.activeCount);
    // A health check of an empty pool is a caller too.
    const waiting = this.callers.filter(({ state }) => state === 'waiting').length;
    expect(stats.waitingRequests).toBeGreaterThanOrEqual(waiting);
    expect(stats.waitingRequests).toBeLessThanOrEqual(waiting + this.healthChecks);
  }
}

type Action = (model: Model) => void | Promise<unknown>;

const index = fc.nat(50);
const behaviour = fc.constantFrom<CreateBehaviour>('open', 'open', 'fail', 'hang');

const action: fc.Arbitrary<readonly [string, Action]> = fc.oneof(
  { weight: 8, arbitrary: fc.constant(['acquire', (m: Model) => m.acquire()] as const) },
  {
    weight: 2,
    arbitrary: fc.nat(3000).map((ms) => [`acquire within ${ms}`, (m: Model) => m.acquire(ms + 1)] as const),
  },
  { weight: 8, arbitrary: index.map((i) => [`release ${i}`, (m: Model) => m.release(i)] as const) },
  {
    weight: 2,
    arbitrary: index.map(
      (i) => [`release again ${i}`, (m: Model) => m.pick('returned', i)?.connection?.release()] as const,
    ),
  },
  {
    weight: 2,
    arbitrary: index.map(
      (i) => [`cancel ${i}`, (m: Model) => m.pick('waiting', i)?.abort.abort(new Error('gone'))] as const,
    ),
  },
  {
    weight: 2,
    arbitrary: index.map(
      (i) =>
        [
          `begin ${i}`,
          (m: Model) =>
            m
              .pick('served', i)
              ?.connection?.query('BEGIN')
              .catch(() => undefined),
        ] as const,
    ),
  },
  {
    weight: 1,
    arbitrary: index.map(
      (i) =>
        [
          `break ${i}`,
          (m: Model) => void m.database.created.slice(i % 5).forEach((one) => (one.isAlive = false)),
        ] as const,
    ),
  },
  {
    weight: 1,
    arbitrary: index.map(
      (i) =>
        [
          `cannot roll back ${i}`,
          (m: Model) => void m.database.created.slice(i % 5).forEach((one) => (one.resetError = new Error('x'))),
        ] as const,
    ),
  },
  { weight: 1, arbitrary: fc.constant(['restart', (m: Model) => m.database.breakAll()] as const) },
  {
    weight: 2,
    arbitrary: behaviour.map((how) => [`database ${how}`, (m: Model) => void (m.database.behaviour = how)] as const),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom<'open' | 'fail'>('open', 'fail')
      .map((how) => [`settle ${how}`, (m: Model) => void m.database.settleOne(how)] as const),
  },
  { weight: 1, arbitrary: fc.constant(['health', (m: Model) => void m.healthCheck()] as const) },
  { weight: 6, arbitrary: fc.nat(3000).map((ms) => [`wait ${ms}`, (m: Model) => m.clock.advance(ms)] as const) },
);

async function run(model: Model, actions: ReadonlyArray<readonly [string, Action]>): Promise<void> {
  for (const [, act] of actions) {
    await act(model);
    await model.clock.advance(0);
    model.checkAlways();
  }
  // However it stands now, a drain ends, and leaves nothing.
  const drained = model.pool.drain({ timeout: 1000 });
  await model.clock.advance(10_000);
  await drained;
  for (let hanging = true; hanging;) hanging = model.database.settleOne('open');
  await model.clock.advance(10_000);
  expect(model.callers.filter(({ state }) => state === 'waiting')).toEqual([]);
  expect(model.database.open).toBe(0);
  expect(model.clock.pendingTimers).toBe(0);
  expect(model.pool.getStats()).toMatchObject({ poolSize: 0, activeCount: 0, waitingRequests: 0, connecting: 0 });
}

test('never above the maximum, never two borrowers, first come first served, nothing leaked, drain ends', async () => {
  const script = fc.array(action, { minLength: 1, maxLength: 80 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.nat(3), script, (max, min, actions) =>
      run(new Model(max, min), actions),
    ),
    { numRuns: 300 },
  );
}, 60_000);
