/** A span of this kit with the interface of `@opentelemetry/api`. */
import {
  SpanStatusCode,
  type Attributes,
  type AttributeValue,
  type Exception,
  type Link,
  type Span as ApiSpan,
  type SpanContext,
  type SpanStatus,
  type TimeInput,
} from '@opentelemetry/api';
import { describeValue } from '../../shared/user-value.js';
import type { Span } from '../span.js';
import { fromSpanContext, toSpanContext } from './span-context.js';
import { epochMilliseconds } from './time.js';

/** A registered symbol, so that the middleware finds the kit's span behind an API span without loading the API. */
const RECORDED: unique symbol = Symbol.for('@tooloo/resilience:recorded-span') as never;

/** Each span has one API span, because code compares them by identity. */
const bridged = new WeakMap<Span, BridgedSpan>();

/** Returns the API span of a span. */
export function bridge(span: Span): ApiSpan {
  return bridgeOf(span, false);
}

/** A span that the code of a library began, and ends. */
export function bridgeOwned(span: Span): ApiSpan {
  return bridgeOf(span, true);
}

function bridgeOf(span: Span, isTheirs: boolean): BridgedSpan {
  let found = bridged.get(span);
  if (found === undefined) bridged.set(span, (found = new BridgedSpan(span, isTheirs)));
  return found;
}

/** The kit's span behind an API span; undefined for spans of other SDKs and for remote ones. */
export function recordedSpan(span: ApiSpan | undefined): Span | undefined {
  return (span as { [RECORDED]?: Span } | undefined)?.[RECORDED];
}

function contextOf({ trace, spanId }: Span): SpanContext {
  const { traceId, sampled, random, traceState } = trace;
  return toSpanContext({ traceId, spanId, sampled, random, traceState });
}

/** The form of `exception` events (semantic conventions, "Exceptions on spans"). */
function exceptionAttributes(exception: Exception): Attributes {
  if (typeof exception === 'string') return { 'exception.message': exception };
  const { code, name, message, stack } = exception;
  const type = code === undefined ? name : describeValue(code);
  return {
    ...(type !== undefined && { 'exception.type': type }),
    ...(message !== undefined && { 'exception.message': message }),
    ...(stack !== undefined && { 'exception.stacktrace': stack }),
  };
}

class BridgedSpan implements ApiSpan {
  readonly [RECORDED]: Span;
  readonly #context: SpanContext;
  readonly #isTheirs: boolean;

  constructor(span: Span, isTheirs: boolean) {
    this[RECORDED] = span;
    this.#context = contextOf(span);
    this.#isTheirs = isTheirs;
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  isRecording(): boolean {
    return this[RECORDED].isRecorded && !this[RECORDED].isEnded;
  }

  setAttribute(key: string, value: AttributeValue): this {
    return this.setAttributes({ [key]: value });
  }

  setAttributes(attributes: Attributes): this {
    if (this.isRecording()) this[RECORDED].setAttributes(attributes);
    return this;
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    if (isTime(attributesOrTime)) this.#addLog(name, 'info', undefined, attributesOrTime);
    else this.#addLog(name, 'info', attributesOrTime, time);
    return this;
  }

  recordException(exception: Exception, time?: TimeInput): void {
    this.#addLog('exception', 'error', exceptionAttributes(exception), time);
  }

  #addLog(name: string, level: string, attributes: Attributes | undefined, time: TimeInput | undefined): void {
    const timestamp = time === undefined ? undefined : epochMilliseconds(time);
    if (this.isRecording()) this[RECORDED].addLog(name, level, attributes, timestamp);
  }

  addLink({ context, attributes }: Link): this {
    const { traceId, spanId, traceState } = fromSpanContext(context);
    if (this.isRecording()) this[RECORDED].addLink({ traceId, spanId, traceState, attributes });
    return this;
  }

  addLinks(links: Link[]): this {
    for (const link of links) this.addLink(link);
    return this;
  }

  setStatus({ code, message }: SpanStatus): this {
    if (this.isRecording()) this[RECORDED].failure = code === SpanStatusCode.ERROR ? (message ?? 'error') : undefined;
    return this;
  }

  /** A request span keeps its route as its name, even if it is renamed here. */
  updateName(name: string): this {
    if (this.isRecording()) this[RECORDED].operation = name;
    return this;
  }

  /**
   * Ends a span that was begun through the API. Spans of this package, such as that of a request, end by themselves.
   */
  end(time?: TimeInput): void {
    const span = this[RECORDED];
    if (!this.#isTheirs) return;
    span.finish('success', undefined, time === undefined ? undefined : span.trace.readingOf(epochMilliseconds(time)));
  }
}

function isTime(value: Attributes | TimeInput | undefined): value is TimeInput {
  return typeof value === 'number' || value instanceof Date || Array.isArray(value);
}
