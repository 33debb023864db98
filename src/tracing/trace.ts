/**
 * A trace as far as this process sees it: a root span (of a request served, or of work begun here) and the spans below
 * it. Every trace is recorded; whether it is kept is decided by its id at the head and by its outcome at the end.
 */
import type { Clock } from '../shared/clock.js';
import type { Attributes } from '../shared/instrumentation.js';
import { propagatableBaggage } from './baggage.js';
import { carriedBaggage } from './context.js';
import { newTraceId } from './ids.js';
import { Span, type SpanKind, type SpanRecord } from './span.js';
import { formatTraceparent, formatTracestate, parseTraceparent, parseTracestate } from './trace-context.js';

/** What a trace and its spans need of the tracer. */
export interface TraceOwner extends Pick<Clock, 'now'> {
  readonly serviceName: string;
  /** What is added to a reading of the tracer's clock to get milliseconds since the Unix epoch. */
  wallOffset(): number;
  readonly isSampled: (traceId: string) => boolean;
  /** Whether a trace that is not sampled may still be kept for its outcome. */
  readonly keepsByOutcome: boolean;
  spanEnded(span: Span): void;
  traceEnded(trace: Trace): void;
}

/** Where a trace comes from when another service began it. */
export interface RemoteParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
  readonly random: boolean;
  readonly traceState?: string | undefined;
  readonly baggage?: string | undefined;
}

type FieldValue = string | string[] | undefined;

/** Spans below one root; a loop that opens more is told apart by the count of dropped ones, not by running out of memory. */
const MAX_SPANS = 512;
const NO_SPANS: readonly Span[] = [];

/** Reads the trace an incoming request belongs to; undefined when it names none, or not validly. */
export function readRemoteParent(headers: Readonly<Record<string, FieldValue>>): RemoteParent | undefined {
  const field = headers['traceparent'];
  if (typeof field !== 'string') return undefined;
  const parent = parseTraceparent(field);
  if (parent === undefined) return undefined;
  const state = joined(headers['tracestate']);
  const members = state === undefined ? undefined : parseTracestate(state);
  const baggage = joined(headers['baggage']);
  return {
    ...parent,
    traceState: members === undefined || members.length === 0 ? undefined : formatTracestate(members),
    baggage: baggage === undefined ? undefined : propagatableBaggage(baggage),
  };
}

function joined(field: FieldValue): string | undefined {
  return Array.isArray(field) ? field.join(',') : field;
}

export class Trace {
  readonly tracer: TraceOwner;
  readonly traceId: string;
  readonly sampled: boolean;
  readonly random: boolean;
  readonly traceState: string | undefined;
  readonly baggage: string | undefined;
  #children: Span[] | undefined = undefined;
  /** Spans, the root among them, as counted when the trace ended. */
  spanCount = 1;
  readonly root: Span;
  droppedSpans = 0;
  isEnded = false;
  /** Decided at the end. */
  isKept = false;
  #wallOffset: number | undefined = undefined;

  constructor(
    tracer: TraceOwner,
    operation: string,
    kind: SpanKind,
    parent: RemoteParent | undefined,
    traceId?: string,
    start?: number,
  ) {
    this.tracer = tracer;
    this.traceId = parent?.traceId ?? traceId ?? newTraceId();
    this.random = parent?.random ?? traceId === undefined;
    // A caller that records wants the rest of its trace; a caller that does not leaves the decision where it was taken.
    this.sampled = parent === undefined ? tracer.isSampled(this.traceId) : parent.sampled;
    this.traceState = parent?.traceState;
    this.baggage = parent?.baggage;
    this.root = new Span(this, operation, kind, parent?.spanId, start);
  }

  /** Spans below the root, in the order they began. */
  get children(): readonly Span[] {
    return this.#children ?? NO_SPANS;
  }

  /**
   * Opens a span below `parentSpanId`; undefined where nobody will ever see it, and past the limit of 512, which is
   * counted.
   */
  startSpan(operation: string, parentSpanId: string, kind: SpanKind = 'internal', start?: number): Span | undefined {
    if (!this.sampled && !this.tracer.keepsByOutcome) return undefined;
    const children = (this.#children ??= []);
    if (children.length >= MAX_SPANS) {
      this.droppedSpans++;
      return undefined;
    }
    const span = new Span(this, operation, kind, parentSpanId, start);
    children.push(span);
    return span;
  }

  /** Milliseconds since the Unix epoch of a reading of the tracer's clock; fixed once asked, whatever the wall clock does. */
  wallTimeOf(reading: number): number {
    this.#wallOffset ??= this.tracer.wallOffset();
    return reading + this.#wallOffset;
  }

  /** The reverse: what the tracer's clock reads at a wall time. */
  readingOf(wallTime: number): number {
    return wallTime - this.wallTimeOf(0);
  }

  findSpan(spanId: string): Span | undefined {
    return this.root.spanId === spanId ? this.root : this.children.find((span) => span.spanId === spanId);
  }

  spanEnded(span: Span): void {
    this.tracer.spanEnded(span);
    if (span !== this.root) return;
    this.isEnded = true;
    this.spanCount = 1 + this.children.length;
    this.tracer.traceEnded(this);
  }

  /** What the trace itself knows of a span, by the names of the semantic conventions. Asked when the span is looked at. */
  attributesOf(_span: Span): Attributes | undefined {
    return undefined;
  }

  /** Writes the trace into the header fields of an outgoing request, `spanId` being its parent there. */
  inject(headers: Record<string, FieldValue>, spanId: string): void {
    headers['traceparent'] = this.traceparent(spanId);
    if (this.traceState !== undefined) headers['tracestate'] = this.traceState;
    const baggage = carriedBaggage() ?? this.baggage;
    // What the caller of inject put there itself is its own intention.
    if (baggage !== undefined) headers['baggage'] ??= baggage;
  }

  traceparent(spanId: string): string {
    return formatTraceparent({ traceId: this.traceId, spanId, sampled: this.sampled, random: this.random });
  }

  /** The root first, then the others as they began. */
  toRecords(): SpanRecord[] {
    return [this.root.toRecord(), ...this.children.map((span) => span.toRecord())];
  }
}
