/** Finds traces of the whole fleet. Each service stores only its own part, so the parts are joined here. */
import type { SpanRecord, TraceSummary, TraceView } from '../../src/index.js';
import { deepestRoute } from '../dashboard/model/deepest-route.js';
import { isSystemRoute } from '../support/pulse.js';
import type { ServiceContext } from '../support/service.js';
import { askInstance } from '../support/ask-instance.js';
import { isRunning, listInstances, type FleetInstance } from './fleet-instances.js';

export interface TraceSearch {
  /** Minimum, in milliseconds. */
  readonly minDuration?: number | undefined;
  readonly maxDuration?: number | undefined;
  /** Outcome of the trace, or an HTTP status. */
  readonly status?: 'success' | 'error' | number | undefined;
  /** Route template, compared exactly. */
  readonly route?: string | undefined;
  /** Only traces that include this service. */
  readonly service?: string | undefined;
  /** Range of the start time, in epoch milliseconds. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Attributes of spans, as text. One service must have seen all of them. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Whether probes, scrapes and system routes are included. */
  readonly system: boolean;
  readonly limit: number;
}

/** A trace as seen by the first of its services that match. */
export interface FoundTrace extends Omit<TraceSummary, 'spans'> {
  /** The services that hold a matching part. */
  readonly services: readonly string[];
}

export interface JoinedSpan extends SpanRecord {
  readonly instance: string;
}

export interface JoinedTrace {
  readonly traceId: string;
  /** Epoch milliseconds, then milliseconds. */
  readonly startTime: number;
  readonly duration: number;
  readonly status: string;
  /** Ordered by start time. */
  readonly spans: readonly JoinedSpan[];
  readonly droppedSpans: number;
  /** Instances that did not answer. Their spans are missing. */
  readonly silent: readonly string[];
}

type Parts = Pick<ServiceContext, 'peers' | 'controlToken' | 'workers'>;

/** The answers of all running instances to one request; `silent` lists the instances that did not answer. */
export interface Round<T> {
  readonly answers: ReadonlyArray<{ readonly instance: FleetInstance; readonly body: T }>;
  readonly silent: readonly string[];
}

/** Maximum number of traces that an instance returns at once. */
const MOST_LISTED = 200;

/** Milliseconds by which a part of a trace may start later than the trace. */
const LATEST_PART = 5_000;

/**
 * Sends the same request to all running instances. Instances that do not have that path are neither in the answers nor
 * silent.
 */
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

/** The traces that match, newest first. */
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

/**
 * The query for each instance: only the conditions that it can check alone. The start of a trace is known only after
 * joining its parts.
 */
function instanceQuery({
  minDuration,
  maxDuration,
  status,
  route,
  from,
  to,
  attributes,
}: TraceSearch): URLSearchParams {
  const query = new URLSearchParams({ limit: String(MOST_LISTED) });
  // Later parts of a trace may be the first that a service has.
  const range = {
    from: from === undefined ? undefined : Math.max(0, from - LATEST_PART),
    to: to === undefined ? undefined : to + LATEST_PART,
  };
  const asked = { minDuration, maxDuration, status, route, ...range };
  for (const [name, value] of Object.entries(asked)) if (value !== undefined) query.set(name, String(value));
  for (const [name, value] of Object.entries(attributes)) query.append('attribute', `${name}:${value}`);
  return query;
}

/** One trace with the spans of all services; undefined if no instance has any. */
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

/** One row per trace. The part that started first represents it, by the deepest route that a part knows. */
function joinSummaries(parts: readonly TraceSummary[]): FoundTrace[] {
  const byId = new Map<string, TraceSummary[]>();
  for (const part of parts) byId.set(part.traceId, [...(byId.get(part.traceId) ?? []), part]);
  return [...byId.values()].map((group) => {
    const parts = group.sort((a, b) => a.startTime - b.startTime);
    const { spans: _, ...first } = parts[0]!;
    const failed = group.find(({ status }) => status !== 'success');
    return {
      ...first,
      operation: deepestRoute(parts.map(({ operation }) => operation))!,
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
