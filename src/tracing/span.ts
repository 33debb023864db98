/**
 * A span while it is recorded, and the record it becomes. A span is one object and, until something is attached to it,
 * nothing else: recording has to be cheap enough to do for every request and to throw away for nine in ten.
 */
import { messageOf } from '../shared/errors.js';
import type { Attributes, AttributeValue, RecordedSpan } from '../shared/instrumentation.js';
import type { ActiveSpan } from './context.js';
import { newSpanId } from './ids.js';
import type { Trace } from './trace.js';

/** How a span ended. Anything but 'success' counts as an error. */
export type SpanStatus = 'success' | 'error' | (string & {});

export type SpanKind = 'server' | 'client' | 'internal';

/** Something that happened during a span. */
export interface SpanLog {
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  readonly level: string;
  readonly message: string;
  readonly attributes?: Attributes;
}

/** A finished span, or an unfinished one as it stands, with `duration` undefined. */
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
  /** What went wrong, where it was told. */
  readonly error: string | undefined;
  readonly attributes: Attributes;
  readonly logs: readonly SpanLog[];
}

const MAX_ATTRIBUTES = 64;
const MAX_TEXT = 1024;
const MAX_LOGS = 128;
const PENDING = -1;

/** What may be attached is bounded: an attribute may hold what a client sent. */
export function boundedValue(value: unknown): AttributeValue {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  const text = typeof value === 'string' ? value : messageOf(value);
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
}

export class Span implements RecordedSpan, ActiveSpan {
  readonly trace: Trace;
  readonly spanId: string = newSpanId();
  readonly parentSpanId: string | undefined;
  kind: SpanKind;
  /** By the tracer's clock. */
  readonly start: number;
  operation: string;
  duration: number = PENDING;
  status: SpanStatus = 'success';
  /** What went wrong, in words: the thing thrown may hold a whole request, and traces are held for minutes. */
  error: string | undefined = undefined;
  #attributes: Record<string, AttributeValue> | undefined = undefined;
  #logs: SpanLog[] | undefined = undefined;

  constructor(trace: Trace, operation: string, kind: SpanKind, parentSpanId: string | undefined) {
    this.trace = trace;
    this.operation = operation;
    this.kind = kind;
    this.parentSpanId = parentSpanId;
    this.start = trace.tracer.now();
  }

  get traceId(): string {
    return this.trace.traceId;
  }

  get isEnded(): boolean {
    return this.duration !== PENDING;
  }

  setAttribute(name: string, value: AttributeValue): void {
    const attributes = (this.#attributes ??= {});
    if (Object.hasOwn(attributes, name) || Object.keys(attributes).length < MAX_ATTRIBUTES) {
      attributes[name] = boundedValue(value);
    }
  }

  setAttributes(attributes: Readonly<Record<string, unknown>> | undefined): void {
    if (attributes === undefined) return;
    for (const name of Object.keys(attributes)) {
      const value = attributes[name];
      if (value !== undefined) this.setAttribute(name, value as AttributeValue);
    }
  }

  /** Adds what happened now. Past 128 the oldest is forgotten. */
  addLog(message: string, level = 'info', attributes?: Attributes): void {
    const logs = (this.#logs ??= []);
    if (logs.length === MAX_LOGS) logs.shift();
    const log = {
      timestamp: this.trace.wallTimeOf(this.trace.tracer.now()),
      level,
      message: String(boundedValue(message)),
    };
    logs.push(attributes === undefined ? log : { ...log, attributes });
  }

  inject(headers: Record<string, string | string[] | undefined>): void {
    // What is handed to another service is a call to it, seen from its caller.
    if (this.kind === 'internal' && this !== this.trace.root) this.kind = 'client';
    this.trace.inject(headers, this.spanId);
  }

  /** A child, recorded with the trace; undefined past the trace's limit. */
  startChild(operation: string, attributes?: Attributes, kind: SpanKind = 'internal'): Span | undefined {
    const child = this.trace.startSpan(operation, this.spanId, kind);
    child?.setAttributes(attributes);
    return child;
  }

  end(error?: unknown): void {
    if (error === undefined) this.finish('success');
    else this.finish('error', error);
  }

  /** Ends the span with a status. The first end counts. */
  finish(status: SpanStatus, error?: unknown): void {
    if (this.isEnded) return;
    this.duration = Math.max(0, this.trace.tracer.now() - this.start);
    this.status = status;
    if (error !== undefined) this.error = String(boundedValue(error));
    this.trace.spanEnded(this);
  }

  /** The span as it stands. */
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
      duration: this.isEnded ? this.duration : undefined,
      status: this.isEnded ? this.status : 'active',
      error: this.error,
      attributes: { ...trace.attributesOf(this), ...this.#attributes },
      logs: this.#logs?.slice() ?? [],
    };
  }
}
