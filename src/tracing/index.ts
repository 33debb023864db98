/**
 * Tracing and metrics: traces, spans, their carriers and exporters, and the metrics for Prometheus.
 *
 * @module
 */
export * from './recording.js';
export * from './exposing.js';
