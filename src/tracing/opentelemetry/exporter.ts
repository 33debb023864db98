/** Any exporter made for OpenTelemetry's SDK as an exporter of a tracer: Zipkin, a vendor's, OTLP over gRPC. */
import { diag } from '@opentelemetry/api';
import { monotonicClock, startTimer } from '../../shared/clock.js';
import { asError } from '../../shared/errors.js';
import type { Attributes } from '../../shared/instrumentation.js';
import { checkOptions, checkValue, having, number, object } from '../../shared/options.js';
import type { SpanExporter } from '../exporter.js';
import { QUEUE_CHECKS, SpanQueue, type Outcome, type SpanQueueOptions, type SpanQueueStats } from '../span-queue.js';
import { readableSpan, type ReadableSpan, type Resource } from './readable-span.js';

/**
 * `SpanExporter` of `@opentelemetry/sdk-trace-base`.
 *
 * @example
 * import type { OpenTelemetrySpanExporter } from '@tooloo/resilience/opentelemetry';
 *
 * const printing: OpenTelemetrySpanExporter = {
 *   export(spans, done) {
 *     for (const { name } of spans) console.log(name);
 *     done({ code: 0 });
 *   },
 *   shutdown: async () => undefined,
 * };
 */
export interface OpenTelemetrySpanExporter {
  export(spans: ReadableSpan[], resultCallback: (result: { code: number; error?: Error }) => void): void;
  shutdown(): Promise<void>;
  forceFlush?(): Promise<void>;
}

/** The resource and how spans are batched. */
export interface OpenTelemetryExporterOptions extends SpanQueueOptions {
  /** Attributes of the resource in addition to `service.name`. */
  resource?: Attributes;
  /** Milliseconds an export may take; 30,000 by default. */
  timeout?: number;
}

/**
 * The exporter that `openTelemetryExporter` returns.
 *
 * @example
 * import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
 * import { openTelemetryExporter } from '@tooloo/resilience/opentelemetry';
 *
 * const exporter = openTelemetryExporter(new OTLPTraceExporter());
 * await exporter.flush();
 * console.log(exporter.stats());
 */
export interface OpenTelemetryExporter extends SpanExporter, AsyncDisposable {
  stats(): SpanQueueStats;
  flush(): Promise<void>;
  close(): Promise<void>;
}

const DEFAULT_TIMEOUT = 30_000;
const SUCCESS = 0;
const SENT: Outcome = { kind: 'sent', rejected: 0 };
/** Not retried here, because an exporter of the SDK retries itself. */
const REFUSED: Outcome = { kind: 'refused' };

/** One per service, the same for all its spans, because exporters group by identity. */
function resourcesWith(attributes: Attributes | undefined): (service: string) => Resource {
  const made = new Map<string, Resource>();
  return (service) => {
    let resource = made.get(service);
    if (resource === undefined) {
      resource = { attributes: { ...attributes, 'service.name': service } };
      made.set(service, resource);
    }
    return resource;
  };
}

/**
 * An exporter for a tracer's option `exporter` that sends the spans, in batches, to an OpenTelemetry exporter. Spans
 * that this exporter fails to send are counted as dropped and reported to `diag`.
 *
 * @throws TypeError, RangeError for an option that is unknown, or of the wrong type or range
 *
 * @example
 * import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
 * import { trace } from '@tooloo/resilience';
 * import { openTelemetryExporter } from '@tooloo/resilience/opentelemetry';
 *
 * app.use(trace({ exporter: openTelemetryExporter(new OTLPTraceExporter()) }));
 */
export function openTelemetryExporter(
  exporter: OpenTelemetrySpanExporter,
  options?: OpenTelemetryExporterOptions,
): OpenTelemetryExporter {
  checkValue('openTelemetryExporter', exporter, having('an OpenTelemetry SpanExporter', 'export', 'shutdown'));
  const {
    resource,
    timeout = DEFAULT_TIMEOUT,
    ...queueOptions
  } = checkOptions('openTelemetryExporter', options, {
    ...QUEUE_CHECKS,
    resource: object('an object of attributes'),
    timeout: number({ min: 1 }),
  });
  const clock = queueOptions.clock ?? monotonicClock;
  const resourceOf = resourcesWith(resource);

  const attempt = (spans: ReadableSpan[]): Promise<Outcome> =>
    new Promise((resolve) => {
      const fail = (error: unknown): void => {
        timer.cancel();
        diag.error(`@tooloo/resilience: ${spans.length} spans were not exported`, asError(error));
        resolve(REFUSED);
      };
      const timer = startTimer(clock, () => fail(new Error(`no answer in ${timeout} ms`)), timeout);
      try {
        exporter.export(spans, ({ code, error }) => {
          if (code !== SUCCESS) return fail(error ?? new Error('the exporter failed'));
          timer.cancel();
          resolve(SENT);
        });
      } catch (error) {
        fail(error);
      }
    });

  const queue = new SpanQueue(queueOptions, (batch) => {
    const spans = batch.map((span) => readableSpan(span, resourceOf(span.service)));
    return () => attempt(spans);
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= queue.close().then(() => exporter.shutdown()));
  return {
    export: (spans) => queue.export(spans),
    stats: () => queue.stats(),
    flush: () => queue.flush().then(() => exporter.forceFlush?.()),
    close,
    [Symbol.asyncDispose]: close,
  };
}
