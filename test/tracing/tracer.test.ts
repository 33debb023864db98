/** The tracer by hand: traces, spans, what they add up to, what is kept, and what bounds it. */
import { currentTrace, injectTrace, startSpan } from '../../src/shared/instrumentation.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import type { Span, SpanRecord } from '../../src/tracing/span.js';
import type { TraceQuery } from '../../src/tracing/trace-store.js';
import { withSpan } from '../../src/tracing/run-span.js';
import { DistributedTracer } from '../../src/tracing/tracer.js';
import type { TracerOptions } from '../../src/tracing/tracer-options.js';

const tracers: DistributedTracer[] = [];

function create(options: TracerOptions = {}) {
  const clock = new FakeClock();
  const tracer = new DistributedTracer({ serviceName: 'test', samplingRate: 1, clock, ...options });
  tracers.push(tracer);
  return { tracer, clock };
}

afterEach(async () => {
  await Promise.all(tracers.splice(0).map((tracer) => tracer.close()));
});

describe('a trace by hand', () => {
  test('has ids of the W3C sizes, spans with their parents, tags, logs and a duration', () => {
    const { tracer, clock } = create();
    const { traceId, spanId } = tracer.startTrace();
    expect([traceId.length, spanId.length]).toEqual([32, 16]);
    clock.tick(5);
    const query = tracer.startSpan(traceId, 'db.query', spanId);
    clock.tick(10);
    tracer.endSpan(traceId, query, 'success', { rows: 3 });
    tracer.addTag(traceId, 'user.kind', 'guest');
    tracer.addLog(traceId, 'planned', 'debug');
    expect(tracer.getTrace(traceId)).toMatchObject({ status: 'active', duration: 15 });
    clock.tick(5);
    tracer.endTrace(traceId, 'success', { result: 'ok' });
    expect(tracer.getTrace(traceId)).toMatchObject({
      status: 'success',
      duration: 20,
      startTime: 1_000_000,
      tags: { 'user.kind': 'guest', result: 'ok' },
      logs: [{ message: 'planned', level: 'debug', timestamp: 1_000_015 }],
      spans: [
        { spanId, parentSpanId: undefined, duration: 20 },
        { spanId: query, parentSpanId: spanId, operation: 'db.query', duration: 10, attributes: { rows: 3 } },
      ],
    });
  });

  test('a span without a parent given is a child of the root', () => {
    const { tracer } = create();
    const { traceId, spanId } = tracer.startTrace();
    tracer.endSpan(traceId, tracer.startSpan(traceId, 'a'));
    expect(tracer.getTrace(traceId)?.spans[1]?.parentSpanId).toBe(spanId);
  });

  test('a given id is used; another begins anew and is kept as a tag', () => {
    const { tracer } = create();
    const id = 'ab'.repeat(16);
    expect(tracer.startTrace(id).traceId).toBe(id);
    expect(tracer.startTrace(id)).toEqual({ traceId: id, spanId: tracer.getTrace(id)?.spanId });
    const { traceId } = tracer.startTrace('request-7\n');
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(tracer.getTrace(traceId)?.tags).toEqual({ 'trace.requested_id': 'request-7\n' });
  });

  test('the first end counts; ending the root span ends the trace and what is open in it', () => {
    const { tracer, clock } = create();
    const { traceId, spanId } = tracer.startTrace();
    const child = tracer.startSpan(traceId, 'child');
    clock.tick(3);
    tracer.endSpan(traceId, spanId, 'error');
    clock.tick(3);
    tracer.endSpan(traceId, spanId);
    tracer.endTrace(traceId);
    expect(tracer.getTrace(traceId)).toMatchObject({ status: 'error', duration: 3 });
    expect(tracer.getTrace(traceId)?.spans[1]).toMatchObject({ spanId: child, duration: 3, status: 'error' });
    expect(tracer.getMetrics()).toMatchObject({ totalRequests: 1, activeTraces: 0, errorRate: 1 });
  });

  test('what names an unknown trace does nothing', () => {
    const { tracer } = create();
    expect(tracer.startSpan('nowhere', 'x')).toHaveLength(16);
    tracer.endSpan('nowhere', 'x');
    tracer.endTrace('nowhere');
    tracer.addTag('nowhere', 'a', 1);
    tracer.addLog('nowhere', 'a');
    expect(tracer.getTrace('nowhere')).toBeUndefined();
    expect(tracer.getMetrics().totalRequests).toBe(0);
  });
});

