/** Which traces stay readable, and how long: sampled ones, notable ones, and those that somebody looks at. */
import { DistributedTracer } from '../../src/index.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const MINUTE = 60_000;

let clock: FakeClock;
let tracer: DistributedTracer;

beforeEach(() => {
  clock = new FakeClock(10 * MINUTE);
});

afterEach(() => tracer.close());

/** Records a trace that ends with the given status, and returns its id. */
function ended(status: 'success' | 'error', operation: string = status): string {
  const { traceId } = tracer.startTrace(undefined, operation);
  tracer.endTrace(traceId, status);
  return traceId;
}

test('errors at 100 a second leave the errors of fifteen minutes ago readable', () => {
  tracer = new DistributedTracer({ samplingRate: 0, clock, notable: { traces: 200 } });
  const first = ended('error', 'the first');
  for (let second = 0; second < 14 * 60; second++) {
    clock.tick(1000);
    for (let n = 0; n < 100; n++) ended('error');
  }
  const kept = tracer.listTraces({ limit: 1000 });
  expect(kept).toHaveLength(200);
  expect(tracer.getTrace(first)?.operation).toBe('the first');
  const perMinute = new Map<number, number>();
  for (const { startTime } of kept) {
    const minute = Math.floor(startTime / MINUTE);
    perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1);
  }
  expect(perMinute.size).toBeGreaterThanOrEqual(14);
  clock.tick(3 * MINUTE);
  expect(tracer.getTrace(first)).toBeUndefined();
});

test('of a flood of errors, the first 100 of each second are kept', () => {
  tracer = new DistributedTracer({ samplingRate: 0, clock });
  for (let second = 0; second < 3; second++) {
    for (let n = 0; n < 250; n++) ended('error', `${second}/${n}`);
    clock.tick(1000);
  }
  const kept = tracer.listTraces({ limit: 1000 }).map(({ operation }) => operation);
  expect(kept).toHaveLength(300);
  expect(kept).toContain('1/99');
  expect(kept).not.toContain('1/100');
});

test('`maxPerSecond` bounds only the traces that are not sampled', () => {
  tracer = new DistributedTracer({ samplingRate: 1, clock, keep: { maxPerSecond: 0 } });
  const sampled = ended('error');
  expect(tracer.getTrace(sampled)?.status).toBe('error');
  const unsampled = new DistributedTracer({ samplingRate: 0, clock, keep: { maxPerSecond: 1 } });
  const ids = [0, 1].map(() => {
    const { traceId } = unsampled.startTrace();
    unsampled.endTrace(traceId, 'error');
    return traceId;
  });
  expect(ids.map((id) => unsampled.getTrace(id)?.status)).toEqual(['error', undefined]);
  return unsampled.close();
});

test('sampled traces do not take the place of failed ones, nor failed ones that of sampled ones', () => {
  tracer = new DistributedTracer({ samplingRate: 1, clock });
  const failed = ended('error');
  for (let n = 0; n < 3000; n++) ended('success');
  const sampled = ended('success', 'sampled');
  for (let n = 0; n < 3000; n++) ended('error');
  expect(tracer.getTrace(sampled)?.operation).toBe('sampled');
  expect(tracer.listTraces({ status: 'success', limit: 5000 })).toHaveLength(1000);
  expect(tracer.listTraces({ status: 'error', limit: 5000 })).toHaveLength(1000);
  expect(tracer.getTrace(failed)?.status).toBe('error'); // the first of a burst
});

test('a trace that somebody looks at stays readable for as long as it was asked for', () => {
  tracer = new DistributedTracer({ samplingRate: 1, clock });
  const shown = ended('success', 'shown');
  expect(tracer.holdTraces([shown, 'f'.repeat(32)], MINUTE)).toEqual([shown]);
  for (let n = 0; n < 2500; n++) ended('success');
  clock.tick(MINUTE);
  expect(tracer.getTrace(shown)?.spans).toHaveLength(1);
  expect(tracer.holdTraces([shown], MINUTE)).toEqual([shown]);
  clock.tick(MINUTE);
  expect(tracer.holdTraces([shown], 0)).toEqual([shown]);
  clock.tick(1);
  expect(tracer.getTrace(shown)).toBeUndefined();
});

test('traces that are held are bounded in number', () => {
  tracer = new DistributedTracer({ samplingRate: 1, clock });
  const ids = Array.from({ length: 600 }, () => ended('success'));
  tracer.holdTraces(ids, MINUTE);
  for (let n = 0; n < 2500; n++) ended('success');
  expect(ids.filter((id) => tracer.getTrace(id) !== undefined)).toEqual(ids.slice(100));
});

test('refuses bounds that are not positive', () => {
  tracer = new DistributedTracer({ clock });
  expect(() => new DistributedTracer({ notable: { traces: 0 } })).toThrow(/notable.*traces/);
  expect(() => new DistributedTracer({ notable: { age: 5 } as object })).toThrow(/age/);
});
