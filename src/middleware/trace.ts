/**
 * `trace`: each request is a span, and the operations that it starts belong to the same trace. Mount it first, so that
 * it measures the time that the client waits.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { prepareForExpress } from '../shared/express-shapes.js';
import { originalPath, type Middleware, type NextFunction } from '../shared/http.js';
import { isBackgroundRequest } from '../shared/background-request.js';
import { INSPECT, type Inspection } from '../shared/inspection.js';
import { callGuarded } from '../shared/listeners.js';
import { ENTERS_LATER } from '../shared/request-context.js';
import { servedRequest } from '../shared/request-over.js';
import { anyOf, arrayOf, boolean, checkOptions, func, having, oneOf, string } from '../shared/options.js';
import { readB3 } from '../tracing/b3.js';
import { asyncContext, useCarrier, type ContextCarrier } from '../tracing/context.js';
import { adoptableParent } from '../tracing/foreign-span.js';
import { mayEnterLate } from '../tracing/late-context.js';
import { observeRoutes } from '../tracing/route-observer.js';
import type { RoutedRequest } from '../tracing/route-template.js';
import type { RemoteParent } from '../tracing/request-parent.js';
import type { RequestTrace } from '../tracing/request-trace.js';
import { readRemoteParent } from '../tracing/trace.js';
import { SHARED_CHECKS, type SharedTracerOptions } from '../tracing/tracer-options.js';
import { DistributedTracer } from '../tracing/tracer.js';
import { named } from './named.js';
import { checkCaptured, recordHeaders, sendServerTiming } from './trace-headers.js';

/** How a trace is recorded, carried and shown. */
export interface TraceOptions<Req extends IncomingMessage = IncomingMessage> extends SharedTracerOptions {
  /**
   * The tracer to record with, instead of one made from `serviceName`, `samplingRate`, `exporter`, `keep` and `clock`.
   */
  tracer?: DistributedTracer;
  /** The carrier of the current span. Default `asyncContext()`. */
  context?: ContextCarrier;
  /** Requests that are neither traced nor counted: exact paths, or a function. */
  ignore?: readonly string[] | ((req: Req) => boolean);
  /** Sends the durations to the client (`Server-Timing`). Default false, because every client can read them. */
  serverTiming?: boolean;
  /**
   * Whether the trace id is sent to the client (`traceresponse`, Trace Context level 2 §4): always, never, or by
   * default if the trace is sampled or the caller sent one.
   */
  traceResponse?: boolean | 'sampled';
  /** Continues a trace sent as B3 (`b3` or `X-B3-*`) if there is no valid `traceparent`. Default false. */
  b3?: boolean;
  /**
   * Whether the trace of a caller is continued. `false` begins a new one: for an edge that does not trust the ids and
   * the sampling decision of its clients. A function decides per request. Default true.
   */
  trustParent?: boolean | ((req: Req) => boolean);
  /** Request header fields recorded with kept traces. Fields that carry secrets are refused. */
  captureHeaders?: readonly string[];
}

/** The middleware with its tracer. Close it when the server has closed. */
export type TraceMiddleware<Req extends IncomingMessage = IncomingMessage> = ((
  req: Req,
  res: ServerResponse,
  next: NextFunction,
) => void) &
  AsyncDisposable & { readonly tracer: DistributedTracer; close(): Promise<void> };

/** The trace the caller sent. */
function parentOf({ headers }: IncomingMessage): RemoteParent | undefined {
  return readRemoteParent(headers);
}

function parentWithB3({ headers }: IncomingMessage): RemoteParent | undefined {
  return readRemoteParent(headers) ?? readB3(headers);
}

type ReadParent = (req: IncomingMessage) => RemoteParent | undefined;