describe('numbers', () => {
  test('are numbers, within one percent, by operation too', () => {
    const { tracer, clock } = create({ samplingRate: 0 });
    for (let i = 1; i <= 100; i++) {
      const { traceId } = tracer.startTrace(undefined, 'job');
      clock.tick(i);
      tracer.endTrace(traceId, i % 10 === 0 ? 'error' : 'success');
    }
    const metrics = tracer.getMetrics();
    expect(metrics).toMatchObject({ service: 'test', totalRequests: 100, activeTraces: 0, errors: 10, errorRate: 0.1 });
    expect(metrics.averageLatency).toBeCloseTo(50.5);
    for (const [q, value] of Object.entries({ p50: 50, p95: 95, p99: 99 })) {
      expect(Math.abs(metrics[q as 'p50'] - value)).toBeLessThanOrEqual(value * 0.01);
    }
    expect(metrics.operations['job']).toMatchObject({ count: 100, errors: 10 });
    expect(metrics.keptTraces).toBe(10);
  });

  test('throughput and recent figures are of the last minute', () => {
    const { tracer, clock } = create();
    for (let i = 0; i < 60; i++) {
      tracer.endTrace(tracer.startTrace().traceId);
      clock.tick(1000);
    }
    expect(tracer.getMetrics().throughput).toBeCloseTo(1, 0);
    clock.tick(300_000);
    expect(tracer.getMetrics()).toMatchObject({ throughput: 0, totalRequests: 60, recent: { count: 0 } });
  });

  test('operations beyond 2000 share one row', () => {
    const { tracer } = create({ samplingRate: 0, keep: false });
    for (let i = 0; i < 2500; i++) tracer.endTrace(tracer.startTrace(undefined, `op ${i}`).traceId);
    const { operations, totalRequests } = tracer.getMetrics();
    expect(Object.keys(operations)).toHaveLength(2001);
    expect(operations['(other)']?.count).toBe(500);
    expect(totalRequests).toBe(2500);
  });
});

describe('what is kept', () => {
  const run = (tracer: DistributedTracer, clock: FakeClock, duration: number, status = 'success') => {
    const { traceId } = tracer.startTrace();
    tracer.startSpan(traceId, 'child');
    clock.tick(duration);
    tracer.endTrace(traceId, status);
    return tracer.getTrace(traceId);
  };

  test('unsampled: errors and slow traces only, with their children', () => {
    const { tracer, clock } = create({ samplingRate: 0 });
    expect(run(tracer, clock, 10)).toBeUndefined();
    expect(run(tracer, clock, 10, 'error')?.spans).toHaveLength(2);
    expect(run(tracer, clock, 1000)?.spans).toHaveLength(2);
    expect(tracer.getMetrics()).toMatchObject({ sampledTraces: 0, keptTraces: 2, totalRequests: 3 });
  });

  test('as the option says', () => {
    const none = create({ samplingRate: 0, keep: false });
    expect(run(none.tracer, none.clock, 5000, 'error')).toBeUndefined();
    const slow = create({ samplingRate: 0, keep: { errors: false, slowerThan: 50 } });
    expect(run(slow.tracer, slow.clock, 49, 'error')).toBeUndefined();
    expect(run(slow.tracer, slow.clock, 50)).toBeDefined();
    const chosen = create({ samplingRate: 0, keep: ({ duration }) => duration === 7 });
    expect(run(chosen.tracer, chosen.clock, 7)).toBeDefined();
    expect(run(chosen.tracer, chosen.clock, 8, 'error')).toBeUndefined();
  });

  test('a rule that throws keeps nothing and breaks nothing', () => {
    const { tracer, clock } = create({
      samplingRate: 0,
      keep: () => {
        throw new Error('rule');
      },
    });
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    expect(run(tracer, clock, 5000)).toBeUndefined();
    expect(warned).toHaveBeenCalledTimes(1);
    warned.mockRestore();
  });

  test('recent traces are found by attributes of their spans, and by when they began', () => {
    const { tracer, clock } = create();
    const begun: number[] = [];
    for (const region of ['eu', 'us']) {
      const { traceId } = tracer.startTrace(undefined, region);
      begun.push(clock.now());
      tracer.addTag(traceId, 'region', region);
      tracer.endSpan(traceId, tracer.startSpan(traceId, 'inner'), 'success', { port: 80, hosts: ['a', 'b'], region });
      tracer.endTrace(traceId);
      clock.set(clock.now() + 100);
    }
    const found = (query: TraceQuery) => tracer.listTraces(query).map(({ operation }) => operation);
    expect(found({ attributes: {} })).toEqual(['us', 'eu']);
    expect(found({ attributes: { region: 'eu' } })).toEqual(['eu']);
    expect(found({ attributes: { port: '80', hosts: 'b' } })).toEqual(['us', 'eu']);
    expect(found({ attributes: { region: 'eu', hosts: 'c' } })).toEqual([]);
    expect(found({ attributes: { constructor: 'x' } })).toEqual([]);
    expect(found({ to: begun[0]! })).toEqual(['eu']);
    expect(found({ from: begun[1]! })).toEqual(['us']);
  });

  test('recent traces can be asked for', () => {
    const { tracer, clock } = create();
    run(tracer, clock, 10);
    run(tracer, clock, 200, 'error');
    run(tracer, clock, 300);
    expect(tracer.listTraces().map(({ duration }) => duration)).toEqual([300, 200, 10]);
    expect(tracer.listTraces({ minDuration: 200, status: 'success' }).map(({ duration }) => duration)).toEqual([300]);
    expect(tracer.listTraces({ limit: 1 })).toHaveLength(1);
    expect(tracer.listTraces({ route: '/none' })).toEqual([]);
    expect(tracer.listTraces({ maxDuration: 200 }).map(({ duration }) => duration)).toEqual([200, 10]);
  });

  test('traces and spans held are bounded, the oldest go first', () => {
    const few = create({ maxSpans: 10 });
    const ids = Array.from({ length: 20 }, () => run(few.tracer, few.clock, 1)!.traceId);
    expect(few.tracer.getMetrics().storedTraces).toBe(5);
    expect(few.tracer.getTrace(ids[14]!)).toBeUndefined();
    expect(few.tracer.getTrace(ids[15]!)).toBeDefined();
    const many = create();
    for (let i = 0; i < 1500; i++) run(many.tracer, many.clock, 0);
    expect(many.tracer.getMetrics().storedTraces).toBe(1000);
  });
});

