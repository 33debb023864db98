import { ConnectionPool, type ConnectionPoolOptions, type PooledConnection } from '../../src/database/index.js';
import { installInstrumentation, type Instrumentation, type RecordedSpan } from '../../src/shared/instrumentation.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { FakeConnection, FakeConnections } from '../../src/testing/fake-connections.js';
import { until } from '../support/eventually.js';

type Options = Omit<ConnectionPoolOptions<FakeConnection>, 'factory' | 'clock'>;

let clock: FakeClock;
let database: FakeConnections;
let pool: ConnectionPool<FakeConnection>;

function open(options: Options = {}): ConnectionPool<FakeConnection> {
  pool = new ConnectionPool({ minConnections: 0, maxConnections: 2, ...options, factory: database, clock });
  return pool;
}

beforeEach(() => {
  clock = new FakeClock();
  database = new FakeConnections();
});

afterEach(async () => {
  const closing = pool.close();
  await clock.advance(60_000);
  await closing;
  expect(clock.pendingTimers).toBe(0);
  expect(database.open).toBe(0);
  installInstrumentation(undefined);
});

/** A tracer of which only these parts matter. */
function instrument(parts: Partial<Instrumentation>): void {
  const none = (): undefined => undefined;
  const nothing = { startSpan: none, inject: none, current: none, currentRoute: none, nameRoute: none };
  installInstrumentation({ ...nothing, bind: (callback) => callback, ...parts });
}

function fail(): never {
  throw new Error('cannot close');
}

/** Lets promises settle. */
const settle = (): Promise<void> => clock.advance(0);

