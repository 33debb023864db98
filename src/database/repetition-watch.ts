/** The N+1 pattern: one request that sends the same statement again and again, where one statement would do. */
import { LRUCache } from 'lru-cache';

/** A statement shape that one trace sent suspiciously often. */
export interface RepeatedQuery {
  readonly fingerprint: string;
  readonly traceId: string;
  readonly route: string | undefined;
  /** How often, as far as it was counted. */
  readonly count: number;
  /** Where it was sent from: 'function (file:line:column)', where the stack told. */
  readonly location: string | undefined;
}

const TRACES_WATCHED = 500;
const SHAPES_PER_TRACE = 100;
const KEPT = 100;
const DEEP_STACK = 50;

/** The frames of `#note`, `count` and `QueryOptimizer.run`, which stand before the caller's. */
const OWN_FRAMES = 3;

/** Frames that are on the way of many statements: packages, Node itself, the pool and a query builder's connection. */
const PLUMBING =
  /node_modules|node:|QueryOptimizer|ConnectionPool|PooledConnection|PoolConnection|at (?:async )?Promise\./;

/** The first frame that is the application's. Costs tens of microseconds: asked once a finding. */
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
  readonly #traces = new LRUCache<string, Map<string, number>>({ max: TRACES_WATCHED });
  readonly #found = new Map<string, RepeatedQuery>();

  /** @param threshold how often one trace may send one shape before it is a finding */
  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  /** Counts a statement of a trace. */
  count(traceId: string, fingerprint: string, route: string | undefined): void {
    let shapes = this.#traces.get(traceId);
    if (shapes === undefined) this.#traces.set(traceId, (shapes = new Map()));
    const count = (shapes.get(fingerprint) ?? 0) + 1;
    if (count === 1 && shapes.size >= SHAPES_PER_TRACE) return;
    shapes.set(fingerprint, count);
    if (count >= this.#threshold) this.#note(`${route ?? ''} ${fingerprint}`, { fingerprint, traceId, route, count });
  }

  /** One finding a route and shape: the same code does it in every trace. */
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