describe('bounds', () => {
  test('spans of a trace, attributes, logs and texts', () => {
    const { tracer } = create();
    const { traceId } = tracer.startTrace();
    for (let i = 0; i < 600; i++) tracer.startSpan(traceId, 'loop');
    for (let i = 0; i < 100; i++) tracer.addTag(traceId, `tag${i}`, 'x'.repeat(5000));
    for (let i = 0; i < 200; i++) tracer.addLog(traceId, `log ${i}`);
    tracer.endTrace(traceId);
    const trace = tracer.getTrace(traceId)!;
    expect(trace).toMatchObject({ droppedSpans: 88 });
    expect([trace.spans.length, Object.keys(trace.tags).length, trace.logs.length]).toEqual([513, 64, 128]);
    expect(String(trace.tags['tag0'])).toHaveLength(1024);
    expect(trace.logs.at(-1)?.message).toBe('log 199');
    expect(tracer.getMetrics().droppedSpans).toBe(88);
  });

  test('traces never ended: past 10,000, or after an hour, they are abandoned', () => {
    const { tracer, clock } = create({ samplingRate: 0, keep: false });
    for (let i = 0; i < 10_100; i++) tracer.startTrace();
    expect(tracer.getMetrics()).toMatchObject({ activeTraces: 10_000, totalRequests: 100, errors: 100 });
    clock.tick(3_700_000);
    expect(tracer.getMetrics()).toMatchObject({ activeTraces: 0, totalRequests: 10_100 });
  });
});

