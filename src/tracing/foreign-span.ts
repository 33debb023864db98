/**
 * The span that OpenTelemetry's HTTP instrumentation has opened for the current request, with any SDK. It is read
 * through the API's global object, so that this package need not load the API.
 */
import { propertyOf } from '../shared/user-value.js';
import { isId } from './ids.js';
import type { Span } from './span.js';
import type { RequestParent, SupersededTrace } from './request-parent.js';

/** Where `@opentelemetry/api` 1.x keeps what is registered, and the keys of its contexts. */
const API = Symbol.for('opentelemetry.js.api.1');
const RPC_METADATA = Symbol.for('OpenTelemetry SDK Context Key RPC_METADATA');
const ACTIVE_SPAN = Symbol.for('OpenTelemetry Context Key SPAN');
const RECORDED = Symbol.for('@tooloo/resilience:recorded-span');
const SAMPLED = 0x01;
const RANDOM = 0x02;

interface OpenTelemetryGlobal {
  readonly context?: { active(): { getValue(key: symbol): unknown } };
  readonly propagation?: object;
}

interface ForeignSpan {
  spanContext(): ForeignContext;
  readonly parentSpanContext?: ForeignContext;
}

interface ForeignContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly traceState?: { serialize(): string };
}

const holder = globalThis as { [API]?: OpenTelemetryGlobal };

/** Whether `@opentelemetry/api` has a propagator registered, with which instrumentation writes header fields. */
export function hasForeignPropagator(): boolean {
  return holder[API]?.propagation !== undefined;
}

/** Whether code that reads OpenTelemetry's context may run at any time, e.g. its instrumentation of undici. */
export function hasForeignContext(): boolean {
  return holder[API]?.context !== undefined;
}

/**
 * The parent of a request in a process that already uses OpenTelemetry. This is the server span of the HTTP
 * instrumentation, which the kit's span replaces, or else the active span of another SDK. Undefined if there is
 * neither.
 */
export function adoptableParent(): RequestParent | undefined {
  const api = holder[API];
  if (api?.context === undefined) return undefined;
  try {
    const context = api.context.active();
    const server = (context.getValue(RPC_METADATA) as { span?: ForeignSpan } | undefined)?.span;
    if (server !== undefined) return adopted(server);
    const active = context.getValue(ACTIVE_SPAN) as ForeignSpan | undefined;
    // The kit's own spans are found in the carrier.
    return active === undefined || propertyOf(active, RECORDED) !== undefined ? undefined : parentFrom(active);
  } catch {
    return undefined; // an SDK of another kind
  }
}

function adopted(server: ForeignSpan): RequestParent | undefined {
  const parent = parentFrom(server);
  if (parent === undefined) return undefined;
  const own = propertyOf(server, RECORDED) as Span | undefined;
  const parentSpanId = own === undefined ? server.parentSpanContext?.spanId : own.parentSpanId;
  return { ...parent, adopted: { parentSpanId, trace: own?.trace as SupersededTrace | undefined } };
}

function parentFrom(span: ForeignSpan): RequestParent | undefined {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  if (!isId(traceId, 32) || !isId(spanId, 16)) return undefined;
  return {
    traceId,
    spanId,
    sampled: (traceFlags & SAMPLED) !== 0,
    random: (traceFlags & RANDOM) !== 0,
    traceState: traceState?.serialize(),
  };
}
