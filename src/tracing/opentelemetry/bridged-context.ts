/** OpenTelemetry's contexts in the carrier of the trace: one storage for both, so that neither overwrites the other. */
import {
  ROOT_CONTEXT,
  createContextKey,
  propagation,
  trace as api,
  baggageEntryMetadataFromString,
  type Baggage,
  type BaggageEntry,
  type Context,
  type ContextManager,
} from '@opentelemetry/api';
import type { EventEmitter } from 'node:events';
import { formatBaggage, parseBaggage } from '../baggage.js';
import { activeSpan, runWith, type Carried } from '../context.js';
import type { Span } from '../span.js';
import { bridge, recordedSpan } from './bridged-span.js';

/** The key `suppressTracing` of `@opentelemetry/core` sets: keys are registered symbols. */
const SUPPRESSED = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

export function isSuppressed(context: Context): boolean {
  return context.getValue(SUPPRESSED) === true;
}

/** The baggage of a header field in the form of the API. */
export function baggageFrom(header: string): Baggage {
  const entries = parseBaggage(header).map(({ key, value, properties }): [string, BaggageEntry] => [
    key,
    // The API's metadata is the part after the first semicolon.
    properties === undefined ? { value } : { value, metadata: baggageEntryMetadataFromString(properties.slice(1)) },
  ]);
  return propagation.createBaggage(Object.fromEntries(entries));
}

/** The header field for the baggage of a context; undefined without baggage. */
export function baggageField(context: Context): string | undefined {
  const entries = propagation.getBaggage(context)?.getAllEntries();
  if (entries === undefined) return undefined;
  return formatBaggage(
    entries.map(([key, { value, metadata }]) => {
      const properties = metadata?.toString() ?? '';
      return properties === '' ? { key, value } : { key, value, properties: `;${properties}` };
    }),
  );
}

/** The value that is carried within an OpenTelemetry context. */
class Scope implements Carried {
  readonly context: Context;
  readonly span: Span | undefined;

  constructor(context: Context) {
    this.context = context;
    this.span = recordedSpan(api.getSpan(context));
  }

  get traceId(): string | undefined {
    return api.getSpanContext(this.context)?.traceId;
  }

  get spanId(): string | undefined {
    return api.getSpanContext(this.context)?.spanId;
  }

  get isUntraced(): boolean {
    return isSuppressed(this.context);
  }

  get baggage(): string | undefined {
    return baggageField(this.context);
  }

  /** A span that begins here keeps the other values of the context. */
  around(span: Span): Scope {
    return new Scope(api.setSpan(this.context, bridge(span)));
  }
}

function contextOf({ span, isUntraced }: { span: unknown; isUntraced?: boolean }): Context {
  if (isUntraced === true) return ROOT_CONTEXT.setValue(SUPPRESSED, true);
  const current = span as Span;
  const { baggage } = current.trace;
  const base = baggage === undefined ? ROOT_CONTEXT : propagation.setBaggage(ROOT_CONTEXT, baggageFrom(baggage));
  return api.setSpan(base, bridge(current));
}

export class BridgedContextManager implements ContextManager {
  active(): Context {
    const carried = activeSpan() as Carried | undefined;
    if (carried === undefined) return ROOT_CONTEXT;
    return carried instanceof Scope ? carried.context : contextOf(carried);
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return runWith(new Scope(context), () => fn.apply(thisArg, args));
  }

  /** A function runs in the context wherever it is called; so do the listeners of an emitter, whenever they were added. */
  bind<T>(context: Context, target: T): T {
    if (typeof target === 'function') return this.#bindFunction(context, target as never) as T;
    if (isEmitter(target)) target.emit = this.#bindFunction(context, target.emit.bind(target));
    return target;
  }

  #bindFunction<A extends unknown[], R>(context: Context, fn: (...args: A) => R): (...args: A) => R {
    const run = (callback: () => R): R => this.with(context, callback);
    const bound = function (this: unknown, ...args: A): R {
      return run(() => fn.apply(this, args));
    };
    // Callers may read the number of parameters to decide how to call the function.
    return Object.defineProperty(bound, 'length', { value: fn.length });
  }

  enable(): this {
    return this;
  }

  disable(): this {
    return this;
  }
}

function isEmitter(value: unknown): value is EventEmitter {
  return typeof (value as { emit?: unknown } | null)?.emit === 'function';
}
