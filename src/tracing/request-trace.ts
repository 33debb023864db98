/** The trace of a request being served: its root span is of kind server and named by method and route. */
import type { RequestObserver, RequestOutcome, ServedRequest } from '../shared/request-over.js';
import { sentStatus } from '../shared/sent-status.js';
import { runWithin } from './context.js';
import { httpAttributes } from './http-attributes.js';
import { SLOW } from './keep.js';
import { UNMATCHED, methodLabel } from './request-metrics.js';
import { RouteState } from './route-state.js';
import type { Attributes } from '../shared/instrumentation.js';
import { errorName } from '../shared/user-value.js';
import type { Span } from './span.js';
import type { RequestParent } from './request-parent.js';
import { Trace, type TraceOwner } from './trace.js';

/** The data of a finished request. Nothing in it is text chosen by the client. */
export interface RequestEnd {
  readonly method: string;
  /** Route template; `(unmatched)` if no route answered. */
  readonly route: string;
  /** Undefined if the request was aborted before its response was complete. */
  readonly status: number | undefined;
  /** Milliseconds. */
  readonly duration: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
  /** Whether the trace is kept: it was sampled, or is kept for its outcome. */
  readonly kept: boolean;
  readonly aborted: boolean;
  /** The value that the handler threw or passed to `next`. */
  readonly error: unknown;
}

export class RequestTrace extends Trace implements RequestObserver {
  readonly method: string;
  readonly isSecure: boolean;
  readonly routes = new RouteState();
  #errorType: string | undefined = undefined;
  #http: Attributes | undefined = undefined;
  /** Its place in the list of requests being served. */
  next: RequestTrace | undefined = undefined;
  previous: RequestTrace | undefined = undefined;
  /** Whether its async context is entered only where code of the application begins. */
  entersContextLate = false;
  /** HTTP status; undefined before the end and when aborted. */
  status: number | undefined = undefined;

  constructor(tracer: TraceOwner, rawMethod: string | undefined, isSecure: boolean, parent: RequestParent | undefined) {
    const method = methodLabel(rawMethod);
    super(tracer, method, 'server', parent);
    this.method = method;
    this.isSecure = isSecure;
  }

  get route(): string {
    return this.routes.template ?? UNMATCHED;
  }

  requestOver(outcome: RequestOutcome, { req, res }: ServedRequest): void {
    this.routes.settle(req);
    const status = outcome === 'finished' && res !== undefined ? sentStatus(res) : undefined;
    if (this.#isLikelyKept(status)) this.#http = httpAttributes(req, this.method);
    this.endRequest(status);
  }

  /** Whether the span will be used. Only then it is described, because nine in ten spans are discarded. */
  #isLikelyKept(status: number | undefined): boolean {
    if (this.sampled) return true;
    const isNotable = status === undefined || status >= 500 || this.tracer.now() - this.root.start >= SLOW;
    return isNotable && this.tracer.mayKeep;
  }

  /** Ends the request; `status` is undefined when it was aborted. */
  endRequest(status: number | undefined): void {
    if (this.root.isEnded) return; // ended by hand, or reported twice
    const { error } = this.routes;
    const isError = status === undefined || status >= 500;
    this.status = status;
    if (isError) this.#errorType = errorType(error, status);
    this.root.finish(isError ? 'error' : 'success', error ?? (status === undefined ? 'aborted' : undefined));
    this.routes.error = undefined; // listeners have received it; only its message is kept
  }

  override attributesOf(span: Span): Attributes | undefined {
    if (span !== this.root) return undefined;
    const { status, route } = this;
    return {
      ...this.#http,
      'http.request.method': this.method,
      'url.scheme': this.isSecure ? 'https' : 'http',
      ...(route !== UNMATCHED && { 'http.route': route }),
      ...(status !== undefined && { 'http.response.status_code': status }),
      ...(this.#errorType !== undefined && { 'error.type': this.#errorType }),
    };
  }

  /** Calls listeners of its end, within its async context if that was entered only for other code of the application. */
  callListeners(call: () => void): void {
    if (this.entersContextLate) runWithin(this.root, call);
    else call();
  }

  /** The value that listeners receive. */
  toEnd(): RequestEnd {
    const { method, route, status, root } = this;
    return {
      method,
      route,
      status,
      duration: root.duration,
      traceId: this.traceId,
      spanId: root.spanId,
      sampled: this.sampled,
      kept: this.isKept,
      aborted: status === undefined,
      error: this.routes.error,
    };
  }
}

/** The class of the thrown value, otherwise the status, otherwise that the client disconnected. */
function errorType(error: unknown, status: number | undefined): string {
  if (status === undefined) return 'aborted';
  return errorName(error) ?? String(status);
}
