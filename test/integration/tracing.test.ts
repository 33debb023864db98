/**
 * One request through several processes is one trace: in what the services hold, joined by the gateway, and in a collector;
 * and what the services count is what was sent.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SpanRecord } from '../../src/index.js';
import { eventually } from '../support/eventually.js';
import { buildFleet, startFleet, type RunningFleet } from '../support/fleet.js';
import { openAiEndpoint, type Endpoint } from '../support/openai-endpoint.js';
import { otlpReceiver, type OtlpReceiver } from '../support/otlp-receiver.js';

jest.setTimeout(120_000);

const CLIENT_SPAN = '00f067aa0ba902b7';

let folder: string;
let collector: OtlpReceiver;
let failing: Endpoint;
let answering: Endpoint;
let fleet: RunningFleet;
let web: string;

beforeAll(async () => {
  buildFleet();
  folder = mkdtempSync(join(tmpdir(), 'tooloo-tracing-'));
  collector = await otlpReceiver();
  failing = await openAiEndpoint();
  failing.behaviour = { status: 500 };
  answering = await openAiEndpoint('good morning');
  const free = { model: 'm', inputPrice: 0, outputPrice: 0 };
  const providers = [
    { id: 'failing', baseUrl: failing.url, ...free },
    { id: 'answering', baseUrl: answering.url, ...free },
  ];
  writeFileSync(join(folder, 'providers.json'), JSON.stringify(providers));
  fleet = await startFleet({
    LOG_LEVEL: 'warn',
    DATA_DIR: folder,
    PROVIDERS_FILE: join(folder, 'providers.json'),
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    RATE_LIMIT_CAPACITY: '100000',
    RATE_LIMIT_SERVICE_CAPACITY: '100000',
  });
  web = await fleet.urlOf('web');
});

let stopping: Promise<unknown> | undefined;
const stopFleet = (): Promise<unknown> => (stopping ??= fleet.stop());

afterAll(async () => {
  await stopFleet();
  await Promise.all([failing.close(), answering.close(), collector.close()]);
  rmSync(folder, { recursive: true, force: true });
});

/** Asks the gateway as part of a sampled trace, and returns its id. */
async function ask(path: string, body?: object): Promise<string> {
  const traceId = randomBytes(16).toString('hex');
  const answer = await fetch(web + path, {
    headers: { traceparent: `00-${traceId}-${CLIENT_SPAN}-01`, 'Content-Type': 'application/json' },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  });
  expect(`${answer.status} ${await answer.text()}`).toMatch(/^20[01] /);
  return traceId;
}

/** The trace as the gateway joins it, once all these services have ended their part. */
async function joined(traceId: string, services: readonly string[]): Promise<SpanRecord[]> {
  return eventually(
    async () => {
      const answer = await fetch(`${web}/api/v1/dashboard/traces/${traceId}`);
      return answer.ok ? ((await answer.json()) as { trace: { spans: SpanRecord[] } }).trace.spans : [];
    },
    (spans) => {
      const ended = new Set(
        spans.filter(({ kind, status }) => kind === 'server' && status !== 'active').map(serviceOf),
      );
      return services.every((service) => ended.has(service));
    },
  );
}

const serviceOf = ({ service }: SpanRecord): string => service;

/** Every span hangs on another, but for the first, which hangs on the caller; services hang on calls to them. */
function expectOneTree(spans: readonly SpanRecord[]): void {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  expect(spans.filter(({ parentSpanId = '' }) => !byId.has(parentSpanId))).toMatchObject([
    { service: 'web', kind: 'server', parentSpanId: CLIENT_SPAN },
  ]);
  for (const span of spans) {
    const parent = byId.get(span.parentSpanId ?? '');
    if (parent === undefined) continue;
    const isCall = span.kind === 'server' && parent.kind === 'client';
    const isInside = span.kind !== 'server' && parent.service === span.service;
    expect([span.operation, parent.operation, isCall || isInside]).toEqual([span.operation, parent.operation, true]);
  }
}

/** Each service holds its own part under the same id. */
async function expectHeld(traceId: string, service: 'web' | 'budget' | 'reports', spans: readonly SpanRecord[]) {
  const answer = await fetch(`${await fleet.urlOf(service)}/api/v1/system/traces/${traceId}`);
  const { trace } = (await answer.json()) as { trace: { spans: SpanRecord[] } };
  const idsOf = (some: readonly SpanRecord[]): string[] => some.map(({ spanId }) => spanId);
  const part = spans.filter((span) => span.service === service);
  expect(idsOf(trace.spans)).toEqual(expect.arrayContaining(idsOf(part)));
}

