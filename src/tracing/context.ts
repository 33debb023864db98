/**
 * The current span, carried over awaits, timers and callbacks. All builds of this package in one process share one
 * storage. A server that already uses cls-hooked carries the span there instead.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * The value in a carrier: the current span, or an object that stands for it. A carrier may publish the ids beside it;
 * they are undefined without a span.
 */
export interface ActiveSpan {
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
}

/** The values that this package puts into carriers. */
export interface Carried extends ActiveSpan {
  /** The current span; undefined without one. */
  readonly span: unknown;
  /** If true, no code in this context opens a span. */
  readonly isUntraced?: boolean;
  /** A `baggage` field that replaces that of the trace. */
  readonly baggage?: string | undefined;
  /** A span that begins here, together with the other values in this context. */
  around?(span: ActiveSpan): ActiveSpan;
}

/**
 * Keeps a value for all operations that a function starts, regardless of their duration. The conformance suite is in
 * `/testing`.
 *
 * @example
 * import { AsyncLocalStorage } from 'node:async_hooks';
 * import { trace, type ActiveSpan, type ContextCarrier } from '@tooloo/resilience';
 *
 * const storage = new AsyncLocalStorage<ActiveSpan | undefined>();
 * const carrier: ContextCarrier = {
 *   get: () => storage.getStore(),
 *   run: (span, callback, ...args) => storage.run(span, callback, ...args),
 * };
 * app.use(trace({ context: carrier }));
 */
export interface ContextCarrier {
  /** The current value, or undefined. */
  get(): ActiveSpan | undefined;
  /**
   * Runs the function with this current value, for itself and everything it starts; undefined: without a current value.
   */
  run<A extends unknown[], R>(span: ActiveSpan | undefined, callback: (...args: A) => R, ...args: A): R;
}

/** Used for operations that must not be traced. */
const UNTRACED: Carried = { traceId: undefined, spanId: undefined, span: undefined, isUntraced: true };

const STORAGE = Symbol.for('@tooloo/resilience:context');
const CARRIERS = Symbol.for('@tooloo/resilience:carriers');

// On the global object, because the CommonJS and the ES module build may both be loaded and must see one trace.
const shared = globalThis as {
  [STORAGE]?: AsyncLocalStorage<ActiveSpan | undefined>;
  [CARRIERS]?: ContextCarrier[];
};

const storage = (shared[STORAGE] ??= new AsyncLocalStorage());

/**
 * The default carrier: Node's `AsyncLocalStorage`, one for the process.
 *
 * @example
 * import { asyncContext, trace } from '@tooloo/resilience';
 *
 * app.use(trace({ context: asyncContext() })); // the same as without the option
 */
export function asyncContext(): ContextCarrier {
  return storageCarrier;
}

const storageCarrier: ContextCarrier = {
  get: () => storage.getStore(),
  run: (span, callback, ...args) => storage.run(span, callback, ...args),
};

/** The carriers in use: more than one only if a server adds another to the default. */
function carriers(): ContextCarrier[] {
  return (shared[CARRIERS] ??= [storageCarrier]);
}

/**
 * Also looks for the current span in this carrier.
 *
 * @returns a function that stops it
 */
export function useCarrier(carrier: ContextCarrier): () => void {
  const list = carriers();
  if (carrier === storageCarrier || list.includes(carrier)) return () => undefined;
  list.unshift(carrier);
  return () => {
    const at = list.indexOf(carrier);
    if (at !== -1) list.splice(at, 1);
  };
}

/** The current span, from the first carrier that has one. */
export function activeSpan(): ActiveSpan | undefined {
  const list = carriers();
  for (let i = 0; i < list.length; i++) {
    const span = list[i]!.get();
    if (span !== undefined) return span;
  }
  return undefined;
}

/** Runs the function with this span as current, in the carrier in use here. */
export function runWith<R>(span: ActiveSpan | undefined, callback: () => R): R {
  const list = carriers();
  const inCharge = list.find((carrier) => carrier.get() !== undefined) ?? list[0]!;
  return inCharge.run(span, callback);
}

/** The same if no span is current; otherwise only runs the function. */
export function runWithin<R>(span: ActiveSpan, callback: () => R): R {
  return activeSpan() === undefined ? runWith(span, callback) : callback();
}

/** Runs the function with this span as current. The other values in the context stay those of the caller. */
export function runInside<R>(span: ActiveSpan, callback: () => R): R {
  const here = activeSpan() as Carried | undefined;
  return runWith(here?.around?.(span) ?? span, callback);
}

/** The current `baggage` field, if it differs from that of the trace. */
export function carriedBaggage(): string | undefined {
  return (activeSpan() as Carried | undefined)?.baggage;
}

/** Runs the function outside of any trace, and so that it begins none: exporting spans must not create spans. */
export function runUntraced<R>(callback: () => R): R {
  return runWith(UNTRACED, callback);
}
