/**
 * What is current: the span a piece of code runs in, carried over awaits, timers and callbacks. One storage a process,
 * whichever build of this package asks for it; a server that already lives in cls-hooked carries it there instead.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * What a carrier carries: the current span, or something that stands for it. The ids, undefined where there is no span, are
 * what a carrier may publish beside it.
 */
export interface ActiveSpan {
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
}

/** What this package puts into carriers. */
export interface Carried extends ActiveSpan {
  /** The span that is current; undefined where none is. */
  readonly span: unknown;
  /** Nothing done here is to become a span, whoever would open one. */
  readonly isUntraced?: boolean;
  /** A `baggage` field in place of the trace's own. */
  readonly baggage?: string | undefined;
  /** A span begun here, together with what else is carried here. */
  around?(span: ActiveSpan): ActiveSpan;
}

/** Keeps a value for everything that a function starts, however long it lives. The conformance suite is in `/testing`. */
export interface ContextCarrier {
  /** What is current here, or undefined. */
  get(): ActiveSpan | undefined;
  /** Runs the function with this as what is current, for itself and all that it starts; undefined: with nothing. */
  run<A extends unknown[], R>(span: ActiveSpan | undefined, callback: (...args: A) => R, ...args: A): R;
}

/** Carried by what must not be traced. */
const UNTRACED: Carried = { traceId: undefined, spanId: undefined, span: undefined, isUntraced: true };

const STORAGE = Symbol.for('@tooloo/resilience:context');
const CARRIERS = Symbol.for('@tooloo/resilience:carriers');

// On the global object, because the CommonJS and the ES module build may both be loaded and must see one trace.
const shared = globalThis as {
  [STORAGE]?: AsyncLocalStorage<ActiveSpan | undefined>;
  [CARRIERS]?: ContextCarrier[];
};

function storage(): AsyncLocalStorage<ActiveSpan | undefined> {
  return (shared[STORAGE] ??= new AsyncLocalStorage());
}

/** The default carrier: Node's `AsyncLocalStorage`, one for the process. */
export function asyncContext(): ContextCarrier {
  return storageCarrier;
}

const storageCarrier: ContextCarrier = {
  get: () => storage().getStore(),
  run: (span, callback, ...args) => storage().run(span, callback, ...args),
};

/** The carriers in use: more than one only where a server asks for another beside the default. */
function carriers(): ContextCarrier[] {
  return (shared[CARRIERS] ??= [storageCarrier]);
}

/**
 * Makes the current span be looked for in this carrier too.
 *
 * @returns stops it
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

/** The current span in whichever carrier has one. */
export function activeSpan(): ActiveSpan | undefined {
  const list = carriers();
  for (let i = 0; i < list.length; i++) {
    const span = list[i]!.get();
    if (span !== undefined) return span;
  }
  return undefined;
}

/** Runs the function with this span as current, in the carrier that is in charge here. */
export function runWith<R>(span: ActiveSpan | undefined, callback: () => R): R {
  const list = carriers();
  const inCharge = list.find((carrier) => carrier.get() !== undefined) ?? list[0]!;
  return inCharge.run(span, callback);
}

/** Runs the function with this span as current, in all else where the caller is. */
export function runInside<R>(span: ActiveSpan, callback: () => R): R {
  const here = activeSpan() as Carried | undefined;
  return runWith(here?.around?.(span) ?? span, callback);
}

/** The `baggage` field that is current beside the trace, where there is one. */
export function carriedBaggage(): string | undefined {
  return (activeSpan() as Carried | undefined)?.baggage;
}

/** Runs the function outside of any trace, and so that it begins none: sending spans away must not make spans. */
export function runUntraced<R>(callback: () => R): R {
  return runWith(UNTRACED, callback);
}
