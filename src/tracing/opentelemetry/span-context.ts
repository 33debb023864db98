/** Converts the span contexts of the API to and from those of this kit. */
import { TraceFlags, createTraceState, type SpanContext } from '@opentelemetry/api';
import type { TraceParent } from '../trace-context.js';

/** Flag of Trace Context level 2 without a name in the API. */
const RANDOM = 0x02;

export interface SpanIdentity extends TraceParent {
  readonly traceState?: string | undefined;
}

export function toSpanContext({ traceId, spanId, sampled, random, traceState }: SpanIdentity): SpanContext {
  const traceFlags = (sampled ? TraceFlags.SAMPLED : TraceFlags.NONE) | (random ? RANDOM : 0);
  const context = { traceId, spanId, traceFlags };
  return traceState === undefined ? context : { ...context, traceState: createTraceState(traceState) };
}

export function fromSpanContext({ traceId, spanId, traceFlags, traceState }: SpanContext): SpanIdentity {
  return {
    traceId,
    spanId,
    sampled: (traceFlags & TraceFlags.SAMPLED) !== 0,
    random: (traceFlags & RANDOM) !== 0,
    traceState: traceState?.serialize(),
  };
}
