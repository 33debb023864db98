/**
 * `@tooloo/resilience/trace`: `trace`, the tracer behind it, and exporters. `@tooloo/resilience/metrics` has the metrics.
 *
 * @module
 */
export { trace, type TraceOptions, type TraceMiddleware } from './middleware/trace.js';
export * from './tracing/recording.js';
