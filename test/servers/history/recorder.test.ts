/** The history of an instance: recorded by a real tracer into a real database, on a clock of the test. */
import { aggregate, gridOf } from '../../../servers/history/aggregate.js';
import { HistoryStore } from '../../../servers/history/history-store.js';
import { KeptTraces } from '../../../servers/history/kept-traces.js';
import { HistoryRecorder } from '../../../servers/history/recorder.js';
import { historyMigrations, type HistorySchema } from '../../../servers/history/schema.js';
import { MINUTE_MS, NO_COUNTS, STEP_MS } from '../../../servers/history/step.js';
import { openDatabase, type OpenedDatabase } from '../../../servers/support/database.js';
import { quantiles } from '../../../servers/support/tally.js';
import { DistributedTracer, type RequestEnd, type TraceQuery } from '../../../src/index.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { until } from '../../support/eventually.js';

const START = 1_800_000_000_000;
const DAY_MS = 86_400_000;

let clock: FakeClock;
let database: OpenedDatabase<HistorySchema>;
let store: HistoryStore;
let recorder: HistoryRecorder;
let listeners: Set<(request: RequestEnd) => unknown>;
let tracer: DistributedTracer;
let warnings: unknown[];
let isBroken: boolean;

beforeEach(async () => {
  clock = new FakeClock(START);
  listeners = new Set();
  warnings = [];
  isBroken = false;
  database = await openDatabase<HistorySchema>({ migrations: historyMigrations, maxConnections: 1 });
  store = new HistoryStore(database.db, 1_000_000);
  tracer = new DistributedTracer({ serviceName: 'training', samplingRate: 0 });
  recorder = newRecorder('training-1');
});

afterEach(async () => {
  await recorder.close();
  await tracer.close();
  await database.close();
});

function newRecorder(instance: string): HistoryRecorder {
  return new HistoryRecorder({
    service: 'training',
    instance,
    clock,
    log: { warn: (...entry: unknown[]) => void warnings.push(entry) } as never,
    open: () => (isBroken ? Promise.reject(new Error('the disk is full')) : Promise.resolve(store)),
    tracer: {
      getTrace: (id) => tracer.getTrace(id),
      onRequest(callback) {
        listeners.add(callback);
        return () => listeners.delete(callback);
      },
    },
  });
}

function serve(route: string, changes: Partial<RequestEnd> = {}): void {
  const ids = { traceId: 'a'.repeat(32), spanId: 'b', sampled: false, kept: false };
  const request = { method: 'GET', route, status: 200, duration: 10, aborted: false, error: undefined, ...ids };
  for (const listener of listeners) listener({ ...request, ...changes });
}

const pass = (ms: number): Promise<void> => clock.advance(ms);

async function read(from: number, to: number, selection = {}) {
  const grid = gridOf({ from, to }, clock.now());
  return aggregate(store.steps(grid.span, grid.from, grid.to), grid, selection);
}

async function rowsOf(span: number): Promise<number> {
  const { rows } = await database.db
    .selectFrom('history_steps')
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .where('span', '=', span)
    .executeTakeFirstOrThrow();
  return Number(rows);
}

test('every ten seconds are a step, also idle ones, and steps without a measurement are missing', async () => {
  serve('/a');
  serve('/a', { status: 503, duration: 100 });
  serve('/b', { status: 429 });
  serve('/livez');
  await pass(STEP_MS);
  await until(async () => (await rowsOf(STEP_MS)) === 1);
  await pass(STEP_MS);
  await until(async () => (await rowsOf(STEP_MS)) === 2);
  const { points, operations } = await read(START - 60_000, START + 60_000);
  expect(points.map(({ at }) => at)).toEqual([START, START + STEP_MS]);
  expect(points[0]!.total).toMatchObject({ count: 3, errors: 1, statuses: { '2xx': 1, '429': 1, '5xx': 1 } });
  expect(points[1]!.total).toMatchObject({ count: 0 });
  expect(Object.keys(operations).sort()).toEqual(['GET /a', 'GET /b']);
  const [p50, p100] = quantiles(operations['GET /a']!, [0, 1])!;
  expect(Math.abs(p50! / 10 - 1)).toBeLessThan(0.03);
  expect(Math.abs(p100! / 100 - 1)).toBeLessThan(0.03);
  const ofB = await read(START, START + 60_000, { operation: 'GET /b' });
  expect(ofB.points[0]!.total.count).toBe(1);
});

