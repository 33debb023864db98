/**
 * The implementation of `src/shared/instrumentation.ts` that the tracer installs for the engines, based on the current
 * span.
 */
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import { installInstrumentation, type Instrumentation } from '../shared/instrumentation.js';
import { findServedRequest } from '../shared/request-over.js';
import { activeSpan, runWith, type Carried } from './context.js';
import type { RequestTrace } from './request-trace.js';
import type { Span } from './span.js';

/** The current span. The cast is safe because only this package puts values into a carrier. */
export function currentSpan(): Span | undefined {
  return (activeSpan() as Carried | undefined)?.span as Span | undefined;
}

// Duck-typed, because the trace may come from the other build of this package, whose classes differ from these.
function requestTraceOf(span: Span | undefined): RequestTrace | undefined {
  const trace = span?.trace;
  return trace !== undefined && 'routes' in trace ? (trace as unknown as RequestTrace) : undefined;
}

/** The trace of a request in progress. Only the tracer observes requests. */
function traceOf(req: IncomingMessage | undefined): RequestTrace | undefined {
  return req === undefined ? undefined : (findServedRequest(req)?.observer as RequestTrace | undefined);
}

/**
 * Whether the current context is not that of this request: none was entered, or it is that of another request. A
 * connection to an instance calls back in the context in which it was opened.
 */
function isOutside(request: RequestTrace): boolean {
  const here = activeSpan() as Carried | undefined;
  if (here === undefined) return true;
  const other = requestTraceOf(here.span as Span | undefined);
  return other !== undefined && other !== request;
}

/** The current span, or that of the request if its async context is not current. */
function spanOf(req: IncomingMessage | undefined): Span | undefined {
  const request = traceOf(req);
  return request !== undefined && isOutside(request) ? request.root : currentSpan();
}

function requestOf(req: IncomingMessage | undefined): RequestTrace | undefined {
  return traceOf(req) ?? requestTraceOf(currentSpan());
}

/**
 * Restores every current async context, including the application's own. `AsyncResource.bind` does the same at a higher
 * cost on Node 20: 40 µs per proxied request. It defines three properties on each function, and the garbage collector
 * reports each resource.
 */
function bindAll<A extends unknown[], R>(callback: (...args: A) => R): (...args: A) => R {
  const resource = new AsyncResource('BoundContext', { requireManualDestroy: true });
  return (...args) => resource.runInAsyncScope(callback, undefined, ...args);
}

const instrumentation: Instrumentation = {
  startSpan: (operation, attributes, req) => spanOf(req)?.startChild(operation, attributes),
  inject(headers, req) {
    const span = spanOf(req);
    span?.trace.inject(headers, span.spanId);
  },
  current() {
    const span = currentSpan();
    return span === undefined ? undefined : { traceId: span.traceId, spanId: span.spanId, sampled: span.trace.sampled };
  },
  currentWork: () => currentSpan()?.trace,
  currentRoute: (req) => requestOf(req)?.routes.template,
  nameRoute: (template, req) => requestOf(req)?.routes.name(template),
  noteError: (message, req) => requestOf(req)?.root.setAttribute('error.message', message),
  enter(req, callback) {
    const request = traceOf(req);
    return request !== undefined && isOutside(request) ? runWith(request.root, callback) : callback();
  },
  bind: bindAll,
};

/**
 * Makes the traces of this process available to the engines. Stateless: it stays after a tracer is shut down, and finds
 * no span then.
 */
export function installTracing(): void {
  installInstrumentation(instrumentation);
}
