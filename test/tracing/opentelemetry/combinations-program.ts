/**
 * Serves one request with `trace` beside OpenTelemetry's instrumentation, and sends its parent every span that either
 * side recorded. It is a separate program, because instrumentation patches modules as they are loaded.
 *
 * Arguments: the SDK (`bridge`: this kit; `provider` and `NodeSDK`: OpenTelemetry's, the latter with all that it sets
 * up by itself), the side that comes first, and the URL to call.
 */
import { createRequire } from 'node:module';
import type http from 'node:http';
import type net from 'node:net';
import type { AddressInfo } from 'node:net';
import type express from 'express';
import { SpanKind } from '@opentelemetry/api';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { ExpressInstrumentation } from '@opentelemetry/instrumentation-express';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { IORedisInstrumentation } from '@opentelemetry/instrumentation-ioredis';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { trace } from '../../../src/middleware/trace.js';
import { registerOpenTelemetry } from '../../../src/opentelemetry.js';
import { currentTrace, injectTrace } from '../../../src/shared/instrumentation.js';
import { withSpan } from '../../../src/tracing/run-span.js';
import type { SpanRecord } from '../../../src/tracing/span.js';
import { DistributedTracer } from '../../../src/tracing/tracer.js';

const [sdk, first, downstream] = process.argv.slice(2) as [
  'bridge' | 'provider' | 'NodeSDK',
  'ours' | 'theirs',
  string,
];
const load = createRequire(__filename);

interface Told {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly isServer: boolean;
  readonly scope: string;
}

const ours: Told[] = [];
const memory = new InMemorySpanExporter();

function told(span: SpanRecord): Told {
  const { operation: name, traceId, spanId, parentSpanId, kind, scope } = span;
  return { name, traceId, spanId, parentSpanId, isServer: kind === 'server', scope: scope?.name ?? 'ours' };
}

function theirs(): Told[] {
  return memory.getFinishedSpans().map((span) => ({
    name: span.name,
    traceId: span.spanContext().traceId,
    spanId: span.spanContext().spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    isServer: span.kind === SpanKind.SERVER,
    scope: span.instrumentationScope.name,
  }));
}

async function main(): Promise<void> {
  const tracer = new DistributedTracer({
    samplingRate: 1,
    exporter: { export: (spans) => void ours.push(...spans.map(told)) },
  });
  const instrumentations = [
    new HttpInstrumentation(),
    new UndiciInstrumentation(),
    new ExpressInstrumentation(),
    new PgInstrumentation(),
    new IORedisInstrumentation(),
  ];
  const spanProcessors = [new SimpleSpanProcessor(memory)];
  // Otherwise it would send metrics to a collector that is not here, and retry for eight seconds before it ends.
  process.env.OTEL_METRICS_EXPORTER = 'none';
  const whole = sdk === 'NodeSDK' ? new NodeSDK({ spanProcessors, instrumentations }) : undefined;
  if (sdk === 'bridge') registerOpenTelemetry(tracer);
  if (sdk === 'provider') new NodeTracerProvider({ spanProcessors }).register();
  const middleware = first === 'ours' ? trace({ tracer }) : undefined;
  if (whole === undefined) registerInstrumentations({ instrumentations });
  else whole.start();
  const { createServer, get } = load('http') as typeof http;
  const createApplication = load('express') as typeof express;
  const pg = load('pg') as {
    Client: new (options: object) => {
      connect(): Promise<void>;
      query(sql: string): Promise<unknown>;
      end(): Promise<void>;
    };
  };
  const { Redis } = load('ioredis') as {
    Redis: new (url: string) => { get(key: string): Promise<unknown>; quit(): Promise<unknown> };
  };

  const database = new pg.Client({ host: '127.0.0.1', port: 5432, user: 'root', database: 'test' });
  await database.connect();
  const redis = new Redis('redis://127.0.0.1:6379');
  await redis.get('combinations');
  const fetchIt = async (path: string, headers: Record<string, string>): Promise<void> => {
    await (await fetch(`${downstream}${path}`, { headers })).text();
  };
  const getIt = (path: string, headers: Record<string, string>): Promise<void> =>
    new Promise((resolve) => get(`${downstream}${path}`, { headers }, (res) => res.resume().on('end', resolve)));

  const app = createApplication();
  app.use(middleware ?? trace({ tracer }));
  let current: string | undefined;
  app.get('/orders/:id', async (_req, res) => {
    current = currentTrace()?.traceId;
    await withSpan('work', async () => {
      for (const call of [fetchIt, getIt]) {
        const headers: Record<string, string> = {};
        injectTrace(headers);
        await call('/injected', headers);
        await call('/plain', {});
      }
      await database.query('SELECT 1');
      await redis.get('combinations');
    });
    res.send('done');
  });
  const server = createServer(app as never);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  // A client outside of everything: no header field, no context.
  const { connect } = load('node:net') as typeof net;
  await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /orders/7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    socket.resume().on('close', resolve);
  });
  await new Promise((resolve) => setImmediate(resolve));
  server.close();
  await Promise.all([database.end(), redis.quit(), tracer.close()]);
  // NodeSDK describes the process first, and exports afterwards.
  await spanProcessors[0]!.forceFlush();
  process.send?.({ current, spans: [...ours, ...theirs()] });
  await whole?.shutdown();
  process.disconnect();
}

void main();
