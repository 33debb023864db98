/** Spans as OTLP/JSON: hexadecimal ids, integer enums, 64-bit numbers as strings. */
import type { Attributes, AttributeValue } from '../shared/instrumentation.js';
import type { SpanKind, SpanLink, SpanRecord, SpanScope } from './span.js';

const KINDS: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };
const STATUS_UNSET = 0;
const STATUS_ERROR = 2;
/** The library that made a span, where it was this one. */
export const OWN_SCOPE: SpanScope = { name: '@tooloo/resilience' };

/** The body of a request to `/v1/traces`. */
export function encodeSpans(spans: readonly SpanRecord[], resource: Attributes): string {
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
    ...(parentSpanId !== undefined && { parentSpanId }),
    name: operation,
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(startTime),
    endTimeUnixNano: nanoseconds(startTime + duration),
    attributes: encodeAttributes(span.attributes),
    events: span.logs.map(({ timestamp, level, message, attributes }) => ({
      timeUnixNano: nanoseconds(timestamp),
      name: message,
      attributes: encodeAttributes({ ...attributes, level }),
    })),
    ...(span.links !== undefined && { links: span.links.map(encodeLink) }),
    status: isError ? { code: STATUS_ERROR, message: error ?? status } : { code: STATUS_UNSET },
  };
}

function encodeLink({ attributes = {}, ...target }: SpanLink): object {
  return { ...target, attributes: encodeAttributes(attributes) };
}

/** Microseconds are what a double holds of a time of today; their nanoseconds are zeroes. */
function nanoseconds(milliseconds: number): string {
  return `${Math.max(0, Math.round(milliseconds * 1000))}000`;
}

function encodeAttributes(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: encodeValue(value) }));
}

function encodeValue(value: AttributeValue): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'object') return { arrayValue: { values: value.map(encodeValue) } };
  if (Number.isSafeInteger(value)) return { intValue: String(value) };
  // JSON has no such numbers; protobuf's mapping writes them as words.
  return { doubleValue: Number.isFinite(value) ? value : String(value) };
}