test('a minute is one row, and after a day only minutes are kept', async () => {
  for (let n = 0; n < 6; n++) {
    serve('/a');
    await pass(STEP_MS);
    const written = n + 1;
    await until(async () => (await rowsOf(STEP_MS)) === written);
  }
  expect(await rowsOf(MINUTE_MS)).toBe(1);
  await recorder.close();
  await database.db
    .deleteFrom('history_steps')
    .where('at', '>=', START + MINUTE_MS)
    .execute(); // the step that closing writes
  clock.tick(2 * DAY_MS);
  await store.tidy(clock.now());
  expect(await rowsOf(STEP_MS)).toBe(0);
  const { grid, points } = await read(START - (START % MINUTE_MS), START + MINUTE_MS);
  expect(grid).toMatchObject({ span: MINUTE_MS, resolution: MINUTE_MS });
  expect(points.reduce((sum, { total }) => sum + total.count, 0)).toBe(6);
  clock.tick(7 * DAY_MS);
  await store.tidy(clock.now());
  expect(await rowsOf(MINUTE_MS)).toBe(0);
});

test('a step whose timer fires late is recorded at its own time, and so is the next one', async () => {
  serve('/a');
  clock.set(START + STEP_MS + 4000); // the event loop was blocked
  await clock.advance(0);
  await until(async () => (await rowsOf(STEP_MS)) === 1);
  serve('/b');
  await pass(6000);
  await until(async () => (await rowsOf(STEP_MS)) === 2);
  const { points } = await read(START, START + 60_000);
  expect(points.map(({ at, total }) => [at - START, total.count])).toEqual([
    [0, 1],
    [STEP_MS, 1],
  ]);
});

test('instances are added up, and each can be read separately', async () => {
  const other = newRecorder('training-2');
  recorder.follow(() => ({
    counts: { ...NO_COUNTS, allowed: 5, rejected: 2 },
    levels: { inFlight: 3, waiting: 0, slots: { all: { limit: 10, inFlight: 3, waiting: 0 } } },
  }));
  other.follow(() => ({
    counts: { ...NO_COUNTS, allowed: 7 },
    levels: { inFlight: 1, waiting: 2, slots: { all: { limit: 10, inFlight: 1, waiting: 2 } } },
  }));
  await pass(STEP_MS);
  await until(async () => (await rowsOf(STEP_MS)) === 2);
  const { points } = await read(START, START + STEP_MS);
  expect(points).toMatchObject([
    {
      instances: 2,
      counts: { allowed: 12, rejected: 2 },
      levels: { inFlight: 4, waiting: 2, slots: { all: { limit: 20, inFlight: 4, waiting: 2 } } },
    },
  ]);
  const alone = await read(START, START + STEP_MS, { instance: 'training-2' });
  expect(alone.points).toMatchObject([{ instances: 1, counts: { allowed: 7 } }]);
  await pass(STEP_MS);
  await until(async () => (await rowsOf(STEP_MS)) === 4);
  const later = await read(START + STEP_MS, START + 2 * STEP_MS);
  expect(later.points).toMatchObject([{ counts: { allowed: 0 } }]); // counters are recorded as differences
  await other.close();
});

