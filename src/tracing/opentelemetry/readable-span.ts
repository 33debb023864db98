/** A finished span in the form that the exporters of OpenTelemetry's SDK (2 and later) read. */
import {
  SpanKind,
  SpanStatusCode,
  type Attributes,
  type HrTime,
  type Link,
  type SpanContext,
  type SpanStatus,
} from '@opentelemetry/api';
import { OWN_SCOPE } from '../otlp-encoding.js';
import type { SpanLink, SpanLog, SpanRecord, SpanScope } from '../span.js';
import { toSpanContext } from './span-context.js';
import { hrTime } from './time.js';

/** A resource of the SDK, as far as exporters read it. */
export interface Resource {
  readonly attributes: Attributes;
}

/** `ReadableSpan` of `@opentelemetry/sdk-trace-base`, stated here so that the SDK need not be installed. */
export interface ReadableSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly spanContext: () => SpanContext;
  readonly parentSpanContext?: SpanContext;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly duration: HrTime;
  readonly ended: boolean;
  readonly status: SpanStatus;
  readonly attributes: Attributes;
  readonly links: Link[];
  readonly events: { readonly time: HrTime; readonly name: string; readonly attributes?: Attributes }[];
  readonly resource: Resource;
  readonly instrumentationScope: SpanScope;
  readonly droppedAttributesCount: number;
  readonly droppedEventsCount: number;
  readonly droppedLinksCount: number;
}

const KINDS: Readonly<Record<SpanRecord['kind'], SpanKind>> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

/** Attributes as the API types them: its lists are not read-only. */
const asApi = (attributes: SpanRecord['attributes']): Attributes => attributes as Attributes;

/** Always sampled, because only kept spans are exported and exporters skip spans that are not sampled. */
function contextOf(traceId: string, spanId: string, traceState: string | undefined): SpanContext {
  return toSpanContext({ traceId, spanId, traceState, sampled: true, random: false });
}

const eventOf = ({ timestamp, message, level, attributes }: SpanLog): ReadableSpan['events'][number] => ({
  time: hrTime(timestamp),
  name: message,
  attributes: asApi({ ...attributes, level }),
});

const linkOf = ({ traceId, spanId, traceState, attributes = {} }: SpanLink): Link => ({
  context: contextOf(traceId, spanId, traceState),
  attributes: asApi(attributes),
});

export function readableSpan(span: SpanRecord, resource: Resource): ReadableSpan {
  const { traceId, spanId, parentSpanId, traceState, startTime, duration = 0, status, error } = span;
  const context = contextOf(traceId, spanId, traceState);
  return {
    name: span.operation,
    kind: KINDS[span.kind],
    spanContext: () => context,
    ...(parentSpanId !== undefined && { parentSpanContext: contextOf(traceId, parentSpanId, traceState) }),
    startTime: hrTime(startTime),
    endTime: hrTime(startTime + duration),
    duration: hrTime(duration),
    ended: true,
    status:
      status === 'success' ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error ?? status },
    attributes: asApi(span.attributes),
    links: span.links?.map(linkOf) ?? [],
    events: span.logs.map(eventOf),
    resource,
    instrumentationScope: span.scope ?? OWN_SCOPE,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}