/** The value or error of a promise that has settled by now; otherwise a symbol. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  let seen: unknown = Symbol('pending');
  promise.then(
    (value) => (seen = value),
    (error: unknown) => (seen = error),
  );
  await settle();
  return seen;
}

const isPending = async (promise: Promise<unknown>): Promise<boolean> => typeof (await outcome(promise)) === 'symbol';

describe('options', () => {
  afterEach(() => open());

  test('name what is wrong', () => {
    expect(() => new ConnectionPool({ maxConnection: 3 } as never)).toThrow("did you mean 'maxConnections'");
    expect(() => new ConnectionPool({ maxConnections: 0 })).toThrow(RangeError);
    expect(() => new ConnectionPool({ minConnections: 5, maxConnections: 4 })).toThrow(
      'at most maxConnections (4), got 5',
    );
    expect(() => new ConnectionPool({ factory: {} as never })).toThrow('a connection factory');
  });

  test('a single connection needs no minConnections beside it', async () => {
    const single = new ConnectionPool({ maxConnections: 1 });
    await single.initialize();
    expect(single.getStats().poolSize).toBe(1);
    await single.close();
  });
});

describe('lending', () => {
  test('initialize opens the minimum', async () => {
    open({ minConnections: 2, maxConnections: 4 });
    await pool.initialize();
    expect(pool.connections).toHaveLength(2);
    expect(pool.getStats()).toMatchObject({ poolSize: 2, activeCount: 0, availableConnections: 2, utilization: 0 });
    await pool.initialize();
    expect(database.attempts).toBe(2);
  });

  test('lends what is idle, opens what is missing, never more than the maximum', async () => {
    open({ maxConnections: 2 });
    const first = await pool.acquire();
    const second = await pool.acquire();
    expect(pool.activeConnections).toEqual(new Set([first, second]));
    expect(await isPending(pool.acquire())).toBe(true);
    expect(pool.getStats()).toMatchObject({ poolSize: 2, activeCount: 2, waitingRequests: 1, utilization: 1 });
    expect(database.mostOpen).toBe(2);
  });

  test('prefers the connection used last', async () => {
    open();
    const first = await pool.acquire();
    const second = await pool.acquire();
    first.release();
    second.release();
    expect((await pool.acquire()).id).toBe(second.id);
  });

  test('serves in the order of asking', async () => {
    open({ maxConnections: 1 });
    const held = await pool.acquire();
    const served: number[] = [];
    const callers = [1, 2, 3].map((number) =>
      pool.acquire().then((connection) => {
        served.push(number);
        return connection;
      }),
    );
    await settle();
    held.release();
    for (const caller of callers) {
      const connection = await caller;
      connection.release();
    }
    expect(served).toEqual([1, 2, 3]);
  });

  test('a caller gets the first available connection, returned or newly opened', async () => {
    open({ maxConnections: 2 });
    const held = await pool.acquire();
    database.behaviour = 'hang';
    const waiting = pool.acquire();
    await settle();
    expect(database.attempts).toBe(2);
    held.release();
    expect((await waiting).id).toBe(held.id);
    database.settleOne('open');
    await settle();
    expect(pool.getStats().availableConnections).toBe(1);
  });

  test('opens no more than callers wait for', async () => {
    open({ maxConnections: 10 });
    database.behaviour = 'hang';
    void pool.acquire().catch(() => undefined);
    void pool.acquire().catch(() => undefined);
    await settle();
    expect(database.attempts).toBe(2);
    expect(pool.getStats().connecting).toBe(2);
  });

  test('use gives back also when the work throws', async () => {
    open();
    const using = pool.use(() => {
      throw new Error('work failed');
    });
    await expect(using).rejects.toThrow('work failed');
    expect(pool.getStats().activeCount).toBe(0);
  });

  test('a borrowed connection gives itself back at the end of its block', async () => {
    open();
    {
      await using connection = await pool.acquire();
      expect(connection.isReleased).toBe(false);
    }
    expect(pool.getStats().activeCount).toBe(0);
  });

  test('transaction commits, or rolls back and passes the error on', async () => {
    open();
    await expect(pool.transaction(async (one) => (await one.query('INSERT')).rowCount)).resolves.toBe(0);
    const failing = pool.transaction(() => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(database.created[0]!.statements).toEqual([
      'BEGIN IMMEDIATE',
      'INSERT',
      'COMMIT',
      'BEGIN IMMEDIATE',
      'ROLLBACK',
    ]);
  });
});

describe('giving back', () => {
  test('twice is once, and does not take it from its next borrower', async () => {
    open({ maxConnections: 1 });
    const first = await pool.acquire();
    pool.release(first);
    const second = await pool.acquire();
    pool.release(first);
    expect(pool.getStats()).toMatchObject({ activeCount: 1, availableConnections: 0 });
    expect(await isPending(pool.acquire())).toBe(true);
    expect(second.isReleased).toBe(false);
  });

  test('ends what a borrower can do with it', async () => {
    open();
    const connection = await pool.acquire();
    connection.release();
    await expect(connection.query('SELECT 1')).rejects.toThrow('already given back');
    expect(() => connection.connection).toThrow('already given back');
    expect(database.created[0]!.statements).toEqual([]);
  });

  test('rolls back a transaction left open', async () => {
    open({ maxConnections: 1 });
    const dirty = await pool.acquire();
    await dirty.query('BEGIN');
    const next = pool.acquire();
    dirty.release();
    await next;
    expect(database.created[0]!.statements).toEqual(['BEGIN', 'ROLLBACK']);
    expect(pool.getStats().dirtyReturns).toBe(1);
  });

  test('closes a connection that cannot be rolled back, and opens another one for the waiting caller', async () => {
    open({ maxConnections: 1 });
    const dirty = await pool.acquire();
    await dirty.query('BEGIN');
    database.created[0]!.resetError = new Error('gone');
    const next = pool.acquire();
    dirty.release();
    expect((await next).id).not.toBe(dirty.id);
    expect(database.open).toBe(1);
  });

  test('closes what died while borrowed', async () => {
    open({ maxConnections: 1 });
    const connection = await pool.acquire();
    database.breakAll();
    connection.release();
    await settle();
    expect(pool.getStats()).toMatchObject({ poolSize: 0, closed: 1 });
  });
});

describe('waiting', () => {
  test('ends after the timeout, with an error that says why', async () => {
    open({ maxConnections: 1, connectionTimeout: 1000, name: 'orders' });
    await pool.acquire();
    const waiting = pool.acquire();
    await clock.advance(999);
    expect(await isPending(waiting)).toBe(true);
    await clock.advance(1);
    expect(await outcome(waiting)).toMatchObject({
      code: 'POOL_TIMEOUT',
      message: expect.stringMatching(/pool 'orders': timeout.*1000 ms \(1 of 1 in use/),
    });
    expect(pool.getStats()).toMatchObject({ timeouts: 1, waitingRequests: 0 });
  });

  test('ends for each caller after its own timeout, regardless of how long earlier callers wait', async () => {
    open({ maxConnections: 1, connectionTimeout: 1000 });
    const held = await pool.acquire();
    const began = clock.now();
    const ended: string[] = [];
    const wait = (name: string, timeout?: number): void => {
      const note = (how: string) => () => void ended.push(`${name} ${how} at ${clock.now() - began}`);
      pool.acquire({ timeout }).then(note('served'), note('refused'));
    };
    wait('first');
    wait('impatient', 300);
    wait('patient', 2500);
    await clock.advance(400);
    wait('second');
    await clock.advance(200);
    held.release(); // the first caller gets it and keeps it
    wait('third');
    await clock.advance(3000);
    expect(ended).toEqual([
      'impatient refused at 300',
      'first served at 600',
      'second refused at 1400',
      'third refused at 1600',
      'patient refused at 2500',
    ]);
  });

  test('names the failure to connect as the cause', async () => {
    open({ connectionTimeout: 1000 });
    database.behaviour = 'fail';
    const waiting = pool.acquire();
    await clock.advance(1000);
    expect(await outcome(waiting)).toMatchObject({
      code: 'POOL_TIMEOUT',
      message: expect.stringContaining('connection refused'),
      cause: expect.objectContaining({ message: 'connection refused' }),
    });
  });

  test('ends when its signal aborts, and lets the next one through', async () => {
    open({ maxConnections: 1 });
    const held = await pool.acquire();
    const abort = new AbortController();
    const gone = pool.acquire({ signal: abort.signal });
    const patient = pool.acquire();
    abort.abort(new Error('client gone'));
    await expect(gone).rejects.toThrow('client gone');
    held.release();
    expect((await patient).id).toBe(held.id);
    await expect(pool.acquire({ signal: abort.signal })).rejects.toThrow('client gone');
  });

  test('has room for a limited number', async () => {
    open({ maxConnections: 1, maxWaiting: 1 });
    await pool.acquire();
    void pool.acquire().catch(() => undefined);
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'QUEUE_FULL' });
  });

  test('a timeout below 250 ms warns once', () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    open({ connectionTimeout: 100 });
    new ConnectionPool({ connectionTimeout: 100, factory: database });
    expect(warn).toHaveBeenCalledTimes(1);
    warn.mockRestore();
  });
});

describe('validation', () => {
  test('on borrow, of what was idle for more than 500 ms', async () => {
    open();
    const validate = jest.fn(() => true);
    pool = new ConnectionPool({ minConnections: 0, factory: database, clock, validate });
    (await pool.acquire()).release();
    await clock.advance(500);
    (await pool.acquire()).release();
    expect(validate).not.toHaveBeenCalled();
    await clock.advance(501);
    (await pool.acquire()).release();
    expect(validate).toHaveBeenCalledTimes(1);
  });

  test('before every borrowing, if wanted, ends with the connection lent', async () => {
    await using validated = new ConnectionPool({ validateAfterIdle: 0 }); // on the real clock, which never stands still
    for (let i = 0; i < 10; i++) {
      await validated.use((connection) => connection.query('SELECT 1'));
      await new Promise((resolve) => setImmediate(resolve));
    }
    open();
  });

  test('replaces what fails it', async () => {
    open({ minConnections: 0 });
    const first = await pool.acquire();
    first.release();
    database.created[0]!.isAlive = false;
    await clock.advance(1000);
    const second = await pool.acquire();
    expect(second.id).not.toBe(first.id);
    expect(pool.getStats()).toMatchObject({ poolSize: 1, validationFailures: 1 });
    expect(database.created[0]!.closings).toBe(1);
  });

  test('that hangs is a failure, and that throws', async () => {
    const answers = [new Promise<boolean>(() => undefined), Promise.reject(new Error('broken'))];
    answers[1]!.catch(() => undefined);
    pool = new ConnectionPool({
      minConnections: 0,
      factory: database,
      clock,
      validationTimeout: 300,
      validate: () => answers.shift()!,
    });
    (await pool.acquire()).release();
    await clock.advance(1000);
    const second = pool.acquire();
    await clock.advance(300);
    (await second).release();
    await clock.advance(1000);
    await pool.acquire();
    expect(pool.getStats()).toMatchObject({ created: 3, validationFailures: 2 });
  });

  test('does not let a later caller pass an earlier one', async () => {
    open({ maxConnections: 2 });
    const [a, b] = [await pool.acquire(), await pool.acquire()];
    a.release();
    await clock.advance(1000);
    const order: string[] = [];
    const named = (name: string) => async (): Promise<PooledConnection<FakeConnection>> => {
      const connection = await pool.acquire();
      order.push(name);
      return connection;
    };
    const early = named('early')();
    const late = named('late')();
    b.release(); // fresh, while the other is still being validated
    expect((await early).id).toBe(b.id);
    await late;
    expect(order).toEqual(['early', 'late']);
  });

  test('healthCheck counts, and closes what does not answer', async () => {
    open({ minConnections: 0, maxConnections: 3 });
    const all = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
    all[0]!.release();
    all[1]!.release();
    database.created[0]!.isAlive = false;
    expect(await pool.healthCheck()).toEqual({ healthy: 2, unhealthy: 1, total: 3 });
    expect(pool.getStats().poolSize).toBe(2);
  });

  test('healthCheck of an empty pool tries to open a connection', async () => {
    open({ minConnections: 0 });
    expect(await pool.healthCheck()).toEqual({ healthy: 1, unhealthy: 0, total: 1 });
    database.breakAll();
    await clock.advance(600_000);
    expect(pool.getStats().poolSize).toBe(0);
    database.behaviour = 'fail';
    const check = pool.healthCheck();
    await clock.advance(5000);
    expect(await check).toEqual({ healthy: 0, unhealthy: 1, total: 1 });
  });
});

describe('a connection grows old', () => {
  test('and is replaced after its lifetime, ± 25 %, never all at once', async () => {
    open({ minConnections: 20, maxConnections: 20, maxLifetime: 100_000, idleTimeout: 1e9 });
    await pool.initialize();
    const [firstGeneration] = [database.created.slice()];
    await clock.advance(74_000);
    expect(firstGeneration.filter((one) => !one.isOpen)).toHaveLength(0);
    await clock.advance(30_000);
    await until(() => firstGeneration.some((one) => !one.isOpen)); // closing takes turns of the event loop
    expect(firstGeneration.filter((one) => !one.isOpen).length).toBeLessThan(20);
    await clock.advance(60_000);
    await until(() => firstGeneration.every((one) => !one.isOpen));
    expect(pool.getStats().poolSize).toBe(20);
    expect(database.mostOpen).toBe(20);
  });

  test('and is not lent nor kept past it', async () => {
    open({ maxLifetime: 1000, maxConnections: 1 });
    const first = await pool.acquire();
    await clock.advance(1300);
    first.release();
    expect((await pool.acquire()).id).not.toBe(first.id);
  });

  test('idle ones above the minimum are closed after idleTimeout', async () => {
    open({ minConnections: 1, maxConnections: 3, idleTimeout: 10_000 });
    const all = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
    all.forEach((one) => one.release());
    await clock.advance(9000);
    expect(pool.getStats().poolSize).toBe(3);
    await clock.advance(6001);
    expect(pool.getStats().poolSize).toBe(1);
    await clock.advance(60_000);
    expect(pool.getStats().poolSize).toBe(1);
  });

  test('idle ones are pinged, which does not keep them from being trimmed', async () => {
    const validate = jest.fn(() => true);
    pool = new ConnectionPool({
      minConnections: 0,
      factory: database,
      clock,
      validate,
      keepaliveTime: 1000,
      idleTimeout: 5000,
    });
    (await pool.acquire()).release();
    await clock.advance(4000);
    expect(validate.mock.calls.length).toBeGreaterThanOrEqual(2);
    await clock.advance(4000);
    expect(pool.getStats().poolSize).toBe(0);
  });

  test('what dies while idle is replaced up to the minimum', async () => {
    open({ minConnections: 2, maxConnections: 3, keepaliveTime: 10_000 });
    await pool.initialize();
    database.breakAll();
    await clock.advance(10_000);
    expect(pool.getStats()).toMatchObject({ poolSize: 2, created: 4, closed: 2 });
  });
});

describe('the database refuses', () => {
  test('attempts back off from 10 ms, and never pass a quarter of a second while somebody waits', async () => {
    open({ maxConnections: 5 });
    database.behaviour = 'fail';
    const callers = Array.from({ length: 5 }, () => pool.acquire().catch((error: unknown) => error));
    await clock.advance(10_000);
    // 5 at once, then one at a time: 10, 20, 40 … 250 ms apart, then every 125 to 250 ms.
    expect(database.attempts).toBeGreaterThan(5 + 25);
    expect(database.attempts).toBeLessThan(5 + 110);
    database.behaviour = 'open';
    await clock.advance(300);
    const connections = (await Promise.all(callers)) as PooledConnection[];
    expect(new Set(connections.map(({ id }) => id)).size).toBe(5);
  });

  test('without waiting callers the pauses grow to 5 s, and a new caller cuts them short', async () => {
    open({ minConnections: 1 });
    database.behaviour = 'fail';
    const initializing = pool.initialize();
    await expect(initializing).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    await clock.advance(60_000);
    const before = database.attempts;
    await clock.advance(10_000);
    expect(database.attempts - before).toBeLessThanOrEqual(4);
    database.behaviour = 'open';
    const waiting = pool.acquire();
    await clock.advance(500);
    expect(await isPending(waiting)).toBe(false);
  });

  test('initialize fails, and the pool goes on trying', async () => {
    const onError = jest.fn();
    open({ minConnections: 2, onError });
    database.behaviour = 'fail';
    await expect(pool.initialize()).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ message: 'connection refused' }));
    database.behaviour = 'open';
    await clock.advance(100);
    expect(pool.getStats().poolSize).toBe(2);
  });

  test('an attempt that hangs is given up, and what it delivers late is closed', async () => {
    open({ connectionTimeout: 1000, validationTimeout: 500, maxConnections: 1 });
    database.behaviour = 'hang';
    const waiting = pool.acquire({ timeout: 5000 });
    await clock.advance(1000);
    database.behaviour = 'open';
    await clock.advance(400);
    expect(database.attempts).toBe(1); // what it might still deliver would be one too many
    await clock.advance(200);
    await waiting;
    database.settleOne('open');
    await settle();
    expect(database.created[1]!.closings).toBe(1);
    expect(pool.getStats().poolSize).toBe(1);
  });

  test('what an abandoned attempt delivers soon is closed before another is made', async () => {
    open({ connectionTimeout: 1000, maxConnections: 1 });
    database.behaviour = 'hang';
    const waiting = pool.acquire({ timeout: 5000 });
    await clock.advance(1500);
    database.settleOne('open');
    database.behaviour = 'open';
    await clock.advance(300);
    await waiting;
    expect(database.created[0]!.closings).toBe(1);
    expect(database.mostOpen).toBe(1);
  });

  test.each([
    ['nothing', () => undefined, /lacks query\(\), reset\(\), ping\(\), close\(\), isOpen, isDirty/],
    ['a number', () => 7, /lacks query/],
    ['one without isOpen', () => Object.assign(new FakeConnection(1, () => 0), { isOpen: undefined }), /lacks isOpen/],
    ['one that is closed', () => Object.assign(new FakeConnection(1, () => 0), { isOpen: false }), /is not open/],
  ])('a factory that delivers %s fails like a database that refuses', async (_, deliver: () => unknown, message) => {
    const errors: unknown[] = [];
    let attempts = 0;
    const broken = new ConnectionPool({
      minConnections: 0,
      connectionTimeout: 300,
      clock,
      onError: (error) => errors.push(error),
      factory: {
        dialect: 'sqlite',
        create: () => {
          attempts++;
          return deliver() as FakeConnection;
        },
      },
    });
    const refused = expect(broken.acquire()).rejects.toThrow(message);
    await clock.advance(300);
    await refused;
    expect(errors[0]).toMatchObject({ code: 'CONNECTION_FAILED', message: expect.stringMatching(message) as unknown });
    expect(attempts).toBeLessThan(10);
    await broken.close();
  });

  test.each(['isOpen', 'isDirty', 'reset', 'close', 'ping'] as const)(
    'the place in the pool becomes free when %s throws',
    async (member) => {
      open({ maxConnections: 1, minConnections: 0 });
      const first = await pool.acquire();
      Object.defineProperty(first.connection, member, {
        get: () => {
          throw new Error('broken');
        },
      });
      if (member === 'close' || member === 'reset') first.connection.isDirty = true;
      first.release();
      await settle();
      await clock.advance(6000);
      const second = await pool.acquire();
      expect(pool.getStats().activeCount).toBe(1);
      second.release();
      database.open -= member === 'close' ? 1 : 0; // it could not be closed
    },
  );

  test('a factory that throws is one that rejects', async () => {
    open();
    const broken = new ConnectionPool({
      minConnections: 0,
      connectionTimeout: 300,
      clock,
      factory: {
        dialect: 'sqlite',
        create: () => {
          throw new Error('no driver');
        },
      },
    });
    const waiting = broken.acquire();
    await clock.advance(300);
    expect(await outcome(waiting)).toMatchObject({
      code: 'POOL_TIMEOUT',
      message: expect.stringContaining('no driver'),
    });
    await broken.close();
  });
});

describe('leaks', () => {
  test('are reported once, with the borrower’s stack', async () => {
    const onLeak = jest.fn();
    open({ leakDetectionThreshold: 1000, onLeak });
    async function forgetful(): Promise<void> {
      await pool.acquire();
    }
    await forgetful();
    await clock.advance(999);
    expect(onLeak).not.toHaveBeenCalled();
    await clock.advance(5000);
    expect(onLeak).toHaveBeenCalledTimes(1);
    expect(onLeak.mock.calls[0][0]).toMatchObject({ id: 1, stack: expect.stringContaining('forgetful') });
    expect(onLeak.mock.calls[0][0].stack).not.toContain('recordOrigin');
    expect(pool.getStats().leaks).toBe(1);
  });

  test('have no stack where more than a hundred connections were lent in that second', async () => {
    const onLeak = jest.fn();
    open({ leakDetectionThreshold: 1000, onLeak });
    for (let i = 0; i < 100; i++) (await pool.acquire()).release();
    await pool.acquire();
    await clock.advance(1000);
    await pool.acquire();
    await clock.advance(2000);
    const stacks = onLeak.mock.calls.map(([{ stack }]) => stack);
    expect(stacks).toEqual(['', expect.stringContaining('connection-pool.test')]);
  });

  test('name the route and the trace', async () => {
    const onLeak = jest.fn();
    instrument({
      current: () => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true }),
      currentRoute: () => '/api/items/:id',
    });
    open({ leakDetectionThreshold: 1000, onLeak });
    await pool.acquire();
    await clock.advance(2000);
    expect(onLeak.mock.calls[0][0]).toMatchObject({ route: '/api/items/:id', traceId: 'a'.repeat(32) });
  });

  test('warn without a listener, and survive a listener that throws', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    open({ leakDetectionThreshold: 1000 });
    await pool.acquire();
    await clock.advance(2000);
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('not given back'), { code: 'TOOLOO_POOL_LEAK' });
    await pool.close();
    const failing = open({ leakDetectionThreshold: 1000, onLeak: () => Promise.reject(new Error('log full')) });
    await failing.acquire();
    await clock.advance(2000);
    warn.mockRestore();
  });
});

describe('ending', () => {
  test('drain serves who waits, refuses who comes, and ends when the last is back', async () => {
    open({ maxConnections: 1 });
    const held = await pool.acquire();
    const waiting = pool.acquire();
    const drained = pool.drain();
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    held.release();
    const served = await waiting;
    expect(await isPending(drained)).toBe(true);
    served.release();
    await drained;
    expect(database.isClosed).toBe(true);
    expect(pool.getStats()).toMatchObject({ poolSize: 0, activeCount: 0 });
  });

  test('drain ends at its deadline, even if a caller still holds a connection', async () => {
    open({ maxConnections: 1 });
    const held = await pool.acquire();
    const waiting = pool.acquire();
    const drained = pool.drain({ timeout: 2000 });
    const refused = waiting.catch((error: unknown) => error);
    await clock.advance(2000);
    await drained;
    expect(await refused).toMatchObject({ code: 'POOL_CLOSED' });
    expect(held.isReleased).toBe(true);
    held.release();
    expect(pool.getStats().activeCount).toBe(0);
  });

  test('close ends a drain at once; both may be called again', async () => {
    open({ maxConnections: 1 });
    await pool.acquire();
    const drained = pool.drain();
    await pool.close();
    await drained;
    await pool.close();
    await pool.drain();
    await expect(pool.initialize()).rejects.toMatchObject({ code: 'POOL_CLOSED' });
  });

  test('a connection that hangs when closed does not hang the pool', async () => {
    open({ maxConnections: 1 });
    (await pool.acquire()).release();
    const close = jest.spyOn(database.created[0]!, 'close');
    close.mockImplementationOnce(() => new Promise<void>(() => undefined) as never);
    const closed = pool.close();
    await clock.advance(5000);
    await closed;
    database.created[0]!.close();
  });

  test.each([
    ['throws', (): void => fail()],
    ['rejects', (): Promise<void> => Promise.reject(new Error('cannot close'))],
  ])('a factory whose close %s does not keep the end from coming', async (_how, close) => {
    const held = await open().acquire();
    jest.spyOn(database, 'close').mockImplementationOnce(close);
    const drained = pool.drain();
    held.release();
    await drained;
    expect(pool.getStats()).toMatchObject({ poolSize: 0, activeCount: 0 });
  });

  test('a connection that opens after the end is closed', async () => {
    open();
    database.behaviour = 'hang';
    const waiting = pool.acquire().catch((error: unknown) => error);
    await settle();
    await pool.close();
    expect(await waiting).toMatchObject({ code: 'POOL_CLOSED' });
    database.settleOne('open');
    await settle();
    expect(database.open).toBe(0);
  });

  test('a pool never used has nothing to close', async () => {
    open();
    await pool.close();
    expect(database.attempts).toBe(0);
  });
});

describe('tracing', () => {
  test('an acquire records a span only if it waits', async () => {
    const ended: unknown[] = [];
    const span: RecordedSpan = {
      setAttribute: () => undefined,
      inject: () => undefined,
      end: (error) => ended.push(error),
    };
    const startSpan = jest.fn(() => span);
    const bind = jest.fn((callback: never) => callback);
    instrument({ startSpan, bind: bind as never });
    open({ maxConnections: 1, connectionTimeout: 1000 });
    const first = await pool.acquire(); // waits for the connection to open
    expect(startSpan).toHaveBeenCalledTimes(1);
    first.release();
    const second = await pool.acquire();
    expect(startSpan).toHaveBeenCalledTimes(1);
    const third = pool.acquire();
    await settle();
    expect(startSpan).toHaveBeenCalledTimes(2);
    expect(startSpan).toHaveBeenLastCalledWith('pool.acquire', expect.anything());
    second.release();
    await third;
    const timedOut = outcome(pool.acquire());
    await clock.advance(1000);
    await timedOut;
    expect(ended).toEqual([undefined, undefined, expect.objectContaining({ code: 'POOL_TIMEOUT' })]);
    expect(bind).toHaveBeenCalled();
  });
});
