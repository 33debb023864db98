/**
 * The part of a trace in this process: a root span (of a request, or of work begun here) and the spans below it. Every
 * trace is recorded. Its id decides at the start whether it is kept, and its outcome decides at the end.
 */
import type { Clock } from '../shared/clock.js';
import type { Attributes } from '../shared/instrumentation.js';
import { propagatableBaggage } from './baggage.js';
import { carriedBaggage } from './context.js';
import { newSpanId, newTraceId } from './ids.js';
import { replaceOutgoingFields } from './outgoing-fields.js';
import { Span, type OwningTrace, type SpanKind, type SpanRecord } from './span.js';
import type { RemoteParent, RequestParent } from './request-parent.js';
import { formatTraceparent, formatTracestate, parseTraceparent, parseTracestate } from './trace-context.js';

/** The interface of the tracer that a trace and its spans use. */
export interface TraceOwner extends Pick<Clock, 'now'> {
  readonly serviceName: string;
  /** The difference in milliseconds from a reading of the tracer's clock to the Unix epoch time. */
  wallOffset(): number;
  readonly isSampled: (traceId: string) => boolean;
  /** Whether a trace that is not sampled may still be kept for its outcome. */
  readonly keepsByOutcome: boolean;
  /** Whether one that is not sampled and ends now may be kept for its outcome. */
  readonly mayKeep: boolean;
  spanEnded(span: Span, trace: Trace): void;
  traceEnded(trace: Trace): void;
}

type FieldValue = string | string[] | undefined;

/**
 * The most spans below one root. A loop that opens more is visible in the count of dropped spans, and does not exhaust
 * the memory.
 */
const MAX_SPANS = 512;

/** Reads the trace that an incoming request belongs to; undefined if the request names none, or an invalid one. */
export function readRemoteParent(headers: Readonly<Record<string, FieldValue>>): RemoteParent | undefined {
  const field = headers['traceparent'];
  if (typeof field !== 'string') return undefined;
  const parent = parseTraceparent(field);
  if (parent === undefined) return undefined;
  const state = joined(headers['tracestate']);
  const members = state === undefined ? undefined : parseTracestate(state);
  const baggage = joined(headers['baggage']);
  const { traceId, spanId, sampled, random } = parent;
  return {
    traceId,
    spanId,
    sampled,
    random,
    traceState: members === undefined || members.length === 0 ? undefined : formatTracestate(members),
    baggage: baggage === undefined ? undefined : propagatableBaggage(baggage),
  };
}

function joined(field: FieldValue): string | undefined {
  return Array.isArray(field) ? field.join(',') : field;
}

export class Trace implements OwningTrace {
  readonly tracer: TraceOwner;
  readonly traceId: string;
  readonly sampled: boolean;
  readonly random: boolean;
  readonly traceState: string | undefined;
  readonly baggage: string | undefined;
  /** The spans below the root, linked: V8 gives an array room for 17 members when the first one is added. */
  #newest: Span | undefined = undefined;
  #childCount = 0;
  /** The number of spans, including the root, when the trace ended. */
  spanCount = 1;
  readonly root: Span;
  droppedSpans = 0;
  isEnded = false;
  /** Decided at the end. */
  isKept = false;
  /** Another SDK exports the root span. */
  readonly isRootForeign: boolean;
  #wallOffset: number | undefined = undefined;
  #unrecorded: Map<string, Span> | undefined = undefined;
  /** The request that replaced this trace. */
  #successor: Trace | undefined = undefined;

  constructor(
    tracer: TraceOwner,
    operation: string,
    kind: SpanKind,
    parent: RequestParent | undefined,
    traceId?: string,
    start?: number,
  ) {
    const adopted = parent?.adopted;
    this.tracer = tracer;
    this.traceId = parent?.traceId ?? traceId ?? newTraceId();
    this.random = parent?.random ?? traceId === undefined;
    // The caller's decision is followed, so that its trace is either complete or not recorded.
    this.sampled = parent === undefined ? tracer.isSampled(this.traceId) : parent.sampled;
    this.traceState = parent?.traceState;
    this.baggage = parent?.baggage;
    this.root =
      adopted === undefined
        ? new Span(this, operation, kind, parent?.spanId, start)
        : new Span(this, operation, kind, adopted.parentSpanId, start, parent!.spanId);
    this.isRootForeign = adopted !== undefined && adopted.trace === undefined;
    adopted?.trace?.giveWayTo(this);
  }

