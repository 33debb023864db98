/** Traces of the whole fleet: each service holds the part it saw, here they are put together. */
import type { SpanRecord, TraceSummary, TraceView } from '../../src/index.js';
import { isSystemRoute } from '../support/pulse.js';
import type { ServiceContext } from '../support/service.js';
import { askInstance } from './ask-instance.js';
import { isRunning, listInstances, type FleetInstance } from './fleet-instances.js';

export interface TraceSearch {
  /** Milliseconds, at least. */
  readonly minDuration?: number | undefined;
  readonly maxDuration?: number | undefined;
  /** How it ended, or an HTTP status. */
  readonly status?: 'success' | 'error' | number | undefined;
  /** Route template, exactly. */
  readonly route?: string | undefined;
  /** Only traces this service had part in. */
  readonly service?: string | undefined;
  /** Begun between, in epoch milliseconds. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Of spans, as text; all of them in what one service saw. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Whether probes, scrapes and system routes are listed as well. */
  readonly system: boolean;
  readonly limit: number;
}

/** A trace by what its first service, of those that match, saw. */
export interface FoundTrace extends Omit<TraceSummary, 'spans'> {
  /** The services found to hold a matching part. */
  readonly services: readonly string[];
}

export interface JoinedSpan extends SpanRecord {
  readonly instance: string;
}

export interface JoinedTrace {
  readonly traceId: string;
  /** Epoch milliseconds, and milliseconds. */
  readonly startTime: number;
  readonly duration: number;
  readonly status: string;
  /** In the order they began. */
  readonly spans: readonly JoinedSpan[];
  readonly droppedSpans: number;
  /** Instances that could not be asked: what they saw is missing. */
  readonly silent: readonly string[];
}

type Parts = Pick<ServiceContext, 'peers' | 'controlToken'>;

/** What each running instance answered to one question; `silent` are those that did not. */
export interface Round<T> {
  readonly answers: ReadonlyArray<{ readonly instance: FleetInstance; readonly body: T }>;
  readonly silent: readonly string[];
}

/** Most traces an instance lists at once. */
const MOST_LISTED = 200;

/** Milliseconds by which a part of a trace may begin later than the trace. */
const LATEST_PART = 5_000;

/** Asks every running instance the same. Those that have nothing at that address are neither among the answers nor silent. */
export async function askAll<T>(parts: Parts, path: string, body?: object): Promise<Round<T>> {
  const { instances } = await listInstances(parts);
  const silent: string[] = [];
  const answers = await Promise.all(
    instances.filter(isRunning).map(async (instance) => {
      try {
        const answer = await askInstance<T>(instance, path, { ...parts, ...(body && { body }) });
        return answer === undefined ? [] : [{ instance, body: answer }];
      } catch {
        silent.push(instance.id);
        return [];
      }
    }),
  );
  return { answers: answers.flat(), silent };
}

/** Traces that match, the latest first. */
export async function searchTraces(
  parts: Parts,
  search: TraceSearch,
): Promise<{ traces: FoundTrace[]; silent: readonly string[] }> {
  const query = instanceQuery(search);
  const path = `/api/v1/system/traces?${query.toString()}`;
  const { answers, silent } = await askAll<{ traces: TraceSummary[] }>(parts, path);
  const found = joinSummaries(answers.flatMap(({ body }) => body.traces)).filter((trace) => isWanted(trace, search));
  return { traces: found.sort((a, b) => b.startTime - a.startTime).slice(0, search.limit), silent };
}

/** What each instance is asked for: as much as it can decide alone. When a trace began is known when its parts are joined. */
function instanceQuery({ minDuration, maxDuration, status, route, to, attributes }: TraceSearch): URLSearchParams {
  const query = new URLSearchParams({ limit: String(MOST_LISTED) });
  const asked = { minDuration, maxDuration, status, route, to: to === undefined ? undefined : to + LATEST_PART };
  for (const [name, value] of Object.entries(asked)) if (value !== undefined) query.set(name, String(value));
  for (const [name, value] of Object.entries(attributes)) query.append('attribute', `${name}:${value}`);
  return query;
}

/** One trace with the spans of every service; undefined where nobody holds any. */
export async function findTrace(parts: Parts, traceId: string): Promise<JoinedTrace | undefined> {
  const { answers, silent } = await askAll<{ trace: TraceView }>(parts, `/api/v1/system/traces/${traceId}`);
  if (answers.length === 0) return undefined;
  const spans = answers
    .flatMap(({ instance, body }) => body.trace.spans.map((span) => ({ ...span, instance: instance.id })))
    .sort((a, b) => a.startTime - b.startTime);
  const startTime = spans[0]?.startTime ?? 0;
  const end = Math.max(...spans.map((span) => span.startTime + (span.duration ?? 0)));
  const views = answers.map(({ body }) => body.trace);
  return {
    traceId,
    startTime,
    duration: end - startTime,
    status: views.find(({ status }) => status !== 'success')?.status ?? 'success',
    spans,
    droppedSpans: views.reduce((sum, view) => sum + view.droppedSpans, 0),
    silent,
  };
}

/** One row a trace: the part that began first stands for it. */
function joinSummaries(parts: readonly TraceSummary[]): FoundTrace[] {
  const byId = new Map<string, TraceSummary[]>();
  for (const part of parts) byId.set(part.traceId, [...(byId.get(part.traceId) ?? []), part]);
  return [...byId.values()].map((group) => {
    const { spans: _, ...first } = group.reduce((a, b) => (b.startTime < a.startTime ? b : a));
    const failed = group.find(({ status }) => status !== 'success');
    return {
      ...first,
      status: failed?.status ?? first.status,
      services: [...new Set(group.map((one) => one.service))],
    };
  });
}

function isWanted(trace: FoundTrace, { service, from = 0, to = Infinity, system }: TraceSearch): boolean {
  const { startTime, services, route = '' } = trace;
  if (startTime < from || startTime > to) return false;
  return (service === undefined || services.includes(service)) && (system || !isSystemRoute(route));
}
