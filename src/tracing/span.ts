/**
 * A span while it is recorded, and the record it becomes. A span is a single object until something is attached to it.
 * Recording must be cheap, because every request is recorded and nine in ten spans are discarded.
 */
import { OwnedAttributes, type Attributes, type AttributeValue, type RecordedSpan } from '../shared/instrumentation.js';
import { describeValue, propertyOf } from '../shared/user-value.js';
import { AttributeList } from './attribute-list.js';
import { boundedAttributes, boundedName, boundedValue, isGiven, MAX_ATTRIBUTES, namesOf } from './attribute-values.js';
import type { Carried } from './context.js';
import { isId, newSpanId } from './ids.js';

/** How a span ended. Anything but 'success' counts as an error. */
export type SpanStatus = 'success' | 'error' | (string & {});

/** The role of a span, as OpenTelemetry names it. */
export type SpanKind = 'server' | 'client' | 'internal' | 'producer' | 'consumer';

/** An event during a span. */
export interface SpanLog {
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  readonly level: string;
  readonly message: string;
  readonly attributes?: Attributes;
}

/** A related span elsewhere that is not its parent: for example, each message of a batch. */
export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState?: string | undefined;
  readonly attributes?: Attributes | undefined;
}

/**
 * The form in which callers pass attributes: any values, which are limited and converted to plain values when they are
 * recorded.
 */
type Unbounded<T> = Omit<T, 'attributes'> & { readonly attributes?: Readonly<Record<string, unknown>> | undefined };

/** The library that made a span. */
export interface SpanScope {
  readonly name: string;
  readonly version?: string;
}

/** A finished span, or the current state of an unfinished one with `duration` undefined. */
export interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly traceState: string | undefined;
  readonly service: string;
  readonly operation: string;
  readonly kind: SpanKind;
  /** Milliseconds since the Unix epoch. */
  readonly startTime: number;
  /** Milliseconds. */
  readonly duration: number | undefined;
  readonly status: SpanStatus | 'active';
  /** The error message, if one was given. */
  readonly error: string | undefined;
  readonly attributes: Attributes;
  readonly logs: readonly SpanLog[];
  readonly links?: readonly SpanLink[];
  /** Undefined for this package. */
  readonly scope?: SpanScope;
}

const MAX_LOGS = 128;
const MAX_LINKS = 128;
const PENDING = -1;

/** The interface of a trace that its spans use. */
export interface OwningTrace {
  readonly traceId: string;
  readonly traceState: string | undefined;
  readonly baggage: string | undefined;
  readonly sampled: boolean;
  readonly random: boolean;
  readonly isEnded: boolean;
  readonly isKept: boolean;
  readonly root: Span;
  readonly tracer: { readonly serviceName: string; now(): number };
  startSpan(operation: string, parentSpanId: string, kind?: SpanKind, start?: number): Span;
  spanEnded(span: Span): void;
  attributesOf(span: Span): Attributes | undefined;
  inject(headers: Record<string, string | string[] | undefined>, spanId: string): void;
  wallTimeOf(reading: number): number;
  readingOf(wallTime: number): number;
}

/**
 * One timed operation of a trace.
 *
 * @example
 * const rows = await tracer.trace('import', (span) => {
 *   span.setAttribute('rows', 1200);
 *   return 1200;
 * });
 */
export class Span implements RecordedSpan, Carried {
  readonly trace: OwningTrace;
  readonly spanId: string;
  /** Whether it is part of its trace, rather than only counted. */
  readonly isRecorded: boolean;
  readonly parentSpanId: string | undefined;
  kind: SpanKind;
  /** In the time of the tracer's clock. */
  readonly start: number;
  operation: string;
  /** Undefined until the end: V8 allocates a number for each object whose field always has one. */
  #duration: number | undefined = undefined;
  status: SpanStatus = 'success';
  /** Only the message, because the error itself may hold a whole request, and traces are kept for minutes. */
  error: string | undefined = undefined;
  /** The span that the trace began before this one. @internal */
  older: Span | undefined = undefined;
  #owned: OwnedAttributes | undefined = undefined;
  #attributes: AttributeList | undefined = undefined;
  #logs: SpanLog[] | undefined = undefined;
  #links: SpanLink[] | undefined = undefined;
  scope: SpanScope | undefined = undefined;
  /** The error message of a span that was marked as failed, although it will end without an error. */
  failure: string | undefined = undefined;

  /** @param start start time by the tracer's clock; default now */
  constructor(
    trace: OwningTrace,
    operation: string,
    kind: SpanKind,
    parentSpanId: string | undefined,
    start?: number,
    spanId: string = newSpanId(),
    isRecorded = true,
  ) {
    this.trace = trace;
    this.spanId = spanId;
    this.isRecorded = isRecorded;
    this.operation = boundedName(operation);
    this.kind = kind;
    this.parentSpanId = parentSpanId;
    this.start = start ?? trace.tracer.now();
  }

