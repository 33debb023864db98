/** The recent traces that were kept for inspection: limited in the number of traces, in spans and in time. */
import NodeCache from 'node-cache';
import type { Attributes } from '../shared/instrumentation.js';
import { HeldTraces } from './held-traces.js';
import { NotableTraces, type NotableOptions } from './notable-traces.js';
import type { SpanLog, SpanRecord, SpanStatus } from './span.js';
import type { Trace } from './trace.js';

/** A trace as this process recorded it. */
export interface TraceView {
  readonly traceId: string;
  /** The root span in this process. */
  readonly spanId: string;
  readonly service: string;
  readonly operation: string;
  readonly status: SpanStatus | 'active';
  /** Milliseconds since the Unix epoch. */
  readonly startTime: number;
  /** Milliseconds; the time so far while the trace is active. */
  readonly duration: number;
  /** The root first. A trace that entered this process several times has several spans without a parent here. */
  readonly spans: readonly SpanRecord[];
  readonly tags: Attributes;
  readonly logs: readonly SpanLog[];
  /** Spans left out because the trace exceeded its limit. */
  readonly droppedSpans: number;
}

/** A row of the list of recent traces. */
export interface TraceSummary extends Omit<TraceView, 'spans' | 'logs' | 'droppedSpans' | 'tags'> {
  readonly spans: number;
  readonly route: string | undefined;
  /** HTTP status, if the trace is that of an answered request. */
  readonly statusCode: number | undefined;
}

/** A filter for stored traces: all given conditions must hold. */
export interface TraceQuery {
  /** The least duration in milliseconds. */
  readonly minDuration?: number;
  /** The greatest duration in milliseconds. */
  readonly maxDuration?: number;
  /** How the trace ended ('success', 'error'), or an HTTP status. */
  readonly status?: SpanStatus | number;
  /** Route template, exactly. */
  readonly route?: string;
  /** The time of the start: from and to, both inclusive, in milliseconds since the Unix epoch. */
  readonly from?: number;
  readonly to?: number;
  /**
   * Attributes as text. Each must be an attribute of some span of the trace; for a list, one equal member is enough.
   */
  readonly attributes?: Readonly<Record<string, string>>;
  /** The most traces returned, the newest first; default 50. */
  readonly limit?: number;
}

const MAX_TRACES = 1000;
const TTL_SECONDS = 900;
const DEFAULT_LIMIT = 50;

/**
 * A trace may enter a process several times: all its segments are stored under one id, in the order they ended. A new
 * segment waits in a ring, where adding a trace that is soon overwritten costs only two assignments. The ring is put in
 * order when the store is read. Until then, the store may hold up to twice its bound.
 */
export class TraceStore {
  // Values are live objects that must not be copied. Evictions are decided below, and node-cache removes old traces.
  readonly #cache = new NodeCache({ useClones: false, stdTTL: TTL_SECONDS, checkperiod: 0 });
  /** Ids of the ordered traces, the oldest first. */
  #order: { readonly id: string; readonly spans: number }[] = [];
  #orderedSpans = 0;
  readonly #maxSpans: number;
  readonly #notable: NotableTraces;
  readonly #held: HeldTraces;
  readonly #ring: (Trace | undefined)[] = Array<Trace | undefined>(MAX_TRACES).fill(undefined);
  #oldest = 0;
  #waiting = 0;
  #waitingSpans = 0;

  /**
   * @param maxSpans most spans of sampled traces, and as many again of notable ones
   * @param now milliseconds
   */
  constructor(maxSpans: number, notable: NotableOptions, now: () => number) {
    this.#maxSpans = maxSpans;
    this.#notable = new NotableTraces(notable, maxSpans, now);
    this.#held = new HeldTraces(now);
  }

  /** The number of stored traces. */
  get size(): number {
    return this.#ids().length;
  }

