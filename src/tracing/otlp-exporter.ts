/**
 * Spans to any OTLP collector, over HTTP as JSON. What cannot be sent is tried again and, past a bound, dropped and
 * counted: a collector that is slow or gone costs memory within that bound, and no request anything.
 */
import axios, { type AxiosResponse } from 'axios';
import { Backoff } from '../shared/backoff.js';
import { monotonicClock, startTimer, wallClock, type Clock, type Timer } from '../shared/clock.js';
import type { Attributes } from '../shared/instrumentation.js';
import { checkOptions, clock, count, number, object, recordOf, string } from '../shared/options.js';
import { asyncContext } from './context.js';
import type { SpanExporter } from './exporter.js';
import { encodeSpans } from './otlp-encoding.js';
import type { SpanRecord } from './span.js';

export interface OtlpExporterOptions {
  /** The collector, `http://127.0.0.1:4318` by default; `/v1/traces` is appended where it is not there. */
  url?: string;
  /** `service.name` of the resource; that of the spans by default. */
  serviceName?: string;
  /** Further attributes of the resource. */
  resource?: Attributes;
  /** Header fields of every request, a token for instance. */
  headers?: Readonly<Record<string, string>>;
  /** Spans a request; 512 by default. */
  batchSize?: number;
  /** Spans waiting; 2048 by default. Past it the oldest are dropped and counted. */
  queueSize?: number;
  /** Milliseconds between requests while fewer than a batch wait; 5000 by default. */
  interval?: number;
  /** Milliseconds a request may take; 10,000 by default. */
  timeout?: number;
  clock?: Clock;
}

export interface OtlpExporterStats extends Readonly<Record<string, number>> {
  readonly queued: number;
  readonly sent: number;
  /** For want of room, after too many attempts, or refused by the collector. */
  readonly dropped: number;
  readonly retries: number;
}

export interface OtlpExporter extends SpanExporter {
  stats(): OtlpExporterStats;
  flush(): Promise<void>;
  close(): Promise<void>;
}

const DEFAULTS = {
  url: 'http://127.0.0.1:4318',
  batchSize: 512,
  queueSize: 2048,
  interval: 5000,
  timeout: 10_000,
};
const PATH = '/v1/traces';
/** The only answers that ask for another attempt (OTLP specification, "Retryable Response Codes"). */
const RETRYABLE = new Set([429, 502, 503, 504]);
const MAX_ATTEMPTS = 5;
const MAX_RETRY_AFTER = 60_000;
const BACKOFF = { initial: 1000, max: 30_000 };
const MAX_ANSWER = 65_536;

type Outcome = { readonly kind: 'sent'; readonly rejected: number } | { readonly kind: 'refused' } | Retry;
interface Retry {
  readonly kind: 'retry';
  readonly after: number | undefined;
}

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

/**
 * An exporter for the option `exporter` of a tracer. Closing sends what waits, in one attempt.
 *
 * @throws TypeError, RangeError for an option that is unknown, or of the wrong type or range
 */
export function otlpExporter(options?: OtlpExporterOptions): OtlpExporter {
  const checked = checkOptions('otlpExporter', options, {
    url: {
      ...string,
      expected: 'an http(s) URL',
      range: (value: string) => /^https?:\/\/[^/]/.test(value) && URL.canParse(value),
    },
    serviceName: string,
    resource: object('an object of attributes'),
    headers: recordOf(string),
    batchSize: count(),
    queueSize: count(),
    interval: number({ min: 1 }),
    timeout: number({ min: 1 }),
    clock,
  });
  return new Exporter({ ...DEFAULTS, ...checked });
}

type Resolved = OtlpExporterOptions & typeof DEFAULTS;

class Exporter implements OtlpExporter {
  readonly #options: Resolved;
  readonly #clock: Clock;
  readonly #url: string;
  readonly #backoff = new Backoff(BACKOFF);
  readonly #stop = new AbortController();
  #queue: SpanRecord[] = [];
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  #sent = 0;
  #dropped = 0;
  #retries = 0;

