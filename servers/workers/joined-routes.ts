/**
 * The answers of `/api/v1/system` that concern the whole server, while each worker knows only its own part. Over the
 * public port they are those of all workers together; over the port of a worker they are its own.
 */
import { Router, type Request, type RequestHandler } from 'express';
import { requireControl, type TraceSummary } from '../../src/index.js';
import type { LoadReport } from '../../src/index.js';
import { askInstance } from '../support/ask-instance.js';
import type { TargetDemand } from '../support/load-routes.js';
import { addUp, type RequestFigures } from '../support/request-figures.js';
import type { WorkerGroup } from './worker-group.js';

type Answer = Readonly<Record<string, unknown>>;
type Join = (answers: readonly Answer[], workers: WorkerGroup) => object;

interface JoinedRoute {
  readonly join: Join;
  readonly method: 'get' | 'post';
  /** Requires the control token, as the route of each worker does. */
  readonly control: boolean;
}

const SYSTEM = '/api/v1/system';

const ROUTES: Readonly<Record<string, JoinedRoute>> = {
  '/load': { method: 'get', control: false, join: joinLoads },
  '/load-distribution': { method: 'get', control: false, join: joinRouting },
  '/observability': { method: 'get', control: false, join: joinObservability },
  '/traces': { method: 'get', control: true, join: joinTraces },
  '/traces/:id': { method: 'get', control: true, join: joinTrace },
  '/traces/hold': { method: 'post', control: true, join: joinHolds },
  '/cache/purge': { method: 'post', control: true, join: joinPurges },
  '/cache/purge/preview': { method: 'post', control: true, join: joinPreviews },
};

/** Mount it before the routes of the worker, and after the body is parsed. */
export function joinedRoutes(workers: WorkerGroup, controlToken: string | undefined): RequestHandler {
  const router = Router({ strict: false });
  for (const [path, { method, control, join }] of Object.entries(ROUTES)) {
    const guard = requireControl(controlToken);
    router[method](`${SYSTEM}${path}`, (req, res, next) => {
      if (!workers.isPublic(req)) return next();
      const answer = (): void =>
        void answerTogether(workers, join, controlToken, req).then(
          // If no worker has an answer, this one says why.
          (body) => (body === undefined ? next() : res.set('Cache-Control', 'no-store').json(body)),
          next,
        );
      if (control) guard(req, res, (error?: unknown) => (error === undefined ? answer() : next(error)));
      else answer();
    });
  }
  return router;
}

/** Undefined if no worker answered. Otherwise all must: half of a purge, or of a sum, is a wrong answer. */
async function answerTogether(
  workers: WorkerGroup,
  join: Join,
  controlToken: string | undefined,
  req: Request,
): Promise<object | undefined> {
  const body = req.method === 'POST' ? { body: (req.body ?? {}) as object } : {};
  const asked = await Promise.allSettled(
    workers.members.map(({ port }) =>
      askInstance<Answer>({ host: '127.0.0.1', port }, req.originalUrl, { controlToken, ...body }),
    ),
  );
  const answers = asked.flatMap((one) => (one.status === 'fulfilled' && one.value !== undefined ? [one.value] : []));
  if (answers.length === 0) return undefined;
  for (const one of asked) if (one.status === 'rejected') throw one.reason;
  return { ok: true, ...join(answers, workers) };
}

const sumOf = (values: readonly (number | null | undefined)[]): number =>
  values.reduce<number>((sum, value) => sum + (value ?? 0), 0);

const known = (values: readonly (number | null | undefined)[]): number[] =>
  values.filter((value) => typeof value === 'number');

const highest = (values: readonly (number | null | undefined)[]): number | null =>
  known(values).length === 0 ? null : Math.max(...known(values));

function weighted<T>(
  parts: readonly T[],
  value: (part: T) => number | null,
  weight: (part: T) => number,
): number | null {
  const counted = parts.filter((part) => value(part) !== null && weight(part) > 0);
  const total = sumOf(counted.map(weight));
  return total === 0 ? null : sumOf(counted.map((part) => value(part)! * weight(part))) / total;
}

/** The processor use is that of the busiest worker: the server cannot use more than it once all are as busy. */
function joinLoads(answers: readonly Answer[], { name, primaryPid }: WorkerGroup): object {
  const { service } = answers[0]!;
  const loads = answers.map(({ load }) => load as LoadReport);
  const demands = answers.map(({ demand }) => demand as Record<string, TargetDemand[]>);
  const lags = loads.flatMap(({ eventLoopLag }) => eventLoopLag ?? []);
  return {
    service,
    instance: name,
    pid: primaryPid,
    load: {
      cpu: highest(loads.map(({ cpu }) => cpu)),
      memory: highest(loads.map(({ memory }) => memory)),
      eventLoopLag:
        lags.length === 0
          ? null
          : { mean: Math.max(...lags.map(({ mean }) => mean)), p99: Math.max(...lags.map(({ p99 }) => p99)) },
      inFlight: Math.max(0, sumOf(loads.map(({ inFlight }) => inFlight)) - 1), // without this request
      queueDepth: sumOf(loads.map(({ queueDepth }) => queueDepth)),
      requests: sumOf(loads.map(({ requests }) => requests)),
      p99: highest(loads.map(({ p99 }) => p99)),
      errorRate: weighted(
        loads,
        ({ errorRate }) => errorRate,
        ({ requests }) => requests,
      ),
    },
    demand: joinDemands(demands),
  };
}

