/** The header fields that `trace` reads and writes besides the trace itself. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { RequestTrace } from '../tracing/request-trace.js';
import type { Span } from '../tracing/span.js';

/** Never recorded, even if an option names them. */
const SECRET_FIELDS =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|.*(?:token|secret|password|api-?key|credential|signature).*)$/;
const MAX_FIELD = 256;
const MAX_TIMINGS = 20;

/** @throws RangeError for a field that carries secrets */
export function checkCaptured(names: readonly string[] = []): readonly string[] {
  const lower = names.map((name) => name.toLowerCase());
  const secret = lower.find((name) => SECRET_FIELDS.test(name));
  if (secret === undefined) return lower;
  throw new RangeError(`trace: option 'captureHeaders': '${secret}' carries secrets and is never recorded`);
}

/** Records request header fields under the names of the semantic conventions. */
export function recordHeaders(span: Span, headers: IncomingHttpHeaders, names: readonly string[]): void {
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined) span.setAttribute(`http.request.header.${name}`, String(value).slice(0, MAX_FIELD));
  }
}

type WriteHead = (this: ServerResponse, ...args: unknown[]) => ServerResponse;

/** Adds `Server-Timing` when the head is written, because the durations are known only then. */
export function sendServerTiming(res: ServerResponse, trace: RequestTrace): void {
  const writeHead = res.writeHead.bind(res) as WriteHead;
  const writeHeadWithTiming: WriteHead = function (...args) {
    if (!this.headersSent) this.appendHeader('Server-Timing', timings(trace));
    return Reflect.apply(writeHead, this, args);
  };
  res.writeHead = writeHeadWithTiming;
}

/** The total, then the total duration of each operation: `total;dur=12.5, db.query;dur=3.1`. */
function timings(trace: RequestTrace): string {
  const now = trace.tracer.now();
  const byOperation = new Map<string, number>();
  for (const span of trace.children) {
    const duration = span.isEnded ? span.duration : now - span.start;
    byOperation.set(span.operation, (byOperation.get(span.operation) ?? 0) + duration);
  }
  const entries = [['total', now - trace.root.start] as const, ...[...byOperation].slice(0, MAX_TIMINGS)];
  return entries.map(([name, duration]) => `${asToken(name)};dur=${Math.round(duration * 10) / 10}`).join(', ');
}

/** A metric name is a token (Server-Timing §3). */
function asToken(name: string): string {
  return name.replace(/[^!#$%&'*+\-.^_`|~0-9A-Za-z]+/g, '_') || '_';
}