  /** Spans below the root, in the order in which they began. */
  get children(): readonly Span[] {
    const spans: Span[] = [];
    for (let span = this.#newest; span !== undefined; span = span.older) spans.push(span);
    return spans.reverse();
  }

  /** From now on this trace is the other one: its spans, and those it receives later, belong there. */
  giveWayTo(successor: OwningTrace): void {
    if (!(successor instanceof Trace)) return;
    this.#successor = successor;
    successor.#newest = this.#newest;
    successor.#childCount = this.#childCount;
    successor.root.setAttributes(this.root.ownAttributes);
  }

  /**
   * Opens a span below `parentSpanId`. A span that will not be kept, or that exceeds the limit of 512, is counted in
   * the metrics when it ends but not recorded. It shares the id of its parent, so its children become children of that
   * parent.
   */
  startSpan(operation: string, parentSpanId: string, kind: SpanKind = 'internal', start?: number): Span {
    if (this.#successor !== undefined) return this.#successor.startSpan(operation, parentSpanId, kind, start);
    const isWanted = this.sampled || this.tracer.keepsByOutcome;
    if (!isWanted || this.#childCount >= MAX_SPANS) {
      if (isWanted) this.droppedSpans++;
      return new Span(this, operation, kind, parentSpanId, start, parentSpanId, false);
    }
    const span = new Span(this, operation, kind, parentSpanId, start);
    span.older = this.#newest;
    this.#newest = span;
    this.#childCount++;
    return span;
  }

  /**
   * Converts a reading of the tracer's clock to milliseconds since the Unix epoch. The offset is fixed at the first
   * call, even if the wall clock is adjusted later.
   */
  wallTimeOf(reading: number): number {
    this.#wallOffset ??= this.tracer.wallOffset();
    return reading + this.#wallOffset;
  }

  /** The reverse: the reading of the tracer's clock at a wall time. */
  readingOf(wallTime: number): number {
    return wallTime - this.wallTimeOf(0);
  }

  /**
   * Keeps a span that is only counted until it is ended by a caller, under its own id. Beyond 512 it is not counted.
   */
  holdUnrecorded(span: Span): string {
    const id = newSpanId();
    const held = (this.#unrecorded ??= new Map<string, Span>());
    if (held.size < MAX_SPANS) held.set(id, span);
    return id;
  }

  findSpan(spanId: string): Span | undefined {
    const held = this.#unrecorded?.get(spanId);
    if (held !== undefined) {
      this.#unrecorded!.delete(spanId);
      return held;
    }
    return this.root.spanId === spanId ? this.root : this.children.find((span) => span.spanId === spanId);
  }

  spanEnded(span: Span): void {
    if (this.#successor !== undefined) {
      if (span === this.root) this.#successor.root.setAttributes(span.ownAttributes);
      else this.#successor.spanEnded(span);
      return;
    }
    this.tracer.spanEnded(span, this);
    if (span !== this.root) return;
    this.isEnded = true;
    this.spanCount = 1 + this.#childCount;
    this.tracer.traceEnded(this);
  }

  /**
   * The attributes that the trace itself adds to a span, by the names of the semantic conventions. Called when the span
   * is read.
   */
  attributesOf(_span: Span): Attributes | undefined {
    return undefined;
  }

  /** Writes the trace into the header fields of an outgoing request, with `spanId` as the parent. */
  inject(headers: Record<string, FieldValue>, spanId: string): void {
    replaceOutgoingFields();
    headers['traceparent'] = this.traceparent(spanId);
    if (this.traceState !== undefined) headers['tracestate'] = this.traceState;
    const baggage = carriedBaggage() ?? this.baggage;
    // A value that the caller of inject set is kept.
    if (baggage !== undefined) headers['baggage'] ??= baggage;
  }

  traceparent(spanId: string): string {
    return formatTraceparent({ traceId: this.traceId, spanId, sampled: this.sampled, random: this.random });
  }

  /** The root first, then the others in the order in which they began. */
  toRecords(): SpanRecord[] {
    return [this.root.toRecord(), ...this.children.map((span) => span.toRecord())];
  }
}
