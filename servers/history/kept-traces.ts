/** The traces of a service: those in memory, and those that its history archived because they failed or were slow. */
import type { DistributedTracer, TraceQuery, TraceSummary, TraceView } from '../../src/index.js';
import { HOLD_MS } from '../support/trace-query.js';
import type { History } from './history.js';

/** Maximum number of archived traces that a search looks at. */
const MOST_SEARCHED = 2000;

const DEFAULT_LIMIT = 50;

export class KeptTraces {
  readonly #tracer: DistributedTracer;
  readonly #history: Pick<History, 'store'>;

  constructor(tracer: DistributedTracer, history: Pick<History, 'store'>) {
    this.#tracer = tracer;
    this.#history = history;
  }

  async get(traceId: string): Promise<TraceView | undefined> {
    const recent = this.#tracer.getTrace(traceId);
    if (recent !== undefined) return recent;
    const store = await this.#history.store();
    const [first, ...others] = await store.traceParts(traceId);
    return first && { ...first, spans: [first, ...others].flatMap(({ spans }) => spans) };
  }

  /** The traces that match, newest first. The archive is searched if a time range is given, by everything but attributes. */
  async list(query: TraceQuery): Promise<TraceSummary[]> {
    const recent = this.#tracer.listTraces(query);
    const { from, to, attributes = {}, limit = DEFAULT_LIMIT } = query;
    if ((from === undefined && to === undefined) || Object.keys(attributes).length > 0) return recent;
    const store = await this.#history.store();
    const known = new Set(recent.map(({ traceId }) => traceId));
    const archived = (await store.traceSummaries(from ?? 0, to ?? Number.MAX_SAFE_INTEGER, MOST_SEARCHED))
      .map((text) => JSON.parse(text) as TraceSummary)
      .filter((summary) => !known.has(summary.traceId) && isWanted(summary, query));
    return [...recent, ...archived].sort((a, b) => b.startTime - a.startTime).slice(0, limit);
  }

  /** Which of these are kept. Those in memory stay there for some minutes more. */
  async hold(traceIds: readonly string[]): Promise<string[]> {
    const held = this.#tracer.holdTraces(traceIds, HOLD_MS);
    const others = traceIds.filter((id) => !held.includes(id));
    if (others.length === 0) return held;
    const store = await this.#history.store();
    return [...held, ...(await store.archived(others))];
  }
}

function isWanted({ duration, status: ended, statusCode, route: template }: TraceSummary, query: TraceQuery): boolean {
  const { minDuration = 0, maxDuration = Infinity, status, route } = query;
  if (duration < minDuration || duration > maxDuration) return false;
  if (status !== undefined && ended !== status && statusCode !== status) return false;
  return route === undefined || route === template;
}
