/** The OTLP exporter and the undici instrumentation of OpenTelemetry on this tracer, with a real receiver. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SpanRecord } from '../../../src/tracing/span.js';
import { bundleProgram, nextMessage, startProgram } from '../../support/bundled-child.js';
import { otlpReceiver, type OtlpReceiver, type ReceivedSpan } from '../../support/otlp-receiver.js';

interface Recorded {
  readonly kept: readonly SpanRecord[];
  readonly stats: Readonly<Record<string, number>>;
  readonly totalTraces: number;
}

const CLIENT = 3;
const STATUS_ERROR = 2;

jest.setTimeout(60_000);

let receiver: OtlpReceiver;
let recorded: Recorded;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'opentelemetry-'));
  receiver = await otlpReceiver();
  const child = startProgram(bundleProgram(join(__dirname, 'otlp-program.ts'), folder), receiver.url);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  recorded = await nextMessage<Recorded>(child);
  await ended;
  rmSync(folder, { recursive: true, force: true });
});

afterAll(() => receiver.close());

const named = (name: string): ReceivedSpan => receiver.spans.find((span) => span.name === name)!;
const links = ({
  traceId,
  spanId,
  parentSpanId,
}: {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
}): object => ({
  traceId,
  spanId,
  parentSpanId,
});

test('what arrives is what was recorded: ids, parents, times', () => {
  expect(receiver.spans.map(links)).toEqual(recorded.kept.map((span) => links(span as never)));
  for (const [i, { startTime, duration }] of recorded.kept.entries()) {
    const { startTimeUnixNano, endTimeUnixNano } = receiver.spans[i]!;
    expect(Number(startTimeUnixNano) / 1e6).toBeCloseTo(startTime, 2);
    expect(Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6).toBeCloseTo(duration!, 2);
  }
  expect(recorded.stats).toMatchObject({ sent: recorded.kept.length, dropped: 0, queued: 0 });
});

test('attributes, events, errors, resource and scope arrive as they were', () => {
  expect(named('job')).toMatchObject({ service: 'web', scope: { name: '@tooloo/resilience' } });
  expect(named('job').events).toMatchObject([{ name: 'halfway' }]);
  expect(named('call')).toMatchObject({ attributes: { tags: ['a', 'b'], retry: true } });
  expect(named('query').status).toEqual({ code: STATUS_ERROR, message: 'locked' });
});

test('a fetch traced by an instrumentation of OpenTelemetry is a child, and passes the trace on', () => {
  const request = named('POST');
  expect(request).toMatchObject({
    kind: CLIENT,
    parentSpanId: named('job').spanId,
    scope: { name: '@opentelemetry/instrumentation-undici' },
    attributes: { 'http.request.method': 'POST', 'http.response.status_code': 400 },
  });
  const elsewhere = receiver.requests.find(({ url }) => url === '/elsewhere');
  expect(elsewhere?.headers['traceparent']).toBe(`00-${request.traceId}-${request.spanId}-03`);
});

test('sending spans away makes no spans', () => {
  expect(recorded.totalTraces).toBe(1);
});
