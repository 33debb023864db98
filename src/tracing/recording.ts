/**
 * The parts of tracing that do not need prom-client.
 *
 * @module
 */
export type { TracerMetrics } from './tracer-metrics.js';
export { DistributedTracer } from './tracer.js';
export { type TracerOptions } from './tracer-options.js';
export { type Keep, type KeepRule, type EndedTrace } from './keep.js';
export { type NotableOptions } from './notable-traces.js';
export { withSpan } from './run-span.js';
export { traceMixin, type TraceLogFields } from './log-correlation.js';
export { asyncContext, type ContextCarrier, type ActiveSpan } from './context.js';
export { type SpanExporter } from './exporter.js';
export {
  type SpanRecord,
  type SpanLog,
  type SpanLink,
  type SpanScope,
  type SpanStatus,
  type SpanKind,
} from './span.js';
export { type TraceView, type TraceSummary, type TraceQuery } from './trace-store.js';
export { type LatencySummary } from './operation-stats.js';
export { type RequestEnd } from './request-trace.js';
export { type RequestSeries, type Exemplar } from './request-metrics.js';
export {
  currentTrace,
  currentRoute,
  injectTrace,
  startSpan,
  bindContext,
  nameRoute,
  type Attributes,
  type AttributeValue,
  type RecordedSpan,
  type TraceContext,
} from '../shared/instrumentation.js';
export { parseBaggage, formatBaggage, type BaggageEntry } from './baggage.js';
export {
  parseTraceparent,
  formatTraceparent,
  parseTracestate,
  formatTracestate,
  updateTracestate,
  type TraceParent,
  type TraceStateMember,
} from './trace-context.js';
export * from './exposed.js';
export { otlpExporter, type OtlpExporter, type OtlpExporterOptions, type OtlpExporterStats } from './otlp-exporter.js';
export { type SpanQueueStats } from './span-queue.js';
export { type Span } from './span.js';
