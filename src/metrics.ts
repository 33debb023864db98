/**
 * `@tooloo/resilience/metrics`: what Prometheus reads, written by prom-client.
 *
 * @module
 */
export * from './tracing/exposing.js';
export * from './tracing/exposed.js';
