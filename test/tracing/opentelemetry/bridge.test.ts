/** Code written against `@opentelemetry/api` runs on this tracer: its spans, context and propagation. */
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  context,
  createContextKey,
  propagation,
  trace,
  type Span as ApiSpan,
} from '@opentelemetry/api';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { clsHookedContext } from '../../../src/cls-hooked.js';
import { compose } from '../../../src/middleware/compose.js';
import { trace as traceMiddleware } from '../../../src/middleware/trace.js';
import { registerOpenTelemetry, type OpenTelemetryRegistration } from '../../../src/opentelemetry.js';
import { currentTrace, injectTrace, nameRoute } from '../../../src/shared/instrumentation.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { asyncContext, runUntraced, useCarrier } from '../../../src/tracing/context.js';
import { withSpan } from '../../../src/tracing/run-span.js';
import type { SpanRecord } from '../../../src/tracing/span.js';
import { DistributedTracer } from '../../../src/tracing/tracer.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const EPOCH = 1_700_000_000_000;

let clock: FakeClock;
let tracer: DistributedTracer;
let registration: OpenTelemetryRegistration;

beforeEach(() => {
  clock = new FakeClock(EPOCH);
  tracer = new DistributedTracer({ serviceName: 'web', samplingRate: 1, clock });
  registration = registerOpenTelemetry(tracer);
});

afterEach(async () => {
  registration.close();
  await tracer.shutdown();
});

const library = (): ReturnType<typeof trace.getTracer> => trace.getTracer('library', '1.2.3');

/** Spans of the one trace kept, by name. */
function kept(): Record<string, SpanRecord> {
  const [summary, ...others] = tracer.listTraces();
  expect(others).toEqual([]);
  return Object.fromEntries(tracer.getTrace(summary!.traceId)!.spans.map((span) => [span.operation, span]));
}

describe('a span of a library', () => {
  test('is a child of one span of the kit and the parent of another, in one trace', () => {
    tracer.trace('job', () => {
      withSpan('ours', () => {
        library().startActiveSpan('theirs', { kind: SpanKind.CLIENT, attributes: { 'db.system': 'x' } }, (span) => {
          expect(currentTrace()).toMatchObject(idsOf(span));
          withSpan('inner', () => undefined);
          span.end();
        });
        expect(idsOf(trace.getActiveSpan()!)).toMatchObject({ spanId: currentTrace()?.spanId });
      });
    });
    const { job, ours, theirs, inner } = kept();
    expect([ours!.parentSpanId, theirs!.parentSpanId, inner!.parentSpanId]).toEqual([
      job!.spanId,
      ours!.spanId,
      theirs!.spanId,
    ]);
    expect(theirs).toMatchObject({
      kind: 'client',
      scope: { name: 'library', version: '1.2.3' },
      attributes: { 'db.system': 'x' },
    });
  });

  test('has its events, links, exceptions, status and times', async () => {
    tracer.trace('job', () => {
      const context = { traceId: TRACE, spanId: SPAN, traceFlags: 1 };
      const span = library().startSpan('theirs', { startTime: EPOCH - 50, links: [{ context, attributes: { n: 1 } }] });
      span.addEvent('sent', { bytes: 7 }, new Date(EPOCH + 1)).addEvent('received', [EPOCH / 1000, 2e6]);
      span.recordException(new RangeError('too far'));
      span.setStatus({ code: SpanStatusCode.ERROR, message: 'failed' }).updateName('renamed');
      span.end(EPOCH + 50);
      span.setAttribute('late', true).end(EPOCH + 70);
    });
    const { renamed } = kept();
    expect(renamed).toMatchObject({
      startTime: EPOCH - 50,
      duration: 100,
      status: 'error',
      error: 'failed',
      attributes: {},
      links: [{ traceId: TRACE, spanId: SPAN, attributes: { n: 1 } }],
      logs: [
        { message: 'sent', timestamp: EPOCH + 1, attributes: { bytes: 7 } },
        { message: 'received', timestamp: EPOCH + 2 },
        { message: 'exception', attributes: { 'exception.type': 'RangeError', 'exception.message': 'too far' } },
      ],
    });
    expect(renamed!.attributes).not.toHaveProperty('late');
  });

  test('begins a new trace if there is no current trace or if it is a root span', () => {
    library().startSpan('alone').end();
    tracer.trace('job', () => library().startSpan('root', { root: true }).end());
    expect(tracer.listTraces().map(({ operation, spans }) => [operation, spans])).toEqual([
      ['job', 1],
      ['root', 1],
      ['alone', 1],
    ]);
  });

  test('goes on with a trace received through the API, its decision, state and baggage', () => {
    const headers = { traceparent: `00-${TRACE}-${SPAN}-00`, tracestate: 'rojo=1', baggage: 'user=7;ttl=3' };
    const received = propagation.extract(ROOT_CONTEXT, headers);
    const outgoing = {};
    context.with(received, () => {
      library().startActiveSpan('consume', { kind: SpanKind.CONSUMER }, (span) => {
        injectTrace(outgoing);
        expect(outgoing).toEqual({ ...headers, traceparent: `00-${TRACE}-${span.spanContext().spanId}-00` });
        expect(propagation.getActiveBaggage()?.getEntry('user')?.value).toBe('7');
        span.setStatus({ code: SpanStatusCode.ERROR }).end();
      });
    });
    expect(kept()['consume']).toMatchObject({
      traceId: TRACE,
      parentSpanId: SPAN,
      kind: 'consumer',
      traceState: 'rojo=1',
    });
  });

  test('past the limit of a trace, or where nothing is kept, is no span: its children hang where it would have', async () => {
    const keepsNothing = new DistributedTracer({ samplingRate: 0, keep: false });
    keepsNothing.trace('job', (root) => {
      library().startActiveSpan('theirs', (span) => {
        expect(span.isRecording()).toBe(false);
        expect(span.spanContext()).toMatchObject({ spanId: root.spanId, traceFlags: 2 });
        expect(currentTrace()?.spanId).toBe(root.spanId);
        span.end();
      });
    });
    expect(keepsNothing.getMetrics().totalRequests).toBe(1);
    await keepsNothing.shutdown();
  });

  test('is not recorded where OpenTelemetry or the kit suppresses tracing', () => {
    const suppressed = ROOT_CONTEXT.setValue(createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING'), true);
    const headers = {};
    tracer.trace('job', () => {
      for (const run of [(open: () => void) => context.with(suppressed, open), runUntraced]) {
        run(() => {
          const span = library().startSpan('hidden');
          expect(span.isRecording()).toBe(false);
          withSpan('hidden too', () => expect(currentTrace()).toBeUndefined());
          propagation.inject(context.active(), headers);
          span.end();
        });
      }
    });
    expect(Object.keys(kept())).toEqual(['job']);
    expect(headers).toEqual({});
  });
});

test('in a request the server span is current, takes attributes and a status, and ends with the response', async () => {
  const requests = new DistributedTracer({ samplingRate: 1 });
  const handler = compose(traceMiddleware({ tracer: requests }), (_req, res) => {
    nameRoute('/orders');
    const active = trace.getActiveSpan();
    active?.setAttribute('tenant', 'a').setStatus({ code: SpanStatusCode.ERROR, message: 'out of stock' }).end();
    expect(active?.isRecording()).toBe(true);
    library().startSpan('theirs').end();
    res.end();
  });
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const ended = new Promise<string>((resolve) => requests.onRequest(({ traceId }) => resolve(traceId)));
  await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { headers: { baggage: 'a=1' } });
  const [root, theirs] = requests.getTrace(await ended)!.spans;
  expect(root).toMatchObject({ operation: 'GET /orders', attributes: { tenant: 'a' }, error: 'out of stock' });
  expect(theirs).toMatchObject({ operation: 'theirs', parentSpanId: root!.spanId });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await requests.shutdown();
});