  constructor(options: Resolved) {
    this.#options = options;
    this.#clock = options.clock ?? monotonicClock;
    this.#url = endpoint(options.url);
  }

  export(spans: readonly SpanRecord[]): void {
    if (this.#isClosed) {
      this.#dropped += spans.length;
      return;
    }
    for (const span of spans) this.#queue.push(span);
    this.#shed();
    if (this.#sending !== undefined) return; // looks at the queue again when it is done
    if (this.#queue.length >= this.#options.batchSize) this.#sendSoon(0);
    else if (this.#timer === undefined) this.#sendSoon(this.#options.interval);
  }

  stats(): OtlpExporterStats {
    return { queued: this.#queue.length, sent: this.#sent, dropped: this.#dropped, retries: this.#retries };
  }

  /** Sends what waits now, with the attempts that takes. */
  async flush(): Promise<void> {
    while (this.#sending !== undefined || this.#queue.length > 0) await this.#sendBatch();
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#stop.abort(); // a wait for another attempt ends now, with a last one
    await this.flush();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #shed(): void {
    const surplus = this.#queue.length - this.#options.queueSize;
    if (surplus <= 0) return;
    this.#queue.splice(0, surplus);
    this.#dropped += surplus;
  }

  /** Outside of any trace: the export is no part of the request whose span filled the batch. */
  #sendSoon(delay: number): void {
    this.#timer?.cancel();
    this.#timer = asyncContext().run(undefined, () => startTimer(this.#clock, () => void this.#sendBatch(), delay));
  }

  #sendBatch(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#sending ??= this.#deliver().finally(() => {
      this.#sending = undefined;
      if (this.#isClosed || this.#queue.length === 0) return;
      this.#sendSoon(this.#queue.length >= this.#options.batchSize ? 0 : this.#options.interval);
    });
    return this.#sending;
  }

  /** One batch, until it is sent or given up. Never rejects. */
  async #deliver(): Promise<void> {
    const batch = this.#queue.splice(0, this.#options.batchSize);
    if (batch.length === 0) return;
    const resource = { ...this.#options.resource, 'service.name': this.#options.serviceName ?? batch[0]!.service };
    const body = encodeSpans(batch, resource);
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#post(body);
      if (outcome.kind === 'sent') {
        this.#sent += batch.length - outcome.rejected;
        this.#dropped += outcome.rejected;
        this.#backoff.reset();
        return;
      }
      if (outcome.kind === 'refused' || attempt === MAX_ATTEMPTS || this.#isClosed) break;
      this.#retries++;
      const delay = this.#backoff.next();
      await this.#wait(Math.max(delay, outcome.after ?? 0));
    }
    this.#dropped += batch.length;
  }

  async #post(body: string): Promise<Outcome> {
    try {
      return outcomeOf(await this.#request(body));
    } catch {
      return { kind: 'retry', after: undefined }; // no answer: refused, reset, or too slow
    }
  }

  #request(body: string): Promise<AxiosResponse<unknown>> {
    return axios.post(this.#url, body, {
      headers: { ...this.#options.headers, 'Content-Type': 'application/json' },
      signal: AbortSignal.timeout(this.#options.timeout),
      responseType: 'text',
      transformResponse: (text: unknown) => text,
      validateStatus: () => true,
      maxRedirects: 0,
      maxContentLength: MAX_ANSWER,
    });
  }

  #wait(delay: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#stop;
      if (signal.aborted) return resolve();
      const done = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = startTimer(this.#clock, done, delay);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

function outcomeOf({ status, data, headers }: AxiosResponse<unknown>): Outcome {
  if (status >= 200 && status < 300) return { kind: 'sent', rejected: rejectedSpans(data) };
  if (!RETRYABLE.has(status)) return { kind: 'refused' };
  return { kind: 'retry', after: retryAfter((headers as Record<string, unknown>)['retry-after']) };
}
