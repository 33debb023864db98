/** Spans to any OTLP collector, over HTTP as JSON. */
import axios, { type AxiosResponse } from 'axios';
import { wallClock } from '../shared/clock.js';
import type { Attributes } from '../shared/instrumentation.js';
import { checkOptions, number, object, recordOf, string } from '../shared/options.js';
import type { SpanExporter } from './exporter.js';
import { encodeSpans } from './otlp-encoding.js';
import { QUEUE_CHECKS, SpanQueue, type Outcome, type SpanQueueOptions, type SpanQueueStats } from './span-queue.js';

/** Where spans go and how they are batched. */
export interface OtlpExporterOptions extends SpanQueueOptions {
  /** The collector, `http://127.0.0.1:4318` by default; `/v1/traces` is appended where it is not there. */
  url?: string;
  /** `service.name` of the resource; that of the spans by default. */
  serviceName?: string;
  /** Further attributes of the resource. */
  resource?: Attributes;
  /** Header fields of every request, a token for instance. */
  headers?: Readonly<Record<string, string>>;
  /** Milliseconds a request may take; 10,000 by default. */
  timeout?: number;
}

/** What became of the spans. */
export type OtlpExporterStats = SpanQueueStats;

export interface OtlpExporter extends SpanExporter, AsyncDisposable {
  stats(): OtlpExporterStats;
  flush(): Promise<void>;
  close(): Promise<void>;
}

const DEFAULTS = { url: 'http://127.0.0.1:4318', timeout: 10_000 };
const PATH = '/v1/traces';
/** The only answers that ask for another attempt (OTLP specification, "Retryable Response Codes"). */
const RETRYABLE = new Set([429, 502, 503, 504]);
const MAX_RETRY_AFTER = 60_000;
const MAX_ANSWER = 65_536;

function endpoint(url: string): string {
  const parsed = new URL(url);
  if (!parsed.pathname.endsWith(PATH)) parsed.pathname = parsed.pathname.replace(/\/*$/, PATH);
  return parsed.href;
}

/** `Retry-After` in milliseconds: seconds, or a date. */
function retryAfter(value: unknown): number | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - wallClock.now();
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(0, seconds), MAX_RETRY_AFTER);
}

/** `partialSuccess.rejectedSpans`, a 64-bit number and so a string. */
function rejectedSpans(body: unknown): number {
  const text = typeof body === 'string' ? /"rejectedSpans"\s*:\s*"?(\d+)/.exec(body)?.[1] : undefined;
  return text === undefined ? 0 : Number(text);
}

function outcomeOf({ status, data, headers }: AxiosResponse<unknown>): Outcome {
  if (status >= 200 && status < 300) return { kind: 'sent', rejected: rejectedSpans(data) };
  if (!RETRYABLE.has(status)) return { kind: 'refused' };
  return { kind: 'retry', after: retryAfter((headers as Record<string, unknown>)['retry-after']) };
}

/**
 * An exporter for the option `exporter` of a tracer. Closing sends what waits, in one attempt.
 *
 * @throws TypeError, RangeError for an option that is unknown, or of the wrong type or range
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
  });
  const { url, timeout, headers, serviceName, resource, ...queueOptions } = { ...DEFAULTS, ...checked };
  const target = endpoint(url);

  async function post(body: string): Promise<Outcome> {
    try {
      const answer = await axios.post<unknown>(target, body, {
        headers: { ...headers, 'Content-Type': 'application/json' },
        signal: AbortSignal.timeout(timeout),
        responseType: 'text',
        transformResponse: (text: unknown) => text,
        validateStatus: () => true,
        maxRedirects: 0,
        maxContentLength: MAX_ANSWER,
      });
      return outcomeOf(answer);
    } catch {
      return { kind: 'retry', after: undefined }; // no answer: refused, reset, or too slow
    }
  }

  return new SpanQueue(queueOptions, (batch) => {
    const body = encodeSpans(batch, { ...resource, 'service.name': serviceName ?? batch[0]!.service });
    return () => post(body);
  });
}
