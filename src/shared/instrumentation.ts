/**
 * How engines appear in a trace without knowing the tracer: they open child spans and pass the trace on through these
 * functions, which do nothing, and cost one comparison, until a tracer installs itself.
 *
 * The installed tracer hangs on a global symbol, because the CommonJS and the ES module build of this package may be
 * loaded in one process and must see one trace.
 */

/** Of one type each, lists too. */
export type AttributeValue = string | number | boolean | readonly string[] | readonly number[] | readonly boolean[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** A span being recorded. `end` counts once; later calls do nothing. */
export interface RecordedSpan {
  setAttribute(name: string, value: AttributeValue): void;
  /** Writes this span's `traceparent` (and `tracestate`, `baggage`) into the header fields of an outgoing request. */
  inject(headers: Record<string, string | string[] | undefined>): void;
  /** Ends the span: successfully, or with the error given. */
  end(error?: unknown): void;
}

export interface TraceContext {
  /** 32 lowercase hexadecimal digits. */
  readonly traceId: string;
  /** 16 lowercase hexadecimal digits: the span that is current. */
  readonly spanId: string;
  readonly sampled: boolean;
}

/** What a tracer offers to the engines. Installed by `installInstrumentation`, one a process. */
export interface Instrumentation {
  /** A child of the current span, or undefined where nothing is being traced. Does not become current. */
  startSpan(operation: string, attributes?: Attributes): RecordedSpan | undefined;
  /** Writes the current trace, sampled or not, into the header fields of an outgoing request. */
  inject(headers: Record<string, string | string[] | undefined>): void;
  current(): TraceContext | undefined;
  /** Route template of the request being served, where one is known. */
  currentRoute(): string | undefined;
  /** Names the route of the request being served where no router does: a proxied prefix, an answer from a cache. */
  nameRoute(template: string): void;
  /** The function, so that it runs in the context of now wherever it is called later. */
  bind<A extends unknown[], R>(callback: (...args: A) => R): (...args: A) => R;
}

const KEY = Symbol.for('@tooloo/resilience:instrumentation');
const holder = globalThis as { [KEY]?: Instrumentation };

/** Makes this the process' instrumentation, or removes it. */
export function installInstrumentation(instrumentation: Instrumentation | undefined): void {
  holder[KEY] = instrumentation;
}

/** Opens a child span of the current one; undefined (nothing to end) where nothing is traced. */
export function startSpan(operation: string, attributes?: Attributes): RecordedSpan | undefined {
  return holder[KEY]?.startSpan(operation, attributes);
}

/** Writes the current trace context into the header fields of an outgoing request. Nothing is traced: nothing is written. */
export function injectTrace(headers: Record<string, string | string[] | undefined>): void {
  holder[KEY]?.inject(headers);
}

/** The current trace and span, or undefined outside of any. */
export function currentTrace(): TraceContext | undefined {
  return holder[KEY]?.current();
}

/** Route template of the request being served, e.g. `/api/items/:id`. */
export function currentRoute(): string | undefined {
  return holder[KEY]?.currentRoute();
}

/**
 * Names the route of the request being served, for the label of its span and metrics. For what answers without a
 * router: a proxy names its prefix, a cache the route that made the stored answer. A route of Express wins over it.
 *
 * @param template registered text, never taken from the request: each distinct one is a label
 */
export function nameRoute(template: string): void {
  holder[KEY]?.nameRoute(template);
}

/** Binds a callback to the context of now. A queue that calls its waiters back must use it: they resume as themselves. */
export function bindContext<A extends unknown[], R>(callback: (...args: A) => R): (...args: A) => R {
  return holder[KEY]?.bind(callback) ?? callback;
}
