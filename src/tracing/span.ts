/**
 * A span while it is recorded, and the record it becomes. A span is one object and, until something is attached to it,
 * nothing else: recording has to be cheap enough to do for every request and to throw away for nine in ten.
 */
import { messageOf } from '../shared/errors.js';
import type { Attributes, AttributeValue, RecordedSpan } from '../shared/instrumentation.js';
import type { Carried } from './context.js';
import { newSpanId } from './ids.js';
import type { Trace } from './trace.js';

/** How a span ended. Anything but 'success' counts as an error. */
export type SpanStatus = 'success' | 'error' | (string & {});

export type SpanKind = 'server' | 'client' | 'internal' | 'producer' | 'consumer';

/** Something that happened during a span. */
export interface SpanLog {
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  readonly level: string;
  readonly message: string;
  readonly attributes?: Attributes;
}

/** A span elsewhere that this one has to do with and is no child of: each message of a batch, for instance. */
export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState?: string | undefined;
  readonly attributes?: Attributes | undefined;
}

/** As it is given: attributes of any kind, which are bounded and made plain when they are recorded. */
type Unbounded<T> = Omit<T, 'attributes'> & { readonly attributes?: Readonly<Record<string, unknown>> | undefined };

/** The library that made a span. */
export interface SpanScope {
  readonly name: string;
  readonly version?: string;
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
  readonly links?: readonly SpanLink[];
  /** Undefined for this package. */
  readonly scope?: SpanScope;
}

const MAX_ATTRIBUTES = 64;
const MAX_TEXT = 1024;
const MAX_LOGS = 128;
const MAX_LINKS = 128;
const MAX_MEMBERS = 128;
const PENDING = -1;

/** What may be attached is bounded: an attribute may hold what a client sent. */
export function boundedValue(value: unknown): AttributeValue {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.slice(0, MAX_MEMBERS).map(boundedValue) as readonly string[];
  const text = typeof value === 'string' ? value : messageOf(value);
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
}

function boundedAttributes(attributes: Readonly<Record<string, unknown>>): Attributes {
  const bounded = Object.entries(attributes).slice(0, MAX_ATTRIBUTES);
  return Object.fromEntries(bounded.map(([name, value]) => [name, boundedValue(value)]));
}

export class Span implements RecordedSpan, Carried {
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
  #links: SpanLink[] | undefined = undefined;
  scope: SpanScope | undefined = undefined;
  /** Said to have gone wrong, although it will end without an error. */
  failure: string | undefined = undefined;

  /** @param start when it began, by the tracer's clock; now unless told */
  constructor(trace: Trace, operation: string, kind: SpanKind, parentSpanId: string | undefined, start?: number) {
    this.trace = trace;
    this.operation = operation;
    this.kind = kind;
    this.parentSpanId = parentSpanId;
    this.start = start ?? trace.tracer.now();
  }

  get traceId(): string {
    return this.trace.traceId;
  }

  /** As what a carrier carries, a span stands for itself. */
  get span(): this {
    return this;
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

  /**
   * Adds what happened. Past 128 the oldest is forgotten.
   *
   * @param timestamp milliseconds since the Unix epoch; now unless told
   */
  addLog(message: string, level = 'info', attributes?: Readonly<Record<string, unknown>>, timestamp?: number): void {
    const logs = (this.#logs ??= []);
    if (logs.length === MAX_LOGS) logs.shift();
    const log = {
      timestamp: timestamp ?? this.trace.wallTimeOf(this.trace.tracer.now()),
      level,
      message: String(boundedValue(message)),
    };
    logs.push(attributes === undefined ? log : { ...log, attributes: boundedAttributes(attributes) });
  }

  /** Adds a link; what is past 128 is left out. */
  addLink({ attributes, ...target }: Unbounded<SpanLink>): void {
    const links = (this.#links ??= []);
    if (links.length === MAX_LINKS) return;
    links.push(attributes === undefined ? target : { ...target, attributes: boundedAttributes(attributes) });
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

  /**
   * Ends the span with a status. The first end counts.
   *
   * @param at when, by the tracer's clock; now unless told
   */
  finish(status: SpanStatus, error?: unknown, at?: number): void {
    if (this.isEnded) return;
    this.duration = Math.max(0, (at ?? this.trace.tracer.now()) - this.start);
    const { failure } = this;
    this.status = status === 'success' && failure !== undefined ? 'error' : status;
    const reason = error ?? failure;
    if (reason !== undefined) this.error = String(boundedValue(reason));
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
      ...(this.#links !== undefined && { links: this.#links.slice() }),
      ...(this.scope !== undefined && { scope: this.scope }),
    };
  }
}
