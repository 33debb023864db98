/** The N+1 pattern: one request repeats the same statement many times, although a single statement would do. */
import { currentRoute, currentTrace } from '../shared/instrumentation.js';

/** A statement shape that one request sent suspiciously often. */
export interface RepeatedQuery {
  readonly fingerprint: string;
  readonly traceId: string;
  readonly route: string | undefined;
  /** How often, as far as it was counted. */
  readonly count: number;
  /** The code that sent it: 'function (file:line:column)', if the stack shows it. */
  readonly location: string | undefined;
}

const SHAPES_PER_REQUEST = 100;
const KEPT = 100;
const DEEP_STACK = 50;

/** The frames of `#note`, `count` and `QueryOptimizer.run`, which stand before the caller's. */
const OWN_FRAMES = 3;

/** Frames that are on the way of many statements: packages, Node itself, the pool and a query builder's connection. */
const PLUMBING =
  /node_modules|node:|QueryOptimizer|ConnectionPool|PooledConnection|PoolConnection|at (?:async )?Promise\./;

/** The first frame of the application. Costs tens of microseconds, so it is captured once per finding. */
function callerLocation(): string | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = DEEP_STACK;
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, callerLocation);
  const frames = (holder.stack ?? '').split('\n').slice(1 + OWN_FRAMES);
  Error.stackTraceLimit = limit;
  return frames
    .find((frame) => !PLUMBING.test(frame))
    ?.trim()
    .replace(/^at (?:async )?/, '');
}

export class RepetitionWatch {
  readonly #threshold: number;
  /** By request, and gone with it: ten requests of one trace that send a statement once each are no finding. */
  readonly #requests = new WeakMap<object, Map<string, number>>();
  readonly #found = new Map<string, RepeatedQuery>();

  /** @param threshold how often one request may send one shape before it is a finding */
  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  /** Counts a statement of a request, or of other traced work. */
  count(request: object, fingerprint: string): void {
    let shapes = this.#requests.get(request);
    if (shapes === undefined) this.#requests.set(request, (shapes = new Map<string, number>()));
    const count = (shapes.get(fingerprint) ?? 0) + 1;
    if (count === 1 && shapes.size >= SHAPES_PER_REQUEST) return;
    shapes.set(fingerprint, count);
    if (count < this.#threshold) return;
    const route = currentRoute();
    const traceId = currentTrace()?.traceId ?? '';
    this.#note(`${route ?? ''} ${fingerprint}`, { fingerprint, traceId, route, count });
  }

  /** One finding a route and shape: the same code does it in every request. */
  #note(key: string, repeated: Omit<RepeatedQuery, 'location'>): void {
    const known = this.#found.get(key);
    if (known !== undefined && known.count >= repeated.count) return;
    const location = known === undefined ? callerLocation() : known.location;
    if (known === undefined && this.#found.size >= KEPT) return;
    this.#found.set(key, { ...repeated, location });
  }

  /** The findings, the worst first. */
  list(): RepeatedQuery[] {
    return [...this.#found.values()].sort((a, b) => b.count - a.count);
  }
}
