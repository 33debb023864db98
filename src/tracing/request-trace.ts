/** The trace of a request being served: its root span is of kind server and named by method and route. */
import type { IncomingMessage } from 'node:http';
import type { ConnectionLink } from './request-link.js';
import { UNMATCHED, methodLabel } from './request-metrics.js';
import { RouteState } from './route-observer.js';
import type { Attributes } from '../shared/instrumentation.js';
import type { Span } from './span.js';
import { Trace, type RemoteParent, type TraceOwner } from './trace.js';

/** What is known of a request when it is over. Nothing in it is the client's own text. */
export interface RequestEnd {
  readonly method: string;
  /** Route template; `(unmatched)` where none answered. */
  readonly route: string;
  /** Undefined when the request was aborted before its answer was complete. */
  readonly status: number | undefined;
  /** Milliseconds. */
  readonly duration: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
  readonly aborted: boolean;
  /** What the handler threw or passed to `next`. */
  readonly error: unknown;
}

export class RequestTrace extends Trace {
  readonly method: string;
  readonly isSecure: boolean;
  readonly routes = new RouteState();
  #errorType: string | undefined = undefined;
  /** Its place in the list of requests being served. */
  next: RequestTrace | undefined = undefined;
  previous: RequestTrace | undefined = undefined;
  /** While it is served, see request-link.ts: its connection's link, the request itself, and the one before it there. */
  link: ConnectionLink | undefined = undefined;
  request: IncomingMessage | undefined = undefined;
  earlier: RequestTrace | undefined = undefined;
  /** HTTP status; undefined before the end and when aborted. */
  status: number | undefined = undefined;

  constructor(tracer: TraceOwner, rawMethod: string | undefined, isSecure: boolean, parent: RemoteParent | undefined) {
    const method = methodLabel(rawMethod);
    super(tracer, method, 'server', parent);
    this.method = method;
    this.isSecure = isSecure;
  }

  get route(): string {
    return this.routes.template ?? UNMATCHED;
  }

  /** Ends the request; `status` is undefined when it was aborted. */
  endRequest(status: number | undefined): void {
    this.link?.remove(this);
    if (this.root.isEnded) return; // by hand, or told twice
    const { error } = this.routes;
    const isError = status === undefined || status >= 500;
    this.status = status;
    if (isError) this.#errorType = errorType(error, status);
    this.root.finish(isError ? 'error' : 'success', error ?? (status === undefined ? 'aborted' : undefined));
    this.routes.error = undefined; // told to who listens; what is kept of it is its words
  }

  override attributesOf(span: Span): Attributes | undefined {
    if (span !== this.root) return undefined;
    const { status, route } = this;
    return {
      'http.request.method': this.method,
      'url.scheme': this.isSecure ? 'https' : 'http',
      ...(route !== UNMATCHED && { 'http.route': route }),
      ...(status !== undefined && { 'http.response.status_code': status }),
      ...(this.#errorType !== undefined && { 'error.type': this.#errorType }),
    };
  }

  /** What a listener is told. */
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
      aborted: status === undefined,
      error: this.routes.error,
    };
  }
}

/** The class of what was thrown, else the status, else that the client went. */
function errorType(error: unknown, status: number | undefined): string {
  if (status === undefined) return 'aborted';
  return error instanceof Error ? error.name : String(status);
}
