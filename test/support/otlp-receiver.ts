/** A collector of traces: a real HTTP server that decodes the OTLP/JSON it is sent. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface EncodedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly KeyValue[];
  readonly events?: readonly { readonly name: string; readonly attributes: readonly KeyValue[] }[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code?: number; readonly message?: string };
}

interface ScopeSpans {
  readonly scope: { readonly name: string; readonly version?: string };
  readonly spans: readonly EncodedSpan[];
}

interface Payload {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly ScopeSpans[];
  }[];
}

/** A span as received, its attributes as plain values. */
export interface ReceivedSpan extends Omit<EncodedSpan, 'attributes'> {
  readonly service: unknown;
  readonly scope: ScopeSpans['scope'];
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface OtlpReceiver {
  /** Without a path, as a setting gives it. */
  readonly url: string;
  readonly spans: ReceivedSpan[];
  readonly requests: { readonly url: string | undefined; readonly headers: IncomingHttpHeaders }[];
  close(): Promise<void>;
}

function plain(value: KeyValue['value']): unknown {
  const list = value['arrayValue'] as { values: KeyValue['value'][] } | undefined;
  return list === undefined ? Object.values(value)[0] : list.values.map(plain);
}

function plainAttributes(attributes: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));
}

function spansOf({ resourceSpans }: Payload): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = plainAttributes(resource.attributes)['service.name'];
    return scopeSpans.flatMap(({ scope, spans }) =>
      spans.map((span) => ({ ...span, service, scope, attributes: plainAttributes(span.attributes) })),
    );
  });
}

async function textOf(req: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of req) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** Starts one on a free port. */
export async function otlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const requests: OtlpReceiver['requests'] = [];
  const server = createServer((req, res) => {
    requests.push({ url: req.url, headers: req.headers });
    void textOf(req).then((text) => {
      const isTraces = req.url === '/v1/traces' && req.headers['content-type'] === 'application/json';
      if (isTraces) spans.push(...spansOf(JSON.parse(text) as Payload));
      res.writeHead(isTraces ? 200 : 400, { 'Content-Type': 'application/json' }).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
