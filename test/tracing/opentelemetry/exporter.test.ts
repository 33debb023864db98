/** Spans through exporters made for OpenTelemetry: as the SDK shapes them, and to exporters that misbehave. */
import { DiagLogLevel, SpanKind, diag, type DiagLogger } from '@opentelemetry/api';
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace-base';
import { openTelemetryExporter, type OpenTelemetrySpanExporter } from '../../../src/opentelemetry.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { DistributedTracer } from '../../../src/tracing/tracer.js';

/** The errors that the exporter writes to OpenTelemetry's own log. */
function toldErrors(): unknown[][] {
  const told: unknown[][] = [];
  const silent = (): void => undefined;
  const logger: DiagLogger = {
    error: (...args) => told.push(args),
    warn: silent,
    info: silent,
    debug: silent,
    verbose: silent,
  };
  diag.setLogger(logger, { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true });
  return told;
}

afterEach(() => diag.disable());

test('kinds, links and scopes are those of the SDK, one resource for each service', async () => {
  const memory = new InMemorySpanExporter();
  const exporter = openTelemetryExporter(memory);
  const tracer = new DistributedTracer({ serviceName: 'web', samplingRate: 1, exporter });
  tracer.trace('first', (span) => {
    span.kind = 'client';
    span.scope = { name: 'library', version: '1.2.3' };
    span.addLink({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), attributes: { n: 1 } });
  });
  tracer.trace('second', () => undefined);
  await exporter.flush();
  const [first, second] = memory.getFinishedSpans();
  expect(first).toMatchObject({
    kind: SpanKind.CLIENT,
    instrumentationScope: { name: 'library', version: '1.2.3' },
    links: [{ context: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }, attributes: { n: 1 } }],
  });
  expect(second?.resource).toBe(first?.resource);
  expect(second?.resource.attributes).toEqual({ 'service.name': 'web' });
  await tracer.shutdown();
});

describe('an exporter that', () => {
  const create = (exporting: OpenTelemetrySpanExporter['export']) => {
    const clock = new FakeClock();
    const shutdown = jest.fn(() => Promise.resolve());
    const exporter = openTelemetryExporter({ export: exporting, shutdown }, { clock });
    const tracer = new DistributedTracer({ samplingRate: 1, exporter });
    tracer.trace('job', () => undefined);
    return { clock, exporter, shutdown };
  };

  test('reports a failure, or throws, loses its batch, which is counted, logged and not retried', async () => {
    const told = toldErrors();
    const reported = new Error('reported');
    const thrown = new Error('thrown');
    let calls = 0;
    const { exporter } = create((_spans, done) => {
      calls++;
      done({ code: 1, error: reported });
    });
    await exporter.flush();
    const throwing = create(() => {
      throw thrown;
    });
    await throwing.exporter.flush();
    expect(calls).toBe(1);
    expect([exporter.stats().dropped, throwing.exporter.stats().dropped]).toEqual([1, 1]);
    expect(told.map((args) => args.at(-1))).toEqual([reported, thrown]);
  });

  test('never answers does not hold what comes after it', async () => {
    const told = toldErrors();
    let isFirst = true;
    const { exporter, clock } = create((_spans, done) => {
      if (!isFirst) done({ code: 0 });
      isFirst = false;
    });
    const flushed = exporter.flush();
    await clock.advance(30_000);
    await flushed;
    expect(exporter.stats()).toMatchObject({ sent: 0, dropped: 1 });
    expect(String(told[0]?.at(-1))).toContain('no answer in 30000 ms');
  });

  test('is closed sends what waits, and is shut down once', async () => {
    const { exporter, shutdown } = create((_spans, done) => done({ code: 0 }));
    await Promise.all([exporter.close(), exporter.close()]);
    expect(exporter.stats().sent).toBe(1);
    expect(shutdown).toHaveBeenCalledTimes(1);
  });
});

test('options are checked', () => {
  expect(() => openTelemetryExporter({} as never)).toThrow(/expected an OpenTelemetry SpanExporter/);
  expect(() => openTelemetryExporter(new InMemorySpanExporter(), { timeout: 0 })).toThrow(RangeError);
});
