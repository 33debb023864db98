/** Metrics in the form in which they are exposed: families of samples, and those of a tracer and an engine. */
import type { LatencySummary } from './operation-stats.js';
import { DURATION_BOUNDS, type Exemplar, type RequestSeries } from './request-metrics.js';
import type { DistributedTracer } from './tracer.js';

/** The labels of a sample. */
export type Labels = Readonly<Record<string, string | number>>;

/** One line of an exposition. */
export interface Sample {
  /** For a histogram or summary: the name of the family with its suffix. */
  readonly metricName?: string;
  readonly labels?: Labels;
  readonly value: number;
  readonly exemplar?: { readonly labelSet: Labels; readonly value: number; readonly timestamp: number };
}

/** A metric family. */
export interface ExposedMetric {
  /** With `_total` for a counter. */
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly samples: readonly Sample[];
}

export function gauge(name: string, help: string, value: number): ExposedMetric {
  return { name, help, type: 'gauge', samples: [{ value }] };
}

export function counter(name: string, help: string, value: number): ExposedMetric {
  return { name, help, type: 'counter', samples: [{ value }] };
}

interface HistogramFigures {
  readonly count: number;
  readonly sum: number;
  /** Not cumulative; one more than the number of bounds. */
  readonly buckets: readonly number[];
  readonly exemplars?: readonly (Exemplar | undefined)[];
}

/** The cumulative buckets of a histogram, its sum and its count. */
export function histogramSamples(
  name: string,
  bounds: readonly number[],
  labels: Labels,
  { count, sum, buckets, exemplars }: HistogramFigures,
): Sample[] {
  let below = 0;
  const samples: Sample[] = buckets.map((inBucket, i) => {
    below += inBucket;
    const exemplar = exemplars?.[i];
    const bucket = { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[i] ?? '+Inf' }, value: below };
    return exemplar === undefined ? bucket : { ...bucket, exemplar: exposedExemplar(exemplar) };
  });
  samples.push(
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  );
  return samples;
}

function exposedExemplar({ traceId, spanId, value, timestamp }: Exemplar): NonNullable<Sample['exemplar']> {
  return { labelSet: { trace_id: traceId, span_id: spanId }, value, timestamp: timestamp / 1000 };
}

const REQUESTS = 'http_server_request_duration_seconds';
const OPERATIONS = 'tooloo_operation_duration_seconds';

/** The metrics of a tracer. */
export function tracerMetrics(tracer: DistributedTracer): ExposedMetric[] {
  const { activeTraces, sampledTraces, keptTraces, storedTraces, droppedSpans, exporter } = tracer.getMetrics();
  return [
    {
      name: REQUESTS,
      help: 'Duration of HTTP server requests.',
      type: 'histogram',
      samples: tracer
        .requestSeries()
        .flatMap((one) => histogramSamples(REQUESTS, DURATION_BOUNDS, requestLabels(one), one)),
    },
    {
      name: OPERATIONS,
      help: 'Duration of operations below requests, quantiles since the start within one percent.',
      type: 'summary',
      samples: Object.entries(tracer.innerOperations()).flatMap(([operation, summary]) =>
        summarySamples(operation, summary),
      ),
    },
    {
      name: 'tooloo_operation_errors_total',
      help: 'Operations below requests that failed.',
      type: 'counter',
      samples: Object.entries(tracer.innerOperations()).map(([operation, { errors }]) => ({
        labels: { operation },
        value: errors,
      })),
    },
    gauge('tooloo_active_traces', 'Traces that have begun and not ended, requests in flight among them.', activeTraces),
    gauge('tooloo_stored_traces', 'Recent traces held in memory.', storedTraces),
    counter('tooloo_sampled_traces_total', 'Traces sampled by their id.', sampledTraces),
    counter('tooloo_kept_traces_total', 'Traces sampled, or kept for their outcome.', keptTraces),
    counter('tooloo_dropped_spans_total', 'Spans beyond the limit of their trace.', droppedSpans),
    ...sourceMetrics('span_exporter', exporter ?? {}),
  ];
}

/**
 * Attributes of the semantic conventions. Absent ones are empty, because all samples of a family have one label set.
 */
function requestLabels({ method, route, scheme, status, errorType }: RequestSeries): Labels {
  return {
    http_request_method: method,
    http_route: route,
    url_scheme: scheme,
    http_response_status_code: status ?? '',
    error_type: errorType ?? '',
  };
}

function summarySamples(operation: string, { count, averageLatency, p50, p95, p99 }: LatencySummary): Sample[] {
  const quantiles = Object.entries({ 0.5: p50, 0.95: p95, 0.99: p99 });
  return [
    ...quantiles.map(([quantile, value]) => ({ labels: { operation, quantile }, value: value / 1000 })),
    { metricName: `${OPERATIONS}_sum`, labels: { operation }, value: (averageLatency * count) / 1000 },
    { metricName: `${OPERATIONS}_count`, labels: { operation }, value: count },
  ];
}

/** The most figures per source, so that no source grows without bound. */
const MAX_FIGURES = 500;

/** Figures of an engine: numbers and booleans. Those of nested objects have joined names. Other values are left out. */
export function sourceMetrics(source: string, figures: Readonly<Record<string, unknown>>): ExposedMetric[] {
  const found = new Map<string, number>();
  collect(`tooloo_${snake(source)}`, figures, found, 0);
  return Array.from(found, ([name, value]) => {
    const help = `${name.slice('tooloo_'.length).replaceAll('_', ' ')}.`;
    // A family with this suffix must be a counter. For other names only the engine knows the type.
    return name.endsWith('_total') ? counter(name, help, value) : gauge(name, help, value);
  });
}

const MAX_DEPTH = 3;

function collect(prefix: string, value: unknown, found: Map<string, number>, depth: number): void {
  if (found.size >= MAX_FIGURES) return;
  if (Number.isFinite(value)) found.set(prefix, value as number);
  else if (typeof value === 'boolean') found.set(prefix, value ? 1 : 0);
  else if (typeof value === 'object' && value !== null && !Array.isArray(value) && depth < MAX_DEPTH) {
    for (const [key, inner] of Object.entries(value)) collect(`${prefix}_${snake(key)}`, inner, found, depth + 1);
  }
}

/** `hitRate` → `hit_rate`; characters that a metric name must not contain become underscores. */
function snake(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^a-zA-Z0-9]+/g, '_')
    .toLowerCase();
}
