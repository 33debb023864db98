/**
 * Serves one request for each form of route, and sends its parent two labels: the one of `trace`, and the one of
 * OpenTelemetry's instrumentation of Express. It is a separate program, because instrumentation patches modules as they
 * are loaded.
 *
 * Arguments: the major version of Express, a folder with two copies of it (`1/node_modules/express` and
 * `2/node_modules/express`), and the folder of the files that are served.
 */
import { createRequire } from 'node:module';
import type http from 'node:http';
import type net from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SpanKind } from '@opentelemetry/api';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { ExpressInstrumentation } from '@opentelemetry/instrumentation-express';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { trace } from '../../../src/middleware/trace.js';
import { DistributedTracer } from '../../../src/tracing/tracer.js';
import { routeForms, type Express, type RouteForm } from './route-forms.js';

/** The labels that a form of route was counted under. OpenTelemetry has no label where it found no route. */
export interface Labels {
  readonly title: string;
  readonly path: string;
  readonly template: string;
  readonly ours: string;
  readonly theirs: string | undefined;
}

const [version, copies, files] = process.argv.slice(2) as [string, string, string];
const load = createRequire(__filename);
const memory = new InMemorySpanExporter();

function loadCopy(name: string): Express {
  return createRequire(join(copies, name, 'program.js'))('express') as Express;
}

async function main(): Promise<void> {
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] }).register();
  registerInstrumentations({ instrumentations: [new HttpInstrumentation(), new ExpressInstrumentation()] });
  const { createServer } = load('node:http') as typeof http;
  const { connect } = load('node:net') as typeof net;
  const [own, other] = [loadCopy('1'), loadCopy('2')] as const;

  let serve: http.RequestListener;
  const server = createServer((req, res) => serve(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  async function labelsOf({ title, path, template, setUp }: RouteForm): Promise<Labels> {
    const tracer = new DistributedTracer();
    const app = own();
    app.set('env', 'test');
    app.use(trace({ tracer }));
    setUp(app);
    serve = app as never;
    let ours = 'no request';
    tracer.onRequest(({ route }) => void (ours = route));
    memory.reset();
    await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      socket.resume().on('close', resolve);
    });
    await tracer.close();
    const span = memory.getFinishedSpans().find(({ kind }) => kind === SpanKind.SERVER);
    const theirs = span?.attributes['http.route'] as string | undefined;
    return { title, path, template, ours, theirs };
  }

  const labels: Labels[] = [];
  for (const form of routeForms([own, other], version === '5', files)) labels.push(await labelsOf(form));
  server.close();
  process.send?.(labels, () => process.disconnect());
}

void main();
