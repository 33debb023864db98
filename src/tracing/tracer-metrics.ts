/** The public counters of a tracer. */
import type { LatencySummary } from './operation-stats.js';

/** The counters of the tracer: since the start, over the last minute and by operation. */
export interface TracerMetrics extends Omit<LatencySummary, 'count'> {
  readonly service: string;
  readonly activeTraces: number;
  /** Traces that ended since the start. This is the number of requests served. */
  readonly totalRequests: number;
  /** Traces per second that ended, over the last minute. */
  readonly throughput: number;
  /** The last minute alone. */
  readonly recent: LatencySummary & { readonly throughput: number };
  /**
   * By operation: `GET /api/items/:id` for a request, otherwise the given name; at most 2000, the others in `(other)`.
   */
  readonly operations: Readonly<Record<string, LatencySummary>>;
  readonly sampledTraces: number;
  /** Sampled, or kept for their outcome. */
  readonly keptTraces: number;
  readonly storedTraces: number;
  /** Spans beyond the limit of their trace. */
  readonly droppedSpans: number;
  /** The counters of the exporter. */
  readonly exporter: Readonly<Record<string, number>> | undefined;
}
