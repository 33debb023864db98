/**
 * `@tooloo/resilience/opentelemetry`: exporters made for OpenTelemetry, and libraries instrumented with it. Needs
 * `@opentelemetry/api`.
 *
 * @module
 */
export { registerOpenTelemetry, type OpenTelemetryRegistration } from './tracing/opentelemetry/register.js';
export {
  openTelemetryExporter,
  type OpenTelemetryExporter,
  type OpenTelemetryExporterOptions,
  type OpenTelemetrySpanExporter,
} from './tracing/opentelemetry/exporter.js';
export { type ReadableSpan, type Resource } from './tracing/opentelemetry/readable-span.js';
