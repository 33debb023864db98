/**
 * The tracer of a service: traces begun explicitly or by the `trace` middleware, their statistics, the recent ones for
 * inspection, and the exporter.
 */
import { types } from 'node:util';
import { monotonicClock, startInterval, wallClock, type Clock, type Timer } from '../shared/clock.js';
import type { Closeable } from '../shared/http.js';
import type { Attributes, AttributeValue } from '../shared/instrumentation.js';
import { Listeners, callGuarded } from '../shared/listeners.js';
import { checkOptions } from '../shared/options.js';
import type { SpanExporter } from './exporter.js';
import { createSampler, isId, newSpanId, type Sampler } from './ids.js';
import { currentSpan, installTracing } from './install.js';
import { compileKeep, type Keeper } from './keep.js';
import type { LatencySummary } from './operation-stats.js';
import type { RequestSeries } from './request-metrics.js';
import { RequestTrace, type RequestEnd } from './request-trace.js';
import { ServingList } from './serving-list.js';
import type { Span, SpanStatus } from './span.js';
import { runSpan } from './run-span.js';
import { TraceStore, viewOf, type TraceQuery, type TraceSummary, type TraceView } from './trace-store.js';
import { TRACER_CHECKS, tracerDefaults, type TracerOptions } from './tracer-options.js';
import type { TracerMetrics } from './tracer-metrics.js';
import { TracerStats } from './tracer-stats.js';
import type { RequestParent } from './request-parent.js';
import { Trace, type TraceOwner } from './trace.js';

/** Traces that were begun explicitly and not ended. Beyond this number or age, the oldest are ended as errors. */
const MAX_ACTIVE = 10_000;
const MAX_AGE = 3_600_000;

/**
 * Records traces: starts spans, decides which traces are kept, stores them, and exports them.
 *
 * @example
 * import { DistributedTracer, otlpExporter, trace } from '@tooloo/resilience';
 *
 * const tracer = new DistributedTracer({ serviceName: 'orders', exporter: otlpExporter() });
 * app.use(trace({ tracer }));
 * await tracer.trace('nightly-cleanup', () => cleanUp());
 */
export class DistributedTracer implements TraceOwner, Closeable {
  readonly serviceName: string;
  readonly samplingRate: number;
  readonly keepsByOutcome: boolean;
  /** @internal */
  readonly isSampled: Sampler;
  readonly #clock: Clock;
  readonly #wall: Clock;
  readonly #exporter: SpanExporter | undefined;
  readonly #keep: Keeper;
  readonly #store: TraceStore;
  readonly #stats: TracerStats;
  readonly #sweep: Timer;
  /**
   * Traces begun explicitly, by id; and those of requests, which are found faster through their context than by an
   * index.
   */
  readonly #manual = new Map<string, Trace>();
  readonly #serving = new ServingList();
  readonly #requestEnds = new Listeners<[RequestEnd]>('DistributedTracer.onRequest');
  #closing: Promise<void> | undefined;

  /** @throws TypeError, RangeError for an option that is unknown, or of the wrong type or range */
  constructor(options?: TracerOptions) {
    const resolved = { ...tracerDefaults(), ...checkOptions('DistributedTracer', options, TRACER_CHECKS) };
    this.serviceName = resolved.serviceName;
    this.samplingRate = resolved.samplingRate;
    this.isSampled = createSampler(resolved.samplingRate);
    this.keepsByOutcome = resolved.keep !== false;
    this.#clock = resolved.clock ?? monotonicClock;
    this.#wall = resolved.clock ?? wallClock;
    this.#exporter = resolved.exporter;
    this.#keep = compileKeep(resolved.keep, () => this.now());
    this.#store = new TraceStore(resolved.maxSpans, resolved.notable, () => this.now());
    this.#stats = new TracerStats(this.now());
    this.#sweep = startInterval(this.#clock, () => this.#endForgotten(), resolved.flushInterval);
    installTracing();
  }

  // --- Explicit traces