/** If the function throws, the caller is not trusted. */
function trusting(trustParent: TraceOptions['trustParent'] = true, read: ReadParent): ReadParent {
  if (trustParent === true) return read;
  if (trustParent === false) return () => undefined;
  return (req) => {
    let isTrusted = false;
    callGuarded("trace: option 'trustParent'", () => {
      isTrusted = trustParent(req) === true;
    });
    return isTrusted ? read(req) : undefined;
  };
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
 * A valid `traceparent` continues the caller's trace; otherwise a new trace begins. The span is named by method and
 * route template, and ends when the response was written. It is an error for a 5xx, and for a request aborted before
 * its response was complete. Such an aborted request has no status. `middleware.tracer` has the statistics;
 * `middleware.close()` closes a tracer that was created here.
 *
 * @throws TypeError, RangeError for an option that is unknown, or of the wrong type or range
 *
 * @example
 * import { trace } from '@tooloo/resilience';
 *
 * app.use(trace({ serviceName: 'orders', samplingRate: 0.1 }));
 */
export function trace<Req extends IncomingMessage = IncomingMessage>(options?: TraceOptions<Req>): TraceMiddleware<Req>;
export function trace(options?: TraceOptions): TraceMiddleware {
  prepareForExpress();
  const checked = checkOptions('trace', options, {
    ...SHARED_CHECKS,
    tracer: having('a DistributedTracer', 'startRequest', 'getMetrics'),
    context: having('a context carrier', 'get', 'run'),
    ignore: anyOf(func, arrayOf(string)),
    serverTiming: boolean,
    b3: boolean,
    trustParent: anyOf(boolean, func),
    traceResponse: oneOf(true, false, 'sampled'),
    captureHeaders: arrayOf(string),
  });
  const { context = asyncContext(), serverTiming = false, b3 = false, traceResponse = 'sampled' } = checked;
  const ignored = compileIgnore(checked.ignore);
  const captured = checkCaptured(checked.captureHeaders);
  const { tracer, isOwn } = resolveTracer(checked);
  const releaseCarrier = useCarrier(context);
  const remoteParent = trusting(checked.trustParent, b3 ? parentWithB3 : parentOf);
  let isObserved = false;

  // Under Express, each access to a property of a request or response is expensive. This code therefore reads as few as
  // possible, and each once.
  function begin(req: RoutedRequest, res: ServerResponse): RequestTrace | undefined {
    const served = servedRequest(req, res);
    // A request that passes two of these middlewares is counted once. Background requests of this server are not
    // counted.
    if (served.observer !== undefined || isBackgroundRequest(req) || ignored?.(req) === true) return undefined;
    if (!isObserved && req.app !== undefined) isObserved = observeRoutes(req.app);
    const parent = adoptableParent() ?? remoteParent(req);
    const request = tracer.startRequest(req.method, served.isSecure, parent);
    served.observer = request;
    request.routes.beginBelow(req);
    // The connection is gone already, and its close event will not be emitted again.
    if (served.outcome !== undefined) process.nextTick(() => request.requestOver('aborted', served));
    if (traceResponse === true || (traceResponse === 'sampled' && (request.sampled || parent !== undefined))) {
      res.setHeader('traceresponse', request.traceparent(request.root.spanId));
    }
    if (captured.length > 0) recordHeaders(request.root, req.headers, captured);
    if (serverTiming) sendServerTiming(res, request);
    return request;
  }

  const traceRequest = (req: RoutedRequest, res: ServerResponse, next: NextFunction): void => {
    const request = begin(req, res);
    if (request === undefined) next();
    else context.run(request.root, next);
  };

  const enteringLater: Middleware = (req, res, next) => {
    if (!mayEnterLate(res)) return traceRequest(req, res, next);
    const request = begin(req, res);
    if (request !== undefined) request.entersContextLate = true;
    next();
  };

  const close = async (): Promise<void> => {
    releaseCarrier();
    if (isOwn) await tracer.close();
  };
  const describe = (): Inspection => ({ kind: 'trace' });
  return Object.assign(named('trace', traceRequest), {
    tracer,
    close,
    [Symbol.asyncDispose]: close,
    [INSPECT]: describe,
    ...(context === asyncContext() && { [ENTERS_LATER]: enteringLater }),
  });
}
