/**
 * Rate, errors and duration of the requests served, by method, route template and status: the histogram that
 * OpenTelemetry calls `http.server.request.duration`, with bounded label sets.
 */
import { OVERFLOW, OperationStats } from './operation-stats.js';

/** Upper bounds in seconds, as the semantic conventions advise. */
export const DURATION_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;

/** The common label of requests that no route answered, because their paths are chosen by clients and unbounded. */
export const UNMATCHED = '(unmatched)';

/** Every method beyond these is `_OTHER`: a client may send any token. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);

/** An example request of a histogram bucket. */
export interface Exemplar {
  readonly traceId: string;
  readonly spanId: string;
  /** Seconds. */
  readonly value: number;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
}

/** One series of `http.server.request.duration`. */
export interface RequestSeries {
  readonly method: string;
  readonly route: string;
  readonly scheme: 'http' | 'https';
  /** Undefined if the request was aborted before its response was complete. */
  readonly status: number | undefined;
  readonly errorType: string | undefined;
  count: number;
  /** Seconds. */
  sum: number;
  /** Requests per bucket, not cumulative; the last is beyond the highest bound. */
  readonly buckets: number[];
  /** The latest kept request of each bucket. */
  readonly exemplars: (Exemplar | undefined)[];
}

/** The method as a label. */
export function methodLabel(method: string | undefined): string {
  return method !== undefined && METHODS.has(method) ? method : '_OTHER';
}

const ABORTED = 0;
/** Added to the status of requests over TLS, so that one number holds both. */
const SECURE = 1000;

/** One method of one route: its total figures, and a series per status. */
export interface RouteMetrics {
  /** `GET /api/items/:id` */
  readonly operation: string;
  readonly stats: OperationStats;
  readonly byStatus: Map<number, RequestSeries>;
}

export class RequestMetrics {
  // Two lookups by short strings that exist already: building a key for every request costs more.
  readonly #routes = new Map<string, Map<string, RouteMetrics>>();
  readonly #limit: number;
  #size = 0;

  /** @param limit the most series; further requests share the route `(other)` */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts a request; `status` 0 stands for aborted, durations are milliseconds. */
  record(
    method: string,
    route: string,
    status: number,
    isSecure: boolean,
    duration: number,
    bin: number,
  ): RouteMetrics {
    const code = isSecure ? SECURE + status : status;
    const metrics = this.#find(method, route, code);
    metrics.stats.record(duration, bin, status === ABORTED || status >= 500);
    const series = metrics.byStatus.get(code)!;
    const seconds = duration / 1000;
    series.count++;
    series.sum += seconds;
    series.buckets[bucketOf(seconds)]!++;
    return metrics;
  }

  /** Remembers a kept request as the example of its bucket. */
  addExemplar(metrics: RouteMetrics, status: number, isSecure: boolean, exemplar: Exemplar): void {
    const series = metrics.byStatus.get(isSecure ? SECURE + status : status);
    if (series !== undefined) series.exemplars[bucketOf(exemplar.value)] = exemplar;
  }

  /** Every method of every route. */
  all(): RouteMetrics[] {
    return [...this.#routes.values()].flatMap((methods) => [...methods.values()]);
  }

  #find(method: string, route: string, code: number): RouteMetrics {
    const metrics = this.#routes.get(route)?.get(method);
    return metrics?.byStatus.has(code) === true ? metrics : this.#add(method, route, code);
  }

  #add(method: string, route: string, code: number): RouteMetrics {
    if (this.#size >= this.#limit && route !== OVERFLOW) return this.#find(method, OVERFLOW, code);
    const methods = getOrAdd(this.#routes, route, () => new Map<string, RouteMetrics>());
    const metrics = getOrAdd(methods, method, () => ({
      operation: `${method} ${route}`,
      stats: new OperationStats(),
      byStatus: new Map<number, RequestSeries>(),
    }));
    metrics.byStatus.set(code, newSeries(method, route, code));
    this.#size++;
    return metrics;
  }
}

function newSeries(method: string, route: string, code: number): RequestSeries {
  const isSecure = code >= SECURE;
  const status = isSecure ? code - SECURE : code;
  return {
    method,
    route,
    scheme: isSecure ? 'https' : 'http',
    status: status === ABORTED ? undefined : status,
    errorType: status === ABORTED ? 'aborted' : status >= 500 ? String(status) : undefined,
    count: 0,
    sum: 0,
    buckets: Array<number>(DURATION_BOUNDS.length + 1).fill(0),
    exemplars: [],
  };
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = create()));
  return value;
}

function bucketOf(seconds: number): number {
  let i = 0;
  while (i < DURATION_BOUNDS.length && seconds > DURATION_BOUNDS[i]!) i++;
  return i;
}