  get traceId(): string {
    return this.trace.traceId;
  }

  /** As a value in a carrier, a span stands for itself. */
  get span(): this {
    return this;
  }

  /** Milliseconds; -1 before the end. */
  get duration(): number {
    return this.#duration ?? PENDING;
  }

  /** The attributes set on the span itself. */
  get ownAttributes(): Attributes | undefined {
    const others = this.#attributes?.toObject();
    if (this.#owned === undefined) return others;
    const owned = Object.entries(this.#owned).filter(([, value]) => isGiven(value));
    return { ...Object.fromEntries(owned as [string, AttributeValue][]), ...others };
  }

  get isEnded(): boolean {
    return this.#duration !== undefined;
  }

  setAttribute(name: string, value: AttributeValue): void {
    if (!this.isRecorded || !isGiven(value)) return;
    const owned = this.#owned as Record<string, AttributeValue> | undefined;
    if (owned !== undefined && Object.hasOwn(owned, name)) owned[name] = boundedValue(value);
    else (this.#attributes ??= new AttributeList(MAX_ATTRIBUTES)).set(boundedName(name), boundedValue(value));
  }

  setAttributes(attributes: Readonly<Record<string, unknown>> | undefined): void {
    if (attributes === undefined || attributes === null) return;
    if (attributes instanceof OwnedAttributes && this.#owned === undefined && this.#attributes === undefined) {
      if (this.isRecorded) this.#owned = attributes;
      return;
    }
    for (const name of namesOf(attributes)) this.setAttribute(name, propertyOf(attributes, name) as AttributeValue);
  }

  /**
   * Adds a log entry. Beyond 128 entries the oldest is dropped.
   *
   * @param timestamp milliseconds since the Unix epoch; default now
   */
  addLog(message: string, level = 'info', attributes?: Readonly<Record<string, unknown>>, timestamp?: number): void {
    if (!this.isRecorded) return;
    const logs = (this.#logs ??= []);
    if (logs.length === MAX_LOGS) logs.shift();
    const log = {
      timestamp: timestamp ?? this.trace.wallTimeOf(this.trace.tracer.now()),
      level: boundedName(level),
      message: describeValue(message),
    };
    logs.push(attributes === undefined ? log : { ...log, attributes: boundedAttributes(attributes) });
  }

  /** Adds a link. Links beyond 128 are left out. */
  addLink({ attributes, ...target }: Unbounded<SpanLink>): void {
    if (!this.isRecorded || !isId(target.traceId, 32) || !isId(target.spanId, 16)) return;
    const links = (this.#links ??= []);
    if (links.length === MAX_LINKS) return;
    links.push(attributes === undefined ? target : { ...target, attributes: boundedAttributes(attributes) });
  }

  inject(headers: Record<string, string | string[] | undefined>): void {
    // A span that passes its headers to another service is the client side of a call to it.
    if (this.kind === 'internal' && this !== this.trace.root) this.kind = 'client';
    this.trace.inject(headers, this.spanId);
  }

  /** A child, recorded with the trace; beyond the limit of the trace only counted. */
  startChild(operation: string, attributes?: Attributes, kind: SpanKind = 'internal'): Span {
    const child = this.trace.startSpan(operation, this.spanId, kind);
    child.setAttributes(attributes);
    return child;
  }

  end(error?: unknown): void {
    if (error === undefined) this.finish('success');
    else this.finish('error', error);
  }

  /**
   * Ends the span with a status. Later calls have no effect.
   *
   * @param at end time by the tracer's clock; default now
   */
  finish(status: SpanStatus, error?: unknown, at?: number): void {
    if (this.isEnded) return;
    this.#duration = Math.max(0, (at ?? this.trace.tracer.now()) - this.start);
    const { failure } = this;
    this.status = status === 'success' && failure !== undefined ? 'error' : status;
    const reason = error ?? failure;
    if (reason !== undefined) this.error = describeValue(reason);
    this.trace.spanEnded(this);
  }

  /** The current state of the span. */
  toRecord(): SpanRecord {
    const { trace } = this;
    return {
      traceId: trace.traceId,
      spanId: this.spanId,
      parentSpanId: this.parentSpanId,
      traceState: trace.traceState,
      service: trace.tracer.serviceName,
      operation: this.operation,
      kind: this.kind,
      startTime: trace.wallTimeOf(this.start),
      duration: this.#duration,
      status: this.isEnded ? this.status : 'active',
      error: this.error,
      attributes: { ...trace.attributesOf(this), ...this.ownAttributes },
      logs: this.#logs?.slice() ?? [],
      ...(this.#links !== undefined && { links: this.#links.slice() }),
      ...(this.scope !== undefined && { scope: this.scope }),
    };
  }
}
