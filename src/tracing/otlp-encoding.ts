/** Spans as OTLP/JSON: hexadecimal ids, integer enums, 64-bit numbers as strings. */
import { describeValue } from '../shared/user-value.js';
import { isId } from './ids.js';
import type { SpanKind, SpanLink, SpanRecord, SpanScope } from './span.js';

const KINDS: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };
const STATUS_UNSET = 0;
const STATUS_ERROR = 2;
/** The library that made a span, if it was this one. */
export const OWN_SCOPE: SpanScope = { name: '@tooloo/resilience' };

/** The body of a request to `/v1/traces`. */
export function encodeSpans(spans: readonly SpanRecord[], resource: Readonly<Record<string, unknown>>): string {
  const scopeSpans = Array.from(byScope(spans), ([scope, made]) => ({ scope, spans: made.map(encodeSpan) }));
  return JSON.stringify({ resourceSpans: [{ resource: { attributes: encodeAttributes(resource) }, scopeSpans }] });
}

function byScope(spans: readonly SpanRecord[]): Map<SpanScope, SpanRecord[]> {
  const groups = new Map<SpanScope, SpanRecord[]>();
  for (const span of spans) {
    const scope = span.scope ?? OWN_SCOPE;
    const group = groups.get(scope);
    if (group === undefined) groups.set(scope, [span]);
    else group.push(span);
  }
  return groups;
}

function encodeSpan(span: SpanRecord): object {
  const { traceId, spanId, parentSpanId, traceState, operation, kind, startTime, duration = 0, status, error } = span;
  const isError = status !== 'success';
  return {
    traceId,
    spanId,
    ...(traceState !== undefined && { traceState }),
    ...(parentSpanId !== undefined && isId(parentSpanId, 16) && { parentSpanId }),
    name: nameOf(operation),
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(startTime),
    endTimeUnixNano: nanoseconds(startTime + duration),
    attributes: encodeAttributes(span.attributes),
    events: span.logs.map(({ timestamp, level, message, attributes }) => ({
      timeUnixNano: nanoseconds(timestamp),
      name: nameOf(message),
      attributes: encodeAttributes({ ...attributes, level }),
    })),
    ...(span.links !== undefined && { links: span.links.filter(isLink).map(encodeLink) }),
    status: isError
      ? { code: STATUS_ERROR, message: wellFormed(describeValue(error ?? status)) }
      : { code: STATUS_UNSET },
  };
}

/** A name may not be empty (OTLP, Span.name). */
function nameOf(name: unknown): string {
  return wellFormed(describeValue(name)) || 'unnamed';
}

function isLink({ traceId, spanId }: SpanLink): boolean {
  return isId(traceId, 32) && isId(spanId, 16);
}

function encodeLink({ attributes = {}, ...target }: SpanLink): object {
  return { ...target, attributes: encodeAttributes(attributes) };
}

/** A double represents a current time with microsecond precision, so the nanoseconds are zeroes. */
function nanoseconds(milliseconds: number): string {
  const microseconds = Math.round(milliseconds * 1000);
  return microseconds > 0 && Number.isSafeInteger(microseconds) ? `${microseconds}000` : '0';
}

/**
 * Values that are not valid attributes are left out, because a collector rejects the whole batch for one value it
 * cannot read.
 */
function encodeAttributes(attributes: Readonly<Record<string, unknown>>): object[] {
  const encoded: object[] = [];
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && key !== '') encoded.push({ key, value: encodeValue(value) });
  }
  return encoded;
}

function encodeValue(value: unknown): object {
  if (typeof value === 'boolean') return { boolValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(encodeMember) } };
  if (typeof value !== 'number') return { stringValue: wellFormed(describeValue(value, MAX_VALUE)) };
  if (Number.isSafeInteger(value)) return { intValue: String(value) };
  // JSON has no such numbers; protobuf's mapping writes them as words.
  return { doubleValue: Number.isFinite(value) ? value : String(value) };
}

/** Within a list, an empty value stands for an absent one (OTLP, AnyValue). */
function encodeMember(value: unknown): object {
  return value === undefined || value === null ? {} : encodeValue(Array.isArray(value) ? describeValue(value) : value);
}

const MAX_VALUE = 65_536;

/** A lone surrogate is not valid Unicode text, which protobuf's strings must be. */
function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}
