/**
 * Spans that libraries open through `@opentelemetry/api`: children of the kit's current span, recorded in its trace.
 */
import {
  SpanKind as ApiKind,
  INVALID_SPAN_CONTEXT,
  context as contexts,
  isSpanContextValid,
  trace as api,
  type Context,
  type Span as ApiSpan,
  type SpanOptions,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api';
import type { Span, SpanKind, SpanScope } from '../span.js';
import { Trace, type TraceOwner } from '../trace.js';
import { baggageField, isSuppressed } from './bridged-context.js';
import { bridgeOwned, recordedSpan } from './bridged-span.js';
import { fromSpanContext } from './span-context.js';
import { epochMilliseconds } from './time.js';

const KINDS: Readonly<Record<ApiKind, SpanKind>> = {
  [ApiKind.INTERNAL]: 'internal',
  [ApiKind.SERVER]: 'server',
  [ApiKind.CLIENT]: 'client',
  [ApiKind.PRODUCER]: 'producer',
  [ApiKind.CONSUMER]: 'consumer',
};

class BridgedTracer implements Tracer {
  readonly #owner: TraceOwner;
  readonly #scope: SpanScope;

  constructor(owner: TraceOwner, scope: SpanScope) {
    this.#owner = owner;
    this.#scope = scope;
  }

  startSpan(name: string, options: SpanOptions = {}, context: Context = contexts.active()): ApiSpan {
    if (isSuppressed(context)) return api.wrapSpanContext(INVALID_SPAN_CONTEXT);
    const parent = options.root === true ? undefined : api.getSpan(context);
    const local = recordedSpan(parent);
    const span = local === undefined ? this.#begin(name, options, parent, context) : this.#child(name, options, local);
    span.scope = this.#scope;
    span.setAttributes(options.attributes);
    return bridgeOwned(span).addLinks(options.links ?? []);
  }

  #child(name: string, { kind = ApiKind.INTERNAL, startTime }: SpanOptions, parent: Span): Span {
    const { trace } = parent;
    const start = startTime === undefined ? undefined : trace.readingOf(epochMilliseconds(startTime));
    return trace.startSpan(name, parent.spanId, KINDS[kind], start);
  }

  /** Without a current span of the kit, begins a trace, or the next part of a remote one. */
  #begin(name: string, options: SpanOptions, parent: ApiSpan | undefined, context: Context): Span {
    const { kind = ApiKind.INTERNAL, startTime } = options;
    const from = parent?.spanContext();
    const isRemote = from !== undefined && isSpanContextValid(from);
    const remote = isRemote ? { ...fromSpanContext(from), baggage: baggageField(context) } : undefined;
    const start = startTime === undefined ? undefined : epochMilliseconds(startTime) - this.#owner.wallOffset();
    return new Trace(this.#owner, name, KINDS[kind], remote, undefined, start).root;
  }

  startActiveSpan<F extends (span: ApiSpan) => ReturnType<F>>(name: string, ...rest: unknown[]): ReturnType<F> {
    const callback = rest.pop() as F;
    const [options, context = contexts.active()] = rest as [SpanOptions?, Context?];
    const span = this.startSpan(name, options, context);
    return contexts.with(api.setSpan(context, span), callback, undefined, span);
  }
}

/** Provides one API tracer for each library; all of them record with the same tracer. */
export class BridgedTracerProvider implements TracerProvider {
  readonly #owner: TraceOwner;
  readonly #tracers = new Map<string, Tracer>();

  constructor(owner: TraceOwner) {
    this.#owner = owner;
  }

  getTracer(name: string, version?: string): Tracer {
    const key = `${name}@${version ?? ''}`;
    let tracer = this.#tracers.get(key);
    if (tracer === undefined) {
      tracer = new BridgedTracer(this.#owner, version === undefined ? { name } : { name, version });
      this.#tracers.set(key, tracer);
    }
    return tracer;
  }
}
