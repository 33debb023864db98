/**
 * How engines appear in a trace without a dependency on the tracer. They open child spans and pass on the trace through
 * these functions. Until a tracer is installed, the functions do nothing and cost one comparison.
 *
 * The installed tracer is stored under a global symbol, because the CommonJS and the ES module build of this package
 * may be loaded in one process and must see one trace.
 *
 * Code that handles a request passes it on to these functions, because the async context of a request may be entered
 * later than at its beginning (`request-context.ts`).
 */
import type { IncomingMessage } from 'node:http';

/** An attribute value; the values of an array have one type. */
export type AttributeValue = string | number | boolean | readonly string[] | readonly number[] | readonly boolean[];
/** The attributes of a span, by name. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/**
 * The attributes of a span that every request has. The tracer keeps the object itself, which takes a quarter of the memory of
 * a list of attributes. The properties of a subclass are valid attributes, or undefined, and only the span changes them.
 */
export abstract class OwnedAttributes {}

/**
 * A span being recorded. Only the first call of `end` counts.
 *
 * @example
 * import { withSpan } from '@tooloo/resilience';
 *
 * await withSpan('import', async (span) => {
 *   span?.setAttribute('rows', 1200);
 *   await cleanUp();
 * });
 */
export interface RecordedSpan {
  setAttribute(name: string, value: AttributeValue): void;
  /** Writes this span's `traceparent` (and `tracestate`, `baggage`) into the header fields of an outgoing request. */
  inject(headers: Record<string, string | string[] | undefined>): void;
  /** Ends the span: successfully, or with the error given. */
  end(error?: unknown): void;
}

/** The ids of the current trace and span. */
export interface TraceContext {
  /** 32 lowercase hexadecimal digits. */
  readonly traceId: string;
  /** 16 lowercase hexadecimal digits: the span that is current. */
  readonly spanId: string;
  readonly sampled: boolean;
}

/** The interface that a tracer offers to the engines. `installInstrumentation` installs one per process. */
export interface Instrumentation {
  /** A child of the current span, or undefined if nothing is traced. It does not become current. */
  startSpan(operation: string, attributes?: Attributes, req?: IncomingMessage): RecordedSpan | undefined;
  /** Writes the current trace, sampled or not, into the header fields of an outgoing request. */
  inject(headers: Record<string, string | string[] | undefined>, req?: IncomingMessage): void;
  current(): TraceContext | undefined;
  /**
   * The request being served or other traced work of this process. Each has its own object, even if several share a
   * trace. Optional because an earlier version of this package may be installed, which does not have it.
   */
  currentWork?(): object | undefined;
  /** Route template of the request, if known. */
  currentRoute(req?: IncomingMessage): string | undefined;
  /** Names the route of the current request if no router does: a proxied prefix, or a response from a cache. */
  nameRoute(template: string, req?: IncomingMessage): void;
  /** Records why the current request is answered with an error. An earlier version of this package does not have it. */
  noteError?(message: string, req?: IncomingMessage): void;
  /** Runs the function in the async context of the request. An earlier version of this package does not have it. */
  enter?<R>(req: IncomingMessage, callback: () => R): R;
  /** The function, so that it runs in the context of now wherever it is called later. */
  bind<A extends unknown[], R>(callback: (...args: A) => R): (...args: A) => R;
}

const KEY = Symbol.for('@tooloo/resilience:instrumentation');
const holder = globalThis as { [KEY]?: Instrumentation };

/** Makes this the process' instrumentation, or removes it. */
export function installInstrumentation(instrumentation: Instrumentation | undefined): void {
  holder[KEY] = instrumentation;
}

/**
 * Opens a child span of the current one; undefined if nothing is traced.
 *
 * @example
 * import { startSpan } from '@tooloo/resilience';
 *
 * const span = startSpan('create-report', { 'report.kind': 'daily' });
 * try {
 *   await createReport();
 *   span?.end();
 * } catch (error) {
 *   span?.end(error);
 * }
 */
export function startSpan(operation: string, attributes?: Attributes): RecordedSpan | undefined {
  return holder[KEY]?.startSpan(operation, attributes);
}

