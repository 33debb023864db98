/** Sends spans to any OTLP collector, over HTTP as JSON. */
import { promisify } from 'node:util';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { wallClock } from '../shared/clock.js';
import type { Attributes } from '../shared/instrumentation.js';
import { loadUndici } from '../shared/lazy-undici.js';
import { nodeModule } from '../shared/node-modules.js';
import { checkOptions, number, object, oneOf, recordOf, string } from '../shared/options.js';
import type { SpanExporter } from './exporter.js';
import { exporterFrom, isLoopbackHost, resourceFrom, serviceNameFrom, withTracesPath } from './otel-environment.js';
import { encodeSpans } from './otlp-encoding.js';
import { QUEUE_CHECKS, SpanQueue, type Outcome, type SpanQueueOptions, type SpanQueueStats } from './span-queue.js';

/** The destination of spans and how they are batched. */
export interface OtlpExporterOptions extends SpanQueueOptions {
  /**
   * The URL of the collector; `/v1/traces` is appended if it is missing. Default `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`
   * or `OTEL_EXPORTER_OTLP_ENDPOINT`, else `http://127.0.0.1:4318`. A collector on this machine is reached without a
   * proxy.
   */
  url?: string;
  /** `service.name` of the resource; by default `OTEL_SERVICE_NAME`, else that of the spans. */
  serviceName?: string;
  /** Attributes of the resource, in addition to those of `OTEL_RESOURCE_ATTRIBUTES`. Undefined ones are left out. */
  resource?: Readonly<Record<string, Attributes[string] | undefined>>;
  /** Header fields of every request, for example a token, in addition to those of `OTEL_EXPORTER_OTLP_HEADERS`. */
  headers?: Readonly<Record<string, string>>;
  /** Milliseconds a request may take; by default `OTEL_EXPORTER_OTLP_TIMEOUT`, else 10,000. */
  timeout?: number;
  /** How bodies are compressed; by default `OTEL_EXPORTER_OTLP_COMPRESSION`, else 'none'. */
  compression?: 'gzip' | 'none';
}

/** The numbers of exported spans by result. */
export type OtlpExporterStats = SpanQueueStats;

/**
 * The exporter that `otlpExporter` returns.
 *
 * @example
 * import { otlpExporter, type OtlpExporter } from '@tooloo/resilience';
 *
 * const exporter: OtlpExporter = otlpExporter();
 * await exporter.flush();
 * console.log(exporter.stats());
 */
export interface OtlpExporter extends SpanExporter, AsyncDisposable {
  stats(): OtlpExporterStats;
  flush(): Promise<void>;
  close(): Promise<void>;
}

const DEFAULT_URL = 'http://127.0.0.1:4318/v1/traces';
const DEFAULT_TIMEOUT = 10_000;
/** The only statuses that request another attempt (OTLP specification, "Retryable Response Codes"). */
const RETRYABLE = new Set([429, 502, 503, 504]);
const MAX_RETRY_AFTER = 60_000;
/** The most bytes of a response that are read. The number of rejected spans is before this. */
const MAX_ANSWER = 65_536;

const compress = (body: string): Promise<Buffer> => promisify(nodeModule('node:zlib').gzip)(body);

/** `Retry-After` in milliseconds: seconds, or a date. */
function retryAfter(value: unknown): number | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - wallClock.now();
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(0, seconds), MAX_RETRY_AFTER);
}

/** `partialSuccess.rejectedSpans`, a 64-bit number and therefore a string. */
function rejectedSpans(body: string): number {
  const text = /"rejectedSpans"\s*:\s*"?(\d+)/.exec(body)?.[1];
  return text === undefined ? 0 : Number(text);
}

/** The beginning of a body of any length. A truncated body still counts as a response. */
async function beginningOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= MAX_ANSWER) break; // leaving the loop destroys the stream
    }
  } catch {
    // What came before has to do.
  }
  return Buffer.concat(chunks).toString();
}

async function outcomeOf({ statusCode, body, headers }: Dispatcher.ResponseData): Promise<Outcome> {
  if (statusCode >= 200 && statusCode < 300) return { kind: 'sent', rejected: rejectedSpans(await beginningOf(body)) };
  await body.dump().catch(() => undefined); // so that the connection can be used again
  if (!RETRYABLE.has(statusCode)) return { kind: 'refused', reason: `answered ${statusCode}` };
  return { kind: 'retry', after: retryAfter(headers['retry-after']) };
}

/** The connections to a collector: direct on this machine, elsewhere through the proxy of the environment if it has one. */
async function connectionsTo(isLocal: boolean): Promise<Dispatcher> {
  const { Agent, EnvHttpProxyAgent } = await loadUndici();
  return isLocal ? new Agent() : new EnvHttpProxyAgent({ proxyTunnel: false });
}

/**
 * An exporter for the option `exporter` of a tracer. Closing sends what waits, in one attempt and within `closeTimeout`.
 *
 * @throws TypeError, RangeError for an option that is unknown, or of the wrong type or range
 *
 * @example
 * import { otlpExporter, trace } from '@tooloo/resilience';
 *
 * app.use(trace({ exporter: otlpExporter({ url: 'http://collector:4318' }) }));
 */
export function otlpExporter(options?: OtlpExporterOptions): OtlpExporter {
  const checked = checkOptions('otlpExporter', options, {
    ...QUEUE_CHECKS,
    url: {
      ...string,
      expected: 'an http(s) URL',
      range: (value: string) => /^https?:\/\/[^/]/.test(value) && URL.canParse(value),
    },
    serviceName: string,
    resource: object('an object of attributes'),
    headers: recordOf(string),
    timeout: number({ min: 1 }),
    compression: oneOf('gzip', 'none'),
  });
  const environment = exporterFrom();
  const { url, headers, resource, serviceName = serviceNameFrom(), ...rest } = checked;
  const { timeout = environment.timeout ?? DEFAULT_TIMEOUT, ...others } = rest;
  const { compression = environment.compression ?? 'none', ...queueOptions } = others;
  const target = url === undefined ? (environment.url ?? DEFAULT_URL) : withTracesPath(url);
  const isLocal = isLoopbackHost(new URL(target).hostname);
  const attributes = { ...resourceFrom(), ...resource };
  const fields = {
    ...environment.headers,
    ...headers,
    'Content-Type': 'application/json',
    ...(compression === 'gzip' && { 'Content-Encoding': 'gzip' }),
  };

  let dispatcher: Dispatcher | undefined;

  async function post(body: string, closing: AbortSignal): Promise<Outcome> {
    try {
      const { request } = await loadUndici(); // by the first export
      dispatcher ??= await connectionsTo(isLocal);
      const response = await request(target, {
        method: 'POST',
        headers: fields,
        body: compression === 'gzip' ? await compress(body) : body,
        signal: AbortSignal.any([closing, AbortSignal.timeout(timeout)]),
        dispatcher,
      });
      return await outcomeOf(response);
    } catch {
      return { kind: 'retry', after: undefined }; // no response: refused, reset, or too slow
    }
  }

  return new SpanQueue({ name: `otlpExporter: ${new URL(target).host}`, ...queueOptions }, (batch) => {
    const body = encodeSpans(batch, { ...attributes, 'service.name': serviceName ?? batch[0]!.service });
    return (closing) => post(body, closing);
  });
}