describe('contexts', () => {
  const KEY = createContextKey('test');

  test.each(['AsyncLocalStorage', 'cls-hooked'])(
    'values stay with the work through awaits and our spans: %s',
    async (name) => {
      const carrier = name === 'cls-hooked' ? clsHookedContext('test-bridge') : asyncContext();
      const release = useCarrier(carrier);
      await tracer.trace('job', () =>
        context.with(context.active().setValue(KEY, 'mine'), async () => {
          await new Promise(setImmediate);
          await withSpan('ours', async () => {
            await new Promise(setImmediate);
            expect(context.active().getValue(KEY)).toBe('mine');
            expect(trace.getActiveSpan()?.spanContext().spanId).toBe(currentTrace()?.spanId);
          });
        }),
      );
      release();
      expect(context.active()).toBe(ROOT_CONTEXT);
    },
  );

  test('functions and emitters can be bound', () => {
    const seen: unknown[] = [];
    const bound = ROOT_CONTEXT.setValue(KEY, 'bound');
    const look = function (this: unknown, a: number, b: number): number {
      seen.push(context.active().getValue(KEY), this);
      return a + b;
    };
    const self = { look: context.bind(bound, look) };
    expect(self.look(1, 2)).toBe(3);
    expect(self.look).toHaveLength(2);
    const emitter = context.bind(bound, new EventEmitter());
    emitter.once('event', look);
    emitter.emit('event', 1, 2);
    emitter.emit('event', 1, 2);
    expect(seen).toEqual(['bound', self, 'bound', emitter]);
  });

  test('baggage set through the API is propagated with the trace, by OpenTelemetry and by the kit', () => {
    tracer.trace('job', () => {
      const baggage = propagation.createBaggage({ tenant: { value: 'a b' } });
      context.with(propagation.setBaggage(context.active(), baggage), () => {
        withSpan('ours', (span) => {
          const theirWay: Record<string, string> = {};
          const ourWay: Record<string, string> = {};
          propagation.inject(context.active(), theirWay);
          span?.inject(ourWay);
          expect(theirWay).toEqual(ourWay);
          expect(ourWay['baggage']).toBe('tenant=a%20b');
        });
      });
    });
  });
});

describe('the registration', () => {
  test('refuses where an SDK is registered, and leaves that one as it was', () => {
    expect(() => registerOpenTelemetry(tracer)).toThrow(/another SDK registered/);
    tracer.trace('job', () => library().startSpan('theirs').end());
    expect(Object.keys(kept())).toEqual(['job', 'theirs']);
  });

  test('takes nothing where only part of the API is free', () => {
    registration.close();
    const provider = { getTracer: jest.fn(() => library()) };
    trace.setGlobalTracerProvider(provider);
    expect(() => registerOpenTelemetry(tracer)).toThrow(/another SDK registered/);
    trace.disable();
    registration = registerOpenTelemetry(tracer); // the context manager was given back
  });

  test('gives the API back, once', () => {
    registration.close();
    const { spanId } = library().startSpan('nobody').spanContext();
    expect(spanId).toBe('0'.repeat(16));
    const next = registerOpenTelemetry(tracer);
    registration.close();
    expect(library().startSpan('again').isRecording()).toBe(true);
    next.close();
  });
});

function idsOf(span: ApiSpan): { traceId: string; spanId: string } {
  const { traceId, spanId } = span.spanContext();
  return { traceId, spanId };
}