/** Like `startSpan`, below the span of this request if its async context is not current. The span keeps owned attributes. */
export function startSpanOf(
  req: IncomingMessage,
  operation: string,
  attributes?: Attributes | OwnedAttributes,
): RecordedSpan | undefined {
  return holder[KEY]?.startSpan(operation, attributes as Attributes, req);
}

/**
 * Writes the current trace context into the header fields of an outgoing request, if there is a trace.
 *
 * @example
 * import { injectTrace } from '@tooloo/resilience';
 *
 * const headers: Record<string, string> = { accept: 'application/json' };
 * injectTrace(headers);
 * await fetch('http://billing:3000/invoices', { headers });
 */
export function injectTrace(headers: Record<string, string | string[] | undefined>): void {
  holder[KEY]?.inject(headers);
}

/** Like `injectTrace`, with the trace of this request if the async context of the request is not current. */
export function injectTraceOf(req: IncomingMessage, headers: Record<string, string | string[] | undefined>): void {
  holder[KEY]?.inject(headers, req);
}

/**
 * The current trace and span, or undefined outside of any.
 *
 * @example
 * import { currentTrace } from '@tooloo/resilience';
 *
 * app.get('/orders', (_req, res) => void res.json({ traceId: currentTrace()?.traceId }));
 */
export function currentTrace(): TraceContext | undefined {
  return holder[KEY]?.current();
}

/**
 * The request being served, or other traced work of this process; undefined outside of both. Use it to distinguish
 * requests, e.g. as a key.
 */
export function currentWork(): object | undefined {
  return holder[KEY]?.currentWork?.();
}

/**
 * Route template of the request being served, e.g. `/api/items/:id`.
 *
 * @example
 * import { currentRoute } from '@tooloo/resilience';
 *
 * app.get('/orders/:id', (_req, res) => void res.send(currentRoute())); // '/orders/:id'
 */
export function currentRoute(): string | undefined {
  return holder[KEY]?.currentRoute();
}

/**
 * Names the route of the current request, for the label of its span and metrics. For code that responds without a
 * router: a proxy names its prefix, a cache the route of the stored response. A route of Express overrides it.
 *
 * @param template registered text, never taken from the request, because each distinct one is a label
 *
 * @example
 * import { nameRoute } from '@tooloo/resilience';
 *
 * app.use('/legacy', (_req, res) => {
 *   nameRoute('/legacy/*');
 *   res.send('This page has moved.');
 * });
 */
export function nameRoute(template: string): void {
  holder[KEY]?.nameRoute(template);
}

/** The route template of this request, or that of the current one if this one is not traced. */
export function routeOf(req: IncomingMessage): string | undefined {
  return holder[KEY]?.currentRoute(req);
}

/** Like `nameRoute`, for this request, or for the current one if this one is not traced. */
export function nameRouteOf(req: IncomingMessage, template: string): void {
  holder[KEY]?.nameRoute(template, req);
}

/** Records why this request is answered with an error, as the attribute `error.message` of its span. */
export function noteErrorOf(req: IncomingMessage, message: string): void {
  holder[KEY]?.noteError?.(message, req);
}

/**
 * Runs code of the application in the async context of this request, unless it is current. Code of this package that runs
 * without one calls everything through this that could read it, or start something that does.
 */
export function runInContextOf<R>(req: IncomingMessage, callback: () => R): R {
  const instrumentation = holder[KEY];
  return instrumentation?.enter === undefined ? callback() : instrumentation.enter(req, callback);
}

/**
 * Binds a callback to the context of now. A queue that calls its waiters back must use it: they resume as themselves.
 *
 * @example
 * import { bindContext } from '@tooloo/resilience';
 *
 * const waiting: Array<() => void> = [];
 * const waitForTurn = (): Promise<void> => new Promise((resolve) => waiting.push(bindContext(resolve)));
 */
export function bindContext<A extends unknown[], R>(callback: (...args: A) => R): (...args: A) => R {
  return holder[KEY]?.bind(callback) ?? callback;
}
