/** Spans on their way to a collector: a real HTTP receiver that answers well, badly, late, or not at all. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { startSpan } from '../../src/shared/instrumentation.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { otlpExporter, type OtlpExporter, type OtlpExporterOptions } from '../../src/tracing/otlp-exporter.js';
import type { SpanRecord } from '../../src/tracing/span.js';
import { DistributedTracer } from '../../src/tracing/tracer.js';

type Answer = (res: http.ServerResponse) => void;

const ok: Answer = (res) => res.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
const status =
  (code: number, headers: http.OutgoingHttpHeaders = {}): Answer =>
  (res) =>
    res.writeHead(code, headers).end();

interface SentSpan {
  readonly name: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
}

interface Body {
  readonly resourceSpans: [{ resource: { attributes: unknown }; scopeSpans: [{ spans: SentSpan[] }] }];
}

const spansOf = (body: Body): SentSpan[] => body.resourceSpans[0].scopeSpans[0].spans;

/** A collector: what it got, and how it answers one request after the other. */
class Receiver {
  readonly bodies: Body[] = [];
  readonly requests: http.IncomingMessage[] = [];
  readonly answers: Answer[] = [];
  readonly server = http.createServer((req, res) => void this.#receive(req, res));
  #waiting: { count: number; resolve: () => void } | undefined;

  async #receive(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of req) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const isCompressed = req.headers['content-encoding'] === 'gzip';
    this.requests.push(req);
    this.bodies.push(JSON.parse((isCompressed ? gunzipSync(body) : body).toString()) as Body);
    (this.answers.shift() ?? ok)(res);
    if (this.#waiting !== undefined && this.requests.length >= this.#waiting.count) this.#waiting.resolve();
  }

  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Once so many requests have come. */
  async received(count: number): Promise<void> {
    if (this.requests.length < count) await new Promise<void>((resolve) => (this.#waiting = { count, resolve }));
  }

  spans(): SentSpan[] {
    return this.bodies.flatMap(spansOf);
  }
}

let receiver: Receiver;
let url: string;
const exporters: OtlpExporter[] = [];

beforeEach(async () => {
  receiver = new Receiver();
  url = await receiver.listen();
});

afterEach(async () => {
  await Promise.all(exporters.splice(0).map((exporter) => exporter.close()));
  receiver.server.closeAllConnections();
  await new Promise((resolve) => receiver.server.close(resolve));
});

function create(options: OtlpExporterOptions = {}) {
  const clock = new FakeClock();
  const exporter = otlpExporter({ url, clock, ...options });
  exporters.push(exporter);
  return { exporter, clock };
}

const span = (operation: string): SpanRecord => ({
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  parentSpanId: undefined,
  traceState: undefined,
  service: 'web',
  operation,
  kind: 'internal',
  startTime: 1_700_000_000_000,
  duration: 1.5,
  status: 'success',
  error: undefined,
  attributes: {},
  logs: [],
});

/** Moves the clock until so many requests have come: sockets answer in their own time. */
async function advanceUntil(clock: FakeClock, step: number, condition: () => boolean): Promise<void> {
  while (!condition()) {
    await clock.advance(step);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a trace arrives as OTLP/JSON: hexadecimal ids, integer enums, 64-bit numbers as strings', async () => {
  const { exporter } = create({ headers: { Authorization: 'Bearer t' }, resource: { 'host.name': 'h' } });
  const tracer = new DistributedTracer({ serviceName: 'web', samplingRate: 1, exporter });
  const traceId = tracer.trace('job', (root) => {
    root.setAttribute('n', 7);
    root.setAttribute('share', 0.5);
    root.setAttribute('yes', true);
    root.addLog('halfway', 'warn');
    startSpan('query', { 'db.system': 'sqlite' })?.end(new Error('locked'));
    return root.traceId;
  });
  await exporter.flush();
  expect(receiver.requests[0]).toMatchObject({ method: 'POST', url: '/v1/traces' });
  expect(receiver.requests[0]?.headers).toMatchObject({
    authorization: 'Bearer t',
    'content-type': 'application/json',
  });
  expect(receiver.bodies[0]?.resourceSpans[0].resource.attributes).toEqual([
    { key: 'host.name', value: { stringValue: 'h' } },
    { key: 'service.name', value: { stringValue: 'web' } },
  ]);
  const [root, query] = receiver.spans();
  expect(root).toMatchObject({
    traceId,
    name: 'job',
    kind: 1,
    status: { code: 0 },
    attributes: [
      { key: 'n', value: { intValue: '7' } },
      { key: 'share', value: { doubleValue: 0.5 } },
      { key: 'yes', value: { boolValue: true } },
    ],
    events: [{ name: 'halfway', attributes: [{ key: 'level', value: { stringValue: 'warn' } }] }],
  });
  expect(root?.parentSpanId).toBeUndefined();
  expect(root?.startTimeUnixNano).toMatch(/^\d{19}$/);
  expect(query).toMatchObject({ traceId, parentSpanId: root?.spanId, status: { code: 2, message: 'locked' } });
  expect(exporter.stats()).toEqual({ queued: 0, sent: 2, dropped: 0, retries: 0 });
  await tracer.close();
});

test('spans of a library are grouped under it; links, lists and the kinds of messaging are encoded', async () => {
  const { exporter } = create();
  const tracer = new DistributedTracer({ samplingRate: 1, exporter });
  tracer.trace('consume', (root) => {
    root.kind = 'consumer';
    root.setAttribute('topics', ['a', 'b']);
    const send = root.startChild('send', { sizes: [1, 0.5] }, 'producer');
    send.scope = { name: 'library', version: '1.2.3' };
    send.addLink({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), attributes: { n: 1 } });
    send.end();
  });
  await tracer.shutdown();
  const list = (...values: object[]): object => ({ arrayValue: { values } });
  expect(receiver.bodies[0]?.resourceSpans[0].scopeSpans).toMatchObject([
    {
      scope: { name: '@tooloo/resilience' },
      spans: [{ kind: 5, attributes: [{ key: 'topics', value: list({ stringValue: 'a' }, { stringValue: 'b' }) }] }],
    },
    {
      scope: { name: 'library', version: '1.2.3' },
      spans: [
        {
          kind: 4,
          attributes: [{ key: 'sizes', value: list({ intValue: '1' }, { doubleValue: 0.5 }) }],
          links: [
            {
              traceId: 'a'.repeat(32),
              spanId: 'b'.repeat(16),
              attributes: [{ key: 'n', value: { intValue: '1' } }],
            },
          ],
        },
      ],
    },
  ]);
});

test('spans wait for the interval, or for a full batch', async () => {
  const { exporter, clock } = create({ batchSize: 3, interval: 5000 });
  exporter.export([span('1')]);
  await clock.advance(4999);
  expect(receiver.requests).toHaveLength(0);
  await clock.advance(1);
  await receiver.received(1);
  await exporter.flush();
  exporter.export([span('2'), span('3'), span('4'), span('5')]);
  await clock.advance(0);
  await receiver.received(2);
  await exporter.flush();
  expect(receiver.bodies.map((body) => spansOf(body).length)).toEqual([1, 3, 1]);
});

test.each([429, 502, 503, 504])('%d is tried again, and then arrives', async (code) => {
  receiver.answers.push(status(code));
  const { exporter, clock } = create();
  exporter.export([span('1')]);
  const flushed = exporter.flush();
  await receiver.received(1);
  await advanceUntil(clock, 500, () => receiver.requests.length === 2);
  await flushed;
  expect(exporter.stats()).toEqual({ queued: 0, sent: 1, dropped: 0, retries: 1 });
});

test('Retry-After is waited for', async () => {
  receiver.answers.push(status(503, { 'Retry-After': '45' }));
  const { exporter, clock } = create();
  exporter.export([span('1')]);
  const flushed = exporter.flush();
  await receiver.received(1);
  await advanceUntil(clock, 0, () => clock.pendingTimers > 0);
  await clock.advance(44_999);
  expect(receiver.requests).toHaveLength(1);
  await clock.advance(1);
  await flushed;
  expect(receiver.requests).toHaveLength(2);
});

test.each([400, 401, 404, 500])('%d is not tried again, and counted', async (code) => {
  receiver.answers.push(status(code));
  const { exporter } = create();
  exporter.export([span('1'), span('2')]);
  await exporter.flush();
  expect(receiver.requests).toHaveLength(1);
  expect(exporter.stats()).toEqual({ queued: 0, sent: 0, dropped: 2, retries: 0 });
});

test('spans a collector rejects of a batch are counted as dropped', async () => {
  receiver.answers.push((res) => res.end('{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}'));
  const { exporter } = create();
  exporter.export([span('1'), span('2')]);
  await exporter.flush();
  expect(exporter.stats()).toMatchObject({ sent: 1, dropped: 1 });
});

test('a collector that is gone: five attempts, then the batch is dropped', async () => {
  await new Promise((resolve) => receiver.server.close(resolve));
  const { exporter, clock } = create();
  exporter.export([span('1')]);
  let done = false;
  void exporter.flush().then(() => (done = true));
  await advanceUntil(clock, 1000, () => done);
  expect(exporter.stats()).toEqual({ queued: 0, sent: 0, dropped: 1, retries: 4 });
});

test('a connection cut in the middle of an answer is tried again', async () => {
  receiver.answers.push((res) => {
    res.writeHead(200, { 'Content-Length': '100' }).write('{');
    res.destroy();
  });
  const { exporter, clock } = create();
  exporter.export([span('1')]);
  const flushed = exporter.flush();
  await advanceUntil(clock, 500, () => receiver.requests.length === 2);
  await flushed;
  expect(exporter.stats()).toMatchObject({ sent: 1, retries: 1 });
});

test('a queue that is full drops the oldest and counts them', async () => {
  const { exporter } = create({ queueSize: 10, batchSize: 100 });
  exporter.export(Array.from({ length: 25 }, (_, i) => span(String(i))));
  expect(exporter.stats()).toMatchObject({ queued: 10, dropped: 15 });
  await exporter.flush();
  expect(receiver.spans().map(({ name }) => name)).toEqual(Array.from({ length: 10 }, (_, i) => String(i + 15)));
});

test('closing sends what waits, ends a wait for another attempt, and takes nothing more', async () => {
  receiver.answers.push(status(503, { 'Retry-After': '60' }));
  const { exporter, clock } = create();
  exporter.export([span('1')]);
  void exporter.flush();
  await receiver.received(1);
  await advanceUntil(clock, 0, () => clock.pendingTimers > 0);
  exporter.export([span('2')]);
  await Promise.all([exporter.close(), exporter.close()]);
  exporter.export([span('3')]);
  expect(receiver.requests).toHaveLength(3);
  expect(exporter.stats()).toEqual({ queued: 0, sent: 2, dropped: 1, retries: 1 });
  expect(clock.pendingTimers).toBe(0);
});

test.each([
  ['http://127.0.0.1:1', '/v1/traces'],
  ['http://127.0.0.1:1/', '/v1/traces'],
  ['http://127.0.0.1:1/otlp', '/otlp/v1/traces'],
  ['http://127.0.0.1:1/v1/traces', '/v1/traces'],
])('%s means %s', async (given, path) => {
  const { exporter } = create({ url: given.replace('http://127.0.0.1:1', url) });
  exporter.export([span('1')]);
  await exporter.flush();
  expect(receiver.requests[0]?.url).toBe(path);
});

test("compression: 'gzip'", async () => {
  const { exporter } = create({ compression: 'gzip' });
  const spans = Array.from({ length: 100 }, (_, i) => span(`operation ${i}`));
  exporter.export(spans);
  await exporter.flush();
  expect(receiver.requests[0]?.headers['content-encoding']).toBe('gzip');
  expect(Number(receiver.requests[0]?.headers['content-length'])).toBeLessThan(JSON.stringify(spans).length / 5);
  expect(receiver.spans().map(({ name }) => name)).toEqual(spans.map(({ operation }) => operation));
});

test('closing ends after closeTimeout over all batches, even if the collector never answers', async () => {
  const never: Answer = () => undefined;
  receiver.answers.push(never, never, never, never);
  const { exporter, clock } = create({ batchSize: 1, closeTimeout: 5000, timeout: 3_600_000 });
  exporter.export([span('1'), span('2'), span('3'), span('4')]);
  let isClosed = false;
  const closed = exporter.close().then(() => (isClosed = true));
  await receiver.received(1);
  await clock.advance(4999);
  expect(isClosed).toBe(false);
  await clock.advance(1);
  await closed;
  expect(exporter.stats()).toMatchObject({ queued: 0, sent: 0 });
  expect(receiver.requests).toHaveLength(1);
  await advanceUntil(clock, 0, () => exporter.stats().dropped === 4);
});

describe('beside HTTP_PROXY', () => {
  let diverted: string[];
  let proxy: http.Server;

  beforeEach(async () => {
    diverted = [];
    proxy = http.createServer((req, res) => {
      diverted.push(req.url ?? '');
      req.resume().on('end', () => res.writeHead(200).end('{}'));
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    process.env['HTTP_PROXY'] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    delete process.env['HTTP_PROXY'];
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });

  test.each(['127.0.0.1', 'localhost'])('a collector at %s is reached directly', async (host) => {
    const { exporter } = create({ url: url.replace('127.0.0.1', host) });
    exporter.export([span('1')]);
    await exporter.flush();
    expect(receiver.requests).toHaveLength(1);
    expect(diverted).toEqual([]);
  });

  test('a collector elsewhere is reached through the proxy', async () => {
    const { exporter } = create({ url: 'http://collector.example:4318' });
    exporter.export([span('1')]);
    await exporter.flush();
    expect(diverted).toEqual(['http://collector.example:4318/v1/traces']);
  });
});

test('options are checked', () => {
  expect(() => otlpExporter({ url: 'collector:4318' })).toThrow(RangeError);
  expect(() => otlpExporter({ url: 'ftp://x' })).toThrow(RangeError);
  expect(() => otlpExporter({ batchSize: 0 })).toThrow(RangeError);
  expect(() => otlpExporter({ endpoint: url } as OtlpExporterOptions)).toThrow(TypeError);
});