describe('the current span', () => {
  test('is found by engines; children nest under withSpan', async () => {
    const { tracer, clock } = create();
    expect([startSpan('nothing'), currentTrace()]).toEqual([undefined, undefined]);
    const traceId = await tracer.trace('job', async (root) => {
      const wait = startSpan('pool.wait', { pool: 'main' });
      await withSpan('step', async (step) => {
        expect(currentTrace()).toMatchObject({ traceId: root.traceId, sampled: true });
        expect(currentTrace()?.spanId).not.toBe(root.spanId);
        step?.setAttribute('n', 1);
        startSpan('inner')?.end();
        clock.tick(4);
        await Promise.resolve();
      });
      wait?.end(new Error('gave up'));
      return root.traceId;
    });
    const [root, wait, step, inner] = tracer.getTrace(traceId)!.spans as [
      SpanRecord,
      SpanRecord,
      SpanRecord,
      SpanRecord,
    ];
    expect(root).toMatchObject({ operation: 'job', status: 'success', duration: 4 });
    expect(wait).toMatchObject({
      parentSpanId: root.spanId,
      status: 'error',
      error: 'gave up',
      attributes: { pool: 'main' },
    });
    expect(step).toMatchObject({ parentSpanId: root.spanId, duration: 4, attributes: { n: 1 } });
    expect(inner.parentSpanId).toBe(step.spanId);
  });

  test('a function that throws or rejects fails its span, and throws on', async () => {
    const { tracer } = create();
    const failure = new Error('no');
    const fail = (): never => {
      throw failure;
    };
    expect(() => tracer.trace('sync', fail)).toThrow(failure);
    await expect(tracer.trace('async', () => withSpan('child', () => Promise.reject(failure)))).rejects.toBe(failure);
    expect(tracer.listTraces().map(({ operation, status }) => [operation, status])).toEqual([
      ['async', 'error'],
      ['sync', 'error'],
    ]);
    expect(withSpan('untraced', (span) => span)).toBeUndefined();
  });

  test('is written into outgoing header fields, sampled or not', () => {
    for (const samplingRate of [0, 1]) {
      const { tracer } = create({ samplingRate });
      tracer.trace('job', (span) => {
        const headers: Record<string, string | undefined> = {};
        injectTrace(headers);
        expect(headers).toEqual({ traceparent: `00-${span.traceId}-${span.spanId}-0${samplingRate + 2}` });
        const child = startSpan('call');
        child?.inject(headers);
        expect(headers['traceparent']).not.toContain(span.spanId);
        expect([span.kind, (child as Span | undefined)?.kind]).toEqual(['internal', 'client']);
      });
    }
    const untouched = {};
    injectTrace(untouched);
    expect(untouched).toEqual({});
  });

  test('tags and logs reach the trace of the current request by its id', () => {
    const { tracer } = create();
    const traceId = tracer.trace('job', (span) => {
      tracer.addTag(span.traceId, 'a', 1);
      tracer.endSpan(span.traceId, tracer.startSpan(span.traceId, 'by hand'));
      return span.traceId;
    });
    expect(tracer.getTrace(traceId)).toMatchObject({ tags: { a: 1 }, spans: [{}, { operation: 'by hand' }] });
  });
});

describe('an exporter', () => {
  test('gets kept traces whole, spans that outlive them later, and is closed with the tracer', async () => {
    const exported: string[][] = [];
    const close = jest.fn();
    const { tracer } = create({
      exporter: {
        export: (spans) => exported.push(spans.map(({ operation }) => operation)),
        close,
        stats: () => ({ queued: 1 }),
      },
    });
    let late: ReturnType<typeof startSpan>;
    tracer.trace('job', () => {
      startSpan('done')?.end();
      late = startSpan('late');
    });
    expect(exported).toEqual([['job', 'done']]);
    late?.end();
    late?.end();
    expect(exported).toEqual([['job', 'done'], ['late']]);
    expect(tracer.getMetrics().exporter).toEqual({ queued: 1 });
    await Promise.all([tracer.close(), tracer.shutdown()]);
    expect(close).toHaveBeenCalledTimes(1);
  });

  test('that throws breaks nothing', () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const { tracer } = create({
      exporter: {
        export: () => {
          throw new Error('exporter');
        },
      },
    });
    expect(tracer.trace('job', () => 7)).toBe(7);
    expect(warned).toHaveBeenCalledTimes(1);
    warned.mockRestore();
  });
});

test('closing ends what is open and leaves no timer', async () => {
  const { tracer, clock } = create();
  const { traceId } = tracer.startTrace();
  await tracer.close();
  expect(clock.pendingTimers).toBe(0);
  expect(tracer.getTrace(traceId)).toMatchObject({ status: 'abandoned' });
});

test('options are checked', () => {
  expect(() => new DistributedTracer({ samplingRate: 2 })).toThrow(RangeError);
  expect(() => new DistributedTracer({ serviceName: '' })).toThrow(RangeError);
  expect(() => new DistributedTracer({ sampelRate: 1 } as TracerOptions)).toThrow(/unknown option/);
  expect(() => new DistributedTracer({ keep: 7 as never })).toThrow(TypeError);
});