test('events and failed traces are kept for a week, and bursts of them are thinned out', async () => {
  const fail = (at: number): string => {
    const { traceId } = tracer.startTrace(undefined, 'GET /a');
    tracer.endTrace(traceId, 'error');
    serve('/a', { status: 500, traceId, kept: true });
    clock.tick(at);
    return traceId;
  };
  const [first] = Array.from({ length: 30 }, () => fail(100));
  serve('/api/v1/settings', { method: 'POST', status: 200 });
  recorder.note('purge', 'tag provider');
  await pass(STEP_MS);
  await until(async () => (await rowsOf(STEP_MS)) >= 1);
  const events = await store.events(START, clock.now(), 10);
  expect(events.map(({ kind, text }) => [kind, text])).toEqual(
    expect.arrayContaining([
      ['purge', 'tag provider'],
      ['policy', 'POST /api/v1/settings'],
    ]),
  );
  expect(await store.archived([first!, 'f'.repeat(32)])).toEqual([first]);
  expect((await store.traceParts(first!))[0]).toMatchObject({ traceId: first, operation: 'GET /a' });
  expect(await store.traceSummaries(0, Date.now() + DAY_MS, 100)).toHaveLength(10);
  await store.tidy(clock.now() + 8 * DAY_MS);
  expect(await store.events(0, clock.now(), 10)).toEqual([]);
});

test('traces no longer in memory are found in the archive, by id and by a search of their time range', async () => {
  const traces = new KeptTraces(tracer, recorder);
  const { traceId } = tracer.startTrace(undefined, 'GET /a');
  tracer.endTrace(traceId, 'error');
  serve('/a', { status: 500, traceId, kept: true });
  await pass(STEP_MS);
  await until(async () => (await store.archived([traceId])).length === 1);
  const later = new DistributedTracer({ serviceName: 'training' }); // the process after a restart
  const afterwards = new KeptTraces(later, recorder);
  expect(later.getTrace(traceId)).toBeUndefined();
  expect((await afterwards.get(traceId))?.spans).toHaveLength(1);
  expect(await afterwards.hold([traceId, 'f'.repeat(32)])).toEqual([traceId]);
  const { startTime } = (await traces.get(traceId))!;
  const search = (query: TraceQuery) => afterwards.list({ from: startTime - 1000, to: startTime + 1000, ...query });
  expect(await search({})).toMatchObject([{ traceId, status: 'error' }]);
  expect(await search({ status: 'success' })).toEqual([]);
  expect(await search({ minDuration: 60_000 })).toEqual([]);
  expect(await search({ to: startTime - 500 })).toEqual([]);
  expect(await afterwards.list({})).toEqual([]); // only what is in memory, without a time range
  await later.close();
});

test('stays below its size limit regardless of the amount recorded', async () => {
  for (let n = 0; n < 30; n++) {
    for (let route = 0; route < 60; route++)
      for (let one = 0; one < 20; one++)
        serve(`/route-${n}-${route}`, { duration: 1 + ((n * 31 + route * 7 + one * 13) % 997) });
    await pass(STEP_MS);
    const written = n + 1;
    await until(async () => (await rowsOf(STEP_MS)) === written);
  }
  const small = new HistoryStore(database.db, 100_000);
  await small.tidy(clock.now());
  const { bytes } = await database.db
    .selectFrom('history_steps')
    .select(({ fn }) => fn.sum<number>('size').as('bytes'))
    .executeTakeFirstOrThrow();
  expect(Number(bytes)).toBeLessThan(60_000);
  expect(await rowsOf(STEP_MS)).toBeGreaterThan(0);
});

test('a step that cannot be written is lost and reported once, without other effects', async () => {
  isBroken = true;
  for (let n = 0; n < 3; n++) {
    serve('/a');
    await pass(STEP_MS);
  }
  await until(() => warnings.length === 1);
  isBroken = false;
  serve('/a');
  await pass(STEP_MS);
  await until(async () => (await rowsOf(STEP_MS)) === 1);
  expect(warnings).toHaveLength(1);
});

test('closing writes the data recorded since the last step', async () => {
  await recorder.store();
  serve('/a');
  await recorder.close();
  expect(await rowsOf(STEP_MS)).toBe(1);
  expect(listeners.size).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});
