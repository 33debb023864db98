/** Where finished spans go beside this process. */
import type { SpanRecord } from './span.js';

export interface SpanExporter {
  /** Takes finished spans. Returns at once: queueing, sending and retrying are the exporter's own business. */
  export(spans: readonly SpanRecord[]): void;
  /** What is queued, sent and dropped, for metrics. */
  stats?(): Readonly<Record<string, number>>;
  /** Sends what is queued. */
  flush?(): Promise<void>;
  /** Sends what is queued, and holds nothing any more. */
  close?(): void | Promise<void>;
}