const seen = new Map<string, readonly SpanRecord[]>();

test('web → budget → two providers: the one that failed and the one that answered are both in the trace', async () => {
  const traceId = await ask('/api/v1/providers/burst', { prompt: 'hello' });
  const spans = await joined(traceId, ['web', 'budget']);
  expectOneTree(spans);
  await expectHeld(traceId, 'web', spans);
  await expectHeld(traceId, 'budget', spans);

  const server = spans.find(({ operation }) => operation === 'POST /api/v1/providers/burst');
  expect(server).toMatchObject({ service: 'budget', attributes: { 'http.response.status_code': 200 } });
  for (const [{ asked }, status] of [
    [failing, 'error'],
    [answering, 'success'],
  ] as const) {
    const [, sentTrace, sentSpan] = String(asked[0]?.headers['traceparent']).split('-');
    expect(sentTrace).toBe(traceId);
    expect(spans.find(({ spanId }) => spanId === sentSpan)).toMatchObject({
      service: 'budget',
      kind: 'client',
      status,
    });
  }
  seen.set(traceId, spans);
});

test('web → reports → the other services: one trace over all of them', async () => {
  const asked = ['training', 'meta', 'budget', 'coach', 'segmentation', 'capabilities'];
  const traceId = await ask('/api/v1/reports/comprehensive');
  const spans = await joined(traceId, ['web', 'reports', ...asked]);
  expectOneTree(spans);
  await expectHeld(traceId, 'web', spans);
  await expectHeld(traceId, 'reports', spans);
  for (const service of asked) {
    const served = spans.find((span) => span.service === service && span.kind === 'server')!;
    const call = spans.find(({ spanId }) => spanId === served.parentSpanId);
    expect(call).toMatchObject({ service: 'reports', kind: 'client', operation: 'http.client' });
  }
  seen.set(traceId, spans);
});

test('what services count is what was sent to them, refused requests too', async () => {
  const path = '/api/v1/budget/record-workflow';
  const send = async (body: object): Promise<number> => {
    const headers = { 'Content-Type': 'application/json' };
    return (await fetch(web + path, { method: 'POST', headers, body: JSON.stringify(body) })).status;
  };
  const good = await Promise.all(Array.from({ length: 40 }, (_, i) => send({ workflowId: `w${i}`, cost: 0.01 })));
  const bad = await Promise.all(Array.from({ length: 7 }, () => send({ workflowId: 'w' })));
  expect([new Set(good), new Set(bad)]).toEqual([new Set([201]), new Set([400])]);

  const counted = async (service: 'web' | 'budget', operation: string): Promise<unknown> => {
    const answer = await fetch(`${await fleet.urlOf(service)}/api/v1/system/observability`);
    const { tracer } = (await answer.json()) as { tracer: { operations: Record<string, { count: number }> } };
    return tracer.operations[operation]?.count;
  };
  expect(await counted('budget', `POST ${path}`)).toBe(47);
  expect(await counted('web', 'POST /api/v1/budget/*path')).toBe(47);

  const exposed = await (await fetch(`${await fleet.urlOf('budget')}/metrics`)).text();
  const ofStatus = (status: number): string | undefined =>
    exposed
      .split('\n')
      .find(
        (line) =>
          line.startsWith('http_server_request_duration_seconds_count{') &&
          line.includes(path) &&
          line.includes(`"${status}"`),
      )
      ?.split(' ')
      .at(-1);
  expect([ofStatus(201), ofStatus(400)]).toEqual(['40', '7']);
});

test('the collector gets the same spans, the last of them when the services end', async () => {
  await stopFleet();
  expect(seen.size).toBe(2);
  for (const [traceId, spans] of seen) {
    const received = collector.spans.filter((span) => span.traceId === traceId);
    const triple = ({
      spanId,
      parentSpanId,
      service,
    }: {
      spanId: string;
      parentSpanId?: string | undefined;
      service: unknown;
    }) => `${String(service)} ${spanId} ${parentSpanId ?? ''}`;
    expect(received.map(triple)).toEqual(expect.arrayContaining(spans.map(triple)));
    const ids = new Set([CLIENT_SPAN, ...received.map(({ spanId }) => spanId)]);
    expect(received.filter(({ parentSpanId = '' }) => !ids.has(parentSpanId))).toEqual([]);
  }
});
