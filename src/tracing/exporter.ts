/** The destination of finished spans outside of this process. */
import type { SpanRecord } from './span.js';

/**
 * Sends finished spans to another system.
 *
 * @example
 * import { trace, type SpanExporter } from '@tooloo/resilience';
 *
 * const exporter: SpanExporter = { export: (spans) => console.log(`${spans.length} spans ended`) };
 * app.use(trace({ exporter }));
 */
export interface SpanExporter {
  /** Accepts finished spans and returns at once. The exporter queues, sends and retries them on its own. */
  export(spans: readonly SpanRecord[]): void;
  /** The numbers of queued, sent and dropped spans, for metrics. */
  stats?(): Readonly<Record<string, number>>;
  /** Sends the queued spans. */
  flush?(): Promise<void>;
  /** Sends the queued spans and releases all resources. */
  close?(): void | Promise<void>;
}