function joinDemands(demands: ReadonlyArray<Record<string, TargetDemand[]>>): Record<string, TargetDemand[]> {
  const services = [...new Set(demands.flatMap((one) => Object.keys(one)))];
  return Object.fromEntries(
    services.map((service) => {
      const groups = groupBy(
        demands.flatMap((one) => one[service] ?? []),
        ({ host, port }) => `${host} ${port}`,
      );
      return [service, groups.map(joinDemand)];
    }),
  );
}

function joinDemand(parts: readonly TargetDemand[]): TargetDemand {
  const { host, port } = parts[0]!;
  const latency = weighted(
    parts,
    (one) => one.latency,
    ({ answered }) => answered,
  );
  return {
    host,
    port,
    inFlight: sumOf(parts.map(({ inFlight }) => inFlight)),
    answered: sumOf(parts.map(({ answered }) => answered)),
    latency: latency === null ? null : Math.round(latency),
  };
}

interface Routed {
  readonly requests: number;
  readonly failures: number;
  readonly inFlight: number;
}

type RoutedInstance = Routed & { readonly host: string; readonly port: number };
type RoutedService = Routed & { readonly instances: readonly RoutedInstance[] };

function addRouted<T extends Routed>(parts: readonly T[]): T {
  return {
    ...parts[0]!,
    requests: sumOf(parts.map(({ requests }) => requests)),
    failures: sumOf(parts.map(({ failures }) => failures)),
    inFlight: sumOf(parts.map(({ inFlight }) => inFlight)),
  };
}

/** Counts are added. Other members, such as the state of a circuit breaker, are those of the first worker. */
function joinRouting(answers: readonly Answer[]): object {
  const told = answers.map(({ services }) => services as Record<string, RoutedService>);
  const names = [...new Set(told.flatMap((one) => Object.keys(one)))];
  return {
    services: Object.fromEntries(
      names.map((service) => {
        const parts = told.flatMap((one) => one[service] ?? []);
        const groups = groupBy(
          parts.flatMap(({ instances }) => instances),
          ({ host, port }) => `${host} ${port}`,
        );
        return [service, { ...addRouted(parts), instances: groups.map(addRouted) }];
      }),
    ),
  };
}

function joinObservability(answers: readonly Answer[], { name, primaryPid }: WorkerGroup): object {
  const { service } = answers[0]!;
  const tracer = addUp(answers.map(({ tracer }) => tracer as RequestFigures));
  return { service, instance: name, pid: primaryPid, tracer, workers: answers.map(({ ok: _, ...one }) => one) };
}

/** A trace of which several workers served a request is listed once, by the part that began first. */
function joinTraces(answers: readonly Answer[]): object {
  const { service } = answers[0]!;
  const parts = answers.flatMap(({ traces }) => traces as TraceSummary[]).sort((a, b) => a.startTime - b.startTime);
  const byId = new Map<string, TraceSummary>();
  for (const part of parts) if (!byId.has(part.traceId)) byId.set(part.traceId, part);
  return { service, traces: [...byId.values()].reverse() };
}

interface TracePart {
  readonly startTime: number;
  readonly duration: number;
  readonly spans: ReadonlyArray<{ readonly startTime: number }>;
}

function joinTrace(answers: readonly Answer[]): object {
  const { service } = answers[0]!;
  const parts = answers.map(({ trace }) => trace as TracePart).sort((a, b) => a.startTime - b.startTime);
  const first = parts[0]!;
  const end = Math.max(...parts.map(({ startTime, duration }) => startTime + duration));
  const spans = parts.flatMap((part) => part.spans).sort((a, b) => a.startTime - b.startTime);
  return { service, trace: { ...first, duration: end - first.startTime, spans } };
}

function joinHolds(answers: readonly Answer[]): object {
  const { service } = answers[0]!;
  return { service, held: [...new Set(answers.flatMap(({ held }) => held as string[]))] };
}

/** The workers share the file, so that what one removed from it is gone for the others. */
function joinPurges(answers: readonly Answer[]): object {
  const { ok: _, ...first } = answers[0]!;
  return 'removed' in first ? { ...first, removed: highest(answers.map(({ removed }) => removed as number)) } : first;
}

function joinPreviews(answers: readonly Answer[]): object {
  return { entries: highest(answers.map(({ entries }) => entries as number)) };
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.values()];
}
