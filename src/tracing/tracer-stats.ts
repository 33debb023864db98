/** The statistics of a tracer: every trace that ended, whether it was kept or not. */
import { OperationStats, OperationTable, RecentStats, type LatencySummary } from './operation-stats.js';
import { RequestMetrics, type RequestSeries, type RouteMetrics } from './request-metrics.js';
import type { RequestTrace } from './request-trace.js';
import { QuantileSketch } from './sketch.js';
import type { Span } from './span.js';
import type { Trace } from './trace.js';

/** The most distinct operations and label sets. Those beyond it are counted under `(other)`. */
const MAX_SERIES = 2000;

export class TracerStats {
  /** The traces that are not requests. Those are counted by their routes. */
  readonly #others = new OperationStats();
  readonly #recent: RecentStats;
  readonly #operations = new OperationTable(MAX_SERIES);
  readonly #requests = new RequestMetrics(MAX_SERIES);
  /**
   * Traces whose id was sampled, and traces that were stored and exported: the sampled ones and those kept for their
   * outcome.
   */
  sampled = 0;
  kept = 0;
  droppedSpans = 0;

  constructor(now: number) {
    this.#recent = new RecentStats(now);
  }

  spanEnded(span: Span): void {
    this.#operations
      .of(span.operation)
      .record(span.duration, QuantileSketch.binOf(span.duration), span.status !== 'success');
  }

  /**
   * Counts a trace that has ended. A request gets the name under which it is counted.
   *
   * @returns the counts of its route, for a request
   */
  traceEnded(trace: Trace, request: RequestTrace | undefined): RouteMetrics | undefined {
    const { start, duration, status } = trace.root;
    const bin = QuantileSketch.binOf(duration);
    const isError = status !== 'success';
    this.#recent.record(start + duration, duration, bin, isError);
    if (trace.sampled) this.sampled++;
    this.droppedSpans += trace.droppedSpans;
    if (request !== undefined) return this.#requestEnded(request, duration, bin);
    this.#others.record(duration, bin, isError);
    return undefined;
  }

  #requestEnded(
    { root, method, route, status = 0, isSecure }: RequestTrace,
    duration: number,
    bin: number,
  ): RouteMetrics {
    const metrics = this.#requests.record(method, route, status, isSecure, duration, bin);
    root.operation = metrics.operation;
    return metrics;
  }

  /** Remembers a kept request as an example of its latency. */
  addExemplar(metrics: RouteMetrics, { root, status = 0, isSecure, traceId }: RequestTrace): void {
    const timestamp = root.trace.wallTimeOf(root.start);
    const exemplar = { traceId, spanId: root.spanId, value: root.duration / 1000, timestamp };
    this.#requests.addExemplar(metrics, status, isSecure, exemplar);
  }

  requestSeries(): RequestSeries[] {
    return this.#requests.all().flatMap(({ byStatus }) => [...byStatus.values()]);
  }

  overall(): LatencySummary {
    const all = new OperationStats();
    all.merge(this.#others);
    for (const { stats } of this.#requests.all()) all.merge(stats);
    return all.summary();
  }

  recent(now: number): LatencySummary & { readonly throughput: number } {
    return this.#recent.summary(now);
  }

  /** Requests by method and route, and the operations below them. */
  operations(): Record<string, LatencySummary> {
    const requests = this.#requests.all().map(({ operation, stats }) => [operation, stats.summary()] as const);
    return { ...this.#operations.summaries(), ...Object.fromEntries(requests) };
  }

  /** The operations that are not requests. */
  innerOperations(): Record<string, LatencySummary> {
    return this.#operations.summaries();
  }
}
