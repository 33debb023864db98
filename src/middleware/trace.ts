/**
 * `trace`: every request a span, and everything it starts a part of the same trace. First in the chain, so that what it
 * measures is what the client waits for.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { originalPath, type Middleware, type NextFunction } from '../shared/http.js';
import { isBackgroundRequest } from '../shared/background-request.js';
import { callGuarded } from '../shared/listeners.js';
import { anyOf, arrayOf, boolean, checkOptions, func, having, oneOf, string } from '../shared/options.js';
import { readB3 } from '../tracing/b3.js';
import { asyncContext, useCarrier, type ContextCarrier } from '../tracing/context.js';
import { endWithResponse, linkOf, observeResponses } from '../tracing/request-link.js';
import { observeRoutes } from '../tracing/route-observer.js';
import { readRemoteParent, type RemoteParent } from '../tracing/trace.js';
import { SHARED_CHECKS, type SharedTracerOptions } from '../tracing/tracer-options.js';
import { DistributedTracer } from '../tracing/tracer.js';
import { checkCaptured, recordHeaders, sendServerTiming } from './trace-headers.js';

/** How a trace is recorded, carried and shown. */
export interface TraceOptions extends SharedTracerOptions {
  /** A tracer to record with, in place of one made from `serviceName`, `samplingRate`, `exporter`, `keep` and `clock`. */
  tracer?: DistributedTracer;
  /** What carries the current span; `asyncContext()` by default. */
  context?: ContextCarrier;
  /** Requests that are neither traced nor counted: exact paths, or a function. */
  ignore?: readonly string[] | ((req: IncomingMessage) => boolean);
  /** Tells the client where the time went (`Server-Timing`); false by default, since everyone can read it. */
  serverTiming?: boolean;
  /**
   * Names the trace to the client (`traceresponse`, Trace Context level 2 §4): always, never, or, by default, where it is
   * sampled or the caller sent one.
   */
  traceResponse?: boolean | 'sampled';
  /** Takes up a trace sent as B3 (`b3` or `X-B3-*`) where there is no valid `traceparent`; false by default. */
  b3?: boolean;
  /** Request header fields recorded with kept traces. Fields that carry secrets are refused. */
  captureHeaders?: readonly string[];
}

/** The middleware with its tracer. Close it when the server has closed. */
export type TraceMiddleware = Middleware &
  AsyncDisposable & { readonly tracer: DistributedTracer; close(): Promise<void> };

type RoutedRequest = IncomingMessage & { readonly app?: object };

/** The trace the caller sent. */
function parentOf({ headers }: IncomingMessage): RemoteParent | undefined {
  return readRemoteParent(headers);
}

function parentWithB3({ headers }: IncomingMessage): RemoteParent | undefined {
  return readRemoteParent(headers) ?? readB3(headers);
}

function compileIgnore(ignore: TraceOptions['ignore']): ((req: IncomingMessage) => boolean) | undefined {
  if (ignore === undefined) return undefined;
  if (typeof ignore !== 'function') {
    const paths = new Set(ignore);
    return (req) => paths.has(originalPath(req));
  }
  return (req) => {
    let ignored = false;
    callGuarded("trace: option 'ignore'", () => {
      ignored = ignore(req);
    });
    return ignored;
  };
}

function resolveTracer(options: TraceOptions): { tracer: DistributedTracer; isOwn: boolean } {
  const { tracer, serviceName, samplingRate, exporter, keep, clock } = options;
  const own = { serviceName, samplingRate, exporter, keep, clock };
  if (tracer === undefined) return { tracer: new DistributedTracer(own), isOwn: true };
  const doubled = Object.entries(own).find(([, value]) => value !== undefined)?.[0];
  if (doubled === undefined) return { tracer, isOwn: false };
  throw new TypeError(`trace: option '${doubled}' belongs to the tracer; give it to the tracer in option 'tracer'`);
}

/**
 * Traces and counts every request.
 *
 * The trace is the caller's where it sends a valid `traceparent`, else a new one. The span is named by method and route
 * template, ends when the response was written, and is an error for a 5xx and for a request aborted before its answer was
 * complete, which has no status. `middleware.tracer` has the numbers; `middleware.close()` closes a tracer made here.
 *
 * @throws TypeError, RangeError for an option that is unknown, or of the wrong type or range
 */
export function trace(options?: TraceOptions): TraceMiddleware {
  const checked = checkOptions('trace', options, {
    ...SHARED_CHECKS,
    tracer: having('a DistributedTracer', 'startRequest', 'getMetrics'),
    context: having('a context carrier', 'get', 'run'),
    ignore: anyOf(func, arrayOf(string)),
    serverTiming: boolean,
    b3: boolean,
    traceResponse: oneOf(true, false, 'sampled'),
    captureHeaders: arrayOf(string),
  });
  const { context = asyncContext(), serverTiming = false, b3 = false, traceResponse = 'sampled' } = checked;
  const ignored = compileIgnore(checked.ignore);
  const captured = checkCaptured(checked.captureHeaders);
  const { tracer, isOwn } = resolveTracer(checked);
  const releaseCarrier = useCarrier(context);
  const remoteParent = b3 ? parentWithB3 : parentOf;
  let isObserved = false;
  observeResponses();

  // Under Express every property of a request or response that is touched costs: hence no more of them than needed, and
  // each once.
  function traceRequest(req: RoutedRequest, res: ServerResponse, next: NextFunction): void {
    const link = linkOf(req);
    // Mounted twice, a request is still one request. What the server asks itself is none of a client's.
    if (link.find(req) !== undefined || isBackgroundRequest(req) || ignored?.(req) === true) return next();
    if (!isObserved && req.app !== undefined) isObserved = observeRoutes(req.app);
    const parent = remoteParent(req);
    const request = tracer.startRequest(req.method, link.isSecure, parent);
    link.add(req, request);
    if (!link.tellsEnds) endWithResponse(request, req, res);
    if (traceResponse === true || (traceResponse === 'sampled' && (request.sampled || parent !== undefined))) {
      res.setHeader('traceresponse', request.traceparent(request.root.spanId));
    }
    if (captured.length > 0) recordHeaders(request.root, req.headers, captured);
    if (serverTiming) sendServerTiming(res, request);
    context.run(request.root, next);
  }

  const close = async (): Promise<void> => {
    releaseCarrier();
    if (isOwn) await tracer.close();
  };
  return Object.assign(traceRequest, { tracer, close, [Symbol.asyncDispose]: close });
}
