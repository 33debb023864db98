/** `/api/v1/system` of each server: its routes, its state, and the traces it stores. */
import * as z from 'zod';
import { ResilienceError, type DistributedTracer } from '../../src/index.js';
import type { KeptTraces } from '../history/kept-traces.js';
import type { ServiceName } from './fleet.js';
import { RouteTable, type RouteEntry } from './route-table.js';
import { attributesOf, traceFields, traceId, traceIdList } from './trace-query.js';

/** A path prefix that belongs to another service. */
export interface Forward {
  readonly prefix: string;
  readonly service: ServiceName;
}

export interface SystemParts {
  readonly name: ServiceName;
  readonly instance: string | undefined;
  readonly tracer: DistributedTracer;
  readonly traces: KeptTraces;
  readonly controlToken: string | undefined;
  /** All routes of the service, including these. */
  readonly routes: () => readonly RouteEntry[];
  readonly forwards: readonly Forward[] | undefined;
  /** The statistics of each engine, by engine name. */
  readonly engines: () => Record<string, object>;
}

const traceQuery = z.object(traceFields);
const holdBody = z.object({ traceIds: traceIdList });

export function systemRoutes({
  name,
  instance,
  tracer,
  traces,
  controlToken,
  routes,
  forwards,
  engines,
}: SystemParts): RouteTable {
  return new RouteTable('/api/v1/system', controlToken)
    .get('/observability', { summary: 'The figures that the service measures about itself' }, () => ({
      service: name,
      instance: instance ?? name,
      pid: process.pid,
      tracer: tracer.getMetrics(),
      ...engines(),
    }))
    .get('/routes', { summary: 'The routes of the service' }, () => ({
      service: name,
      routes: routes(),
      ...(forwards && { forwards }),
    }))
    .get('/traces', { summary: 'Traces kept, newest first', query: traceQuery, control: true }, async ({ query }) => {
      const { attribute, ...rest } = query;
      return { service: name, traces: await traces.list({ ...rest, attributes: attributesOf(attribute) }) };
    })
    .get(
      '/traces/:id',
      {
        summary: 'One trace with its spans',
        params: z.object({ id: traceId }),
        control: true,
      },
      async ({ params }) => {
        const trace = await traces.get(params.id);
        if (trace === undefined) throw new ResilienceError('NOT_FOUND', `${name} keeps no trace ${params.id}`);
        return { service: name, trace };
      },
    )
    .post(
      '/traces/hold',
      {
        summary: 'Which of these traces are kept here; they stay for five more minutes',
        body: holdBody,
        control: true,
      },
      async ({ body: { traceIds } }) => ({ service: name, held: await traces.hold(traceIds) }),
    );
}