  /** @param isNotable whether the trace is kept for its outcome */
  add(trace: Trace, isNotable: boolean): void {
    if (isNotable) {
      this.#notable.add(trace);
      return;
    }
    if (this.#waiting === MAX_TRACES) this.#takeWaiting();
    this.#ring[(this.#oldest + this.#waiting) % MAX_TRACES] = trace;
    this.#waiting++;
    this.#waitingSpans += trace.spanCount;
    while (this.#waitingSpans > this.#maxSpans && this.#waiting > 1) this.#takeWaiting();
  }

  /** The segments of a trace, in the order they ended. */
  get(traceId: string): readonly Trace[] {
    this.#putInOrder();
    const sampled = this.#cache.get<Trace[]>(traceId) ?? [];
    const notable = this.#notable.get(traceId);
    const held = this.#held.get(traceId);
    if (notable.length + held.length === 0) return sampled;
    return [...new Set([...held, ...sampled, ...notable])].sort((a, b) => endOf(a) - endOf(b));
  }

  /**
   * Keeps traces readable for so many milliseconds, although newer ones take their place meanwhile.
   *
   * @returns the ids of those that are kept
   */
  hold(traceIds: readonly string[], duration: number): string[] {
    return traceIds.filter((id) => {
      const segments = this.get(id);
      if (segments.length > 0) this.#held.hold(id, segments, duration);
      return segments.length > 0;
    });
  }

  /** Summaries of the matching traces, the newest first. */
  list(query: TraceQuery): TraceSummary[] {
    const { limit = DEFAULT_LIMIT, attributes = {} } = query;
    const wantedAttributes = Object.entries(attributes);
    const candidates = this.#ids()
      .reverse() // of those that ended at the same time, too
      .map((id) => this.get(id))
      .filter((segments) => segments.length > 0)
      .sort((a, b) => endOf(b.at(-1)!) - endOf(a.at(-1)!));
    const found: TraceSummary[] = [];
    for (const segments of candidates) {
      if (found.length >= limit) break;
      const summary = summaryOf(segments);
      if (isWanted(summary, query) && haveAttributes(segments, wantedAttributes)) found.push(summary);
    }
    return found;
  }

  /** The ids of the traces held. */
  #ids(): string[] {
    this.#putInOrder();
    return [...new Set([...this.#cache.keys(), ...this.#notable.ids()])];
  }

  #takeWaiting(): Trace | undefined {
    const trace = this.#ring[this.#oldest];
    this.#ring[this.#oldest] = undefined;
    this.#oldest = (this.#oldest + 1) % MAX_TRACES;
    this.#waiting--;
    this.#waitingSpans -= trace?.spanCount ?? 0;
    return trace;
  }

  #putInOrder(): void {
    while (this.#waiting > 0) {
      const trace = this.#takeWaiting()!;
      const segments = this.#cache.get<Trace[]>(trace.traceId);
      if (segments === undefined) this.#cache.set(trace.traceId, [trace]);
      else segments.push(trace);
      this.#order.push({ id: trace.traceId, spans: trace.spanCount });
      this.#orderedSpans += trace.spanCount;
    }
    let surplus = 0;
    while (this.#order.length - surplus > MAX_TRACES || this.#isTooMuch(surplus)) this.#drop(this.#order[surplus++]!);
    if (surplus > 0) this.#order = this.#order.slice(surplus);
  }

  #isTooMuch(surplus: number): boolean {
    return this.#orderedSpans > this.#maxSpans && this.#order.length - surplus > 1;
  }

  #drop({ id, spans }: { readonly id: string; readonly spans: number }): void {
    this.#orderedSpans -= spans;
    const segments = this.#cache.get<Trace[]>(id);
    if (segments === undefined) return;
    segments.shift();
    if (segments.length === 0) this.#cache.del(id);
  }
}

function endOf({ root }: Trace): number {
  return root.start + root.duration;
}

/** The trace whole: its segments as one. */
export function viewOf(segments: readonly Trace[]): TraceView {
  const spans = segments.flatMap((trace) => trace.toRecords());
  const root = spans[0]!;
  const { startTime, duration } = extent(segments);
  return {
    traceId: root.traceId,
    spanId: root.spanId,
    service: root.service,
    operation: root.operation,
    status: statusOf(segments),
    startTime,
    duration,
    spans,
    tags: Object.assign({}, ...segments.map((trace) => trace.root.toRecord().attributes)) as Attributes,
    logs: segments.flatMap((trace) => trace.root.toRecord().logs),
    droppedSpans: segments.reduce((sum, trace) => sum + trace.droppedSpans, 0),
  };
}

function isWanted(summary: TraceSummary, query: TraceQuery): boolean {
  const { minDuration = 0, maxDuration = Infinity, from = -Infinity, to = Infinity, status, route } = query;
  return (
    summary.duration >= minDuration &&
    summary.duration <= maxDuration &&
    summary.startTime >= from &&
    summary.startTime <= to &&
    (status === undefined || summary.status === status || summary.statusCode === Number(status)) &&
    (route === undefined || summary.route === route)
  );
}

function haveAttributes(segments: readonly Trace[], wanted: ReadonlyArray<[name: string, text: string]>): boolean {
  if (wanted.length === 0) return true;
  const spans = segments.flatMap((trace) => trace.toRecords());
  return wanted.every(([name, text]) =>
    spans.some(({ attributes }) => {
      const value = attributes[name];
      return Array.isArray(value) ? value.some((one) => String(one) === text) : String(value) === text;
    }),
  );
}

function summaryOf(segments: readonly Trace[]): TraceSummary {
  const { root } = segments[0]!;
  const { attributes } = root.toRecord();
  const route = attributes['http.route'];
  const statusCode = attributes['http.response.status_code'];
  return {
    traceId: root.traceId,
    spanId: root.spanId,
    service: root.trace.tracer.serviceName,
    operation: root.operation,
    status: statusOf(segments),
    ...extent(segments),
    spans: segments.reduce((sum, trace) => sum + trace.spanCount, 0),
    route: typeof route === 'string' ? route : undefined,
    statusCode: typeof statusCode === 'number' ? statusCode : undefined,
  };
}

function statusOf(segments: readonly Trace[]): SpanStatus | 'active' {
  const roots = segments.map((trace) => trace.root);
  const failed = roots.find((root) => root.isEnded && root.status !== 'success');
  if (failed !== undefined) return failed.status;
  return roots.some((root) => !root.isEnded) ? 'active' : 'success';
}

function extent(segments: readonly Trace[]): { startTime: number; duration: number } {
  let start = Infinity;
  let end = 0;
  for (const { root, tracer } of segments) {
    start = Math.min(start, root.start);
    end = Math.max(end, root.isEnded ? root.start + root.duration : tracer.now());
  }
  return { startTime: segments[0]!.wallTimeOf(start), duration: end - start };
}