  /**
   * Begins a trace, or returns the active one with that id. An id that is not 32 hexadecimal digits is replaced, and
   * stored as the tag `trace.requested_id`.
   */
  startTrace(traceId?: string, operation = 'trace'): { traceId: string; spanId: string } {
    const isValid = traceId !== undefined && isId(traceId, 32);
    const active = isValid ? this.#find(traceId) : undefined;
    if (active !== undefined) return { traceId: active.traceId, spanId: active.root.spanId };
    const trace = new Trace(this, operation, 'internal', undefined, isValid ? traceId : undefined);
    if (traceId !== undefined && !isValid) trace.root.setAttribute('trace.requested_id', String(traceId));
    this.#manual.set(trace.traceId, trace);
    if (this.#manual.size > MAX_ACTIVE) this.#endOldest();
    return { traceId: trace.traceId, spanId: trace.root.spanId };
  }

  /** Begins a span below another one, by default the root. Of an inactive trace, the returned id refers to no span. */
  startSpan(traceId: string, operation: string, parentSpanId?: string): string {
    const trace = this.#find(traceId);
    const span = trace?.startSpan(operation, parentSpanId ?? trace.root.spanId);
    if (span === undefined || span.isRecorded) return span?.spanId ?? newSpanId();
    return trace!.holdUnrecorded(span);
  }

  /** Ends a span; `metadata` becomes its attributes. The first end counts. */
  endSpan(traceId: string, spanId: string, status: SpanStatus = 'success', metadata?: Attributes): void {
    const trace = this.#find(traceId);
    const span = trace?.findSpan(spanId);
    span?.setAttributes(metadata);
    if (span !== undefined && span === trace?.root) this.endTrace(traceId, status);
    else span?.finish(status);
  }

  /** Ends a trace and the spans still open in it. */
  endTrace(traceId: string, status: SpanStatus = 'success', metadata?: Attributes): void {
    const trace = this.#find(traceId);
    if (trace === undefined) return;
    trace.root.setAttributes(metadata);
    for (const span of trace.children) span.finish(status);
    this.#manual.delete(traceId);
    trace.root.finish(status);
  }

  /** Tags a trace: an attribute of its root span. */
  addTag(traceId: string, key: string, value: AttributeValue): void {
    this.#find(traceId)?.root.setAttribute(key, value);
  }

  addLog(traceId: string, message: string, level = 'info'): void {
    this.#find(traceId)?.root.addLog(message, level);
  }

  /**
   * Runs the function as its own trace, for example a background job. It ends when the function returns, settles or
   * throws.
   */
  trace<R>(operation: string, callback: (span: Span) => R): R {
    const { root } = new Trace(this, operation, 'internal', undefined);
    return runSpan(root, () => callback(root), types.isAsyncFunction(callback));
  }

  // --- Reading

  /** A trace that is active, or was kept recently. */
  getTrace(traceId: string): TraceView | undefined {
    const active = this.#find(traceId);
    const segments = [...this.#store.get(traceId), ...(active === undefined || active.isEnded ? [] : [active])];
    return segments.length === 0 ? undefined : viewOf(segments);
  }

  /** Recent kept traces, newest first. */
  listTraces(query: TraceQuery = {}): TraceSummary[] {
    return this.#store.list(query);
  }

  /**
   * Keeps traces readable for so many milliseconds, although newer ones take their place meanwhile: at most 500.
   *
   * @returns the ids of those that are kept here
   */
  holdTraces(traceIds: readonly string[], duration: number): string[] {
    return this.#store.hold(traceIds, duration);
  }

  getMetrics(): TracerMetrics {
    const { count: totalRequests, ...overall } = this.#stats.overall();
    const recent = this.#stats.recent(this.now());
    return {
      service: this.serviceName,
      activeTraces: this.#manual.size + this.#serving.size,
      totalRequests,
      ...overall,
      throughput: recent.throughput,
      recent,
      operations: this.#stats.operations(),
      sampledTraces: this.#stats.sampled,
      keptTraces: this.#stats.kept,
      storedTraces: this.#store.size,
      droppedSpans: this.#stats.droppedSpans,
      exporter: this.#exporter?.stats?.(),
    };
  }

  /** The current series of the request histogram. */
  requestSeries(): readonly RequestSeries[] {
    return this.#stats.requestSeries();
  }

  /** The totals of the operations that are not requests, by name. */
  innerOperations(): Readonly<Record<string, LatencySummary>> {
    return this.#stats.innerOperations();
  }

  /** Calls back at the end of every request. Useful for a log line; exceptions are caught. */
  onRequest(callback: (request: RequestEnd) => unknown): () => void {
    return this.#requestEnds.add(callback);
  }

  // --- For the middleware

  /** @internal */
  startRequest(method: string | undefined, isSecure: boolean, parent: RequestParent | undefined): RequestTrace {
    const trace = new RequestTrace(this, method, isSecure, parent);
    this.#serving.add(trace);
    return trace;
  }

  // --- TraceOwner

  /** @internal */
  get mayKeep(): boolean {
    return this.#keep.mayKeep;
  }

  /** @internal */
  now(): number {
    return this.#clock.now();
  }

  /** @internal */
  wallOffset(): number {
    return this.#wall.now() - this.#clock.now();
  }

  /** @internal */
  spanEnded(span: Span, trace: Trace): void {
    // A request is counted by its route when it ends.
    if (span !== trace.root || !(trace instanceof RequestTrace)) this.#stats.spanEnded(span);
    // A span that outlives its trace is exported on its own, because the trace was exported as a whole when it ended.
    if (trace.isEnded && trace.isKept && span.isRecorded) this.#export([span]);
  }

  /** @internal */
  traceEnded(trace: Trace): void {
    const request = trace instanceof RequestTrace ? trace : undefined;
    const route = this.#stats.traceEnded(trace, request);
    const isNotable = this.#keep.keeps(trace);
    trace.isKept = trace.sampled || isNotable;
    if (request !== undefined) this.#serving.delete(request);
    if (trace.isKept && request !== undefined) this.#stats.addExemplar(route!, request);
    if (trace.isKept) {
      this.#stats.kept++;
      this.#store.add(trace, isNotable);
      const roots = trace.isRootForeign ? [] : [trace.root];
      if (this.#exporter !== undefined) this.#export([...roots, ...trace.children.filter((span) => span.isEnded)]);
    }
    if (request !== undefined && this.#requestEnds.size > 0)
      request.callListeners(() => this.#requestEnds.emit(request.toEnd()));
  }

  /** Ends open spans, lets the exporter send its queue, and stops. Kept traces stay readable. */
  shutdown(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  close(): Promise<void> {
    return this.shutdown();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  #export(spans: readonly Span[]): void {
    const exporter = this.#exporter;
    if (exporter === undefined) return;
    callGuarded('SpanExporter.export', () => exporter.export(spans.map((span) => span.toRecord())));
  }

  /** An active trace: the current one, one begun explicitly, or that of a request being served. */
  #find(traceId: string): Trace | undefined {
    const trace = currentSpan()?.trace as Trace | undefined;
    if (trace?.traceId === traceId && trace.tracer === this) return trace;
    const manual = this.#manual.get(traceId);
    if (manual !== undefined) return manual;
    return this.#serving.find(traceId);
  }

  #endOldest(): void {
    const [oldest] = this.#manual.keys();
    if (oldest !== undefined) this.endTrace(oldest, 'abandoned');
  }

  #endForgotten(): void {
    for (const [id, { root }] of this.#manual) {
      if (this.now() - root.start < MAX_AGE) return; // in the order in which they began
      this.endTrace(id, 'abandoned');
    }
  }

  async #close(): Promise<void> {
    this.#sweep.cancel();
    for (const id of [...this.#manual.keys()]) this.endTrace(id, 'abandoned');
    this.#requestEnds.clear();
    await this.#exporter?.close?.();
  }
}
