/** `/api/v1/system` of every server: what it offers, how it is doing, and the traces it keeps. */
import { z } from 'zod';
import { ResilienceError, type DistributedTracer } from '../../src/index.js';
import type { ServiceName } from './fleet.js';
import { RouteTable, type RouteEntry } from './route-table.js';
import { attributesOf, traceFields } from './trace-query.js';

/** A path prefix that belongs to another service. */
export interface Forward {
  readonly prefix: string;
  readonly service: ServiceName;
}

export interface SystemParts {
  readonly name: ServiceName;
  readonly instance: string | undefined;
  readonly tracer: DistributedTracer;
  readonly controlToken: string | undefined;
  /** Every route of the service, these included. */
  readonly routes: () => readonly RouteEntry[];
  readonly forwards: readonly Forward[] | undefined;
  /** What each engine tells of itself, by the engine's name. */
  readonly engines: () => Record<string, object>;
}

const traceQuery = z.object(traceFields);

export function systemRoutes({
  name,
  instance,
  tracer,
  controlToken,
  routes,
  forwards,
  engines,
}: SystemParts): RouteTable {
  return new RouteTable('/api/v1/system', controlToken)
    .get('/observability', { summary: 'What the service measures of itself' }, () => ({
      service: name,
      instance: instance ?? name,
      pid: process.pid,
      tracer: tracer.getMetrics(),
      ...engines(),
    }))
    .get('/routes', { summary: 'What the service offers' }, () => ({
      service: name,
      routes: routes(),
      ...(forwards && { forwards }),
    }))
    .get('/traces', { summary: 'Traces kept, newest first', query: traceQuery, control: true }, ({ query }) => {
      const { attribute, ...rest } = query;
      return { service: name, traces: tracer.listTraces({ ...rest, attributes: attributesOf(attribute) }) };
    })
    .get(
      '/traces/:id',
      {
        summary: 'One trace with its spans',
        params: z.object({ id: z.string().regex(/^[0-9a-f]{32}$/, 'expected 32 lowercase hexadecimal digits') }),
        control: true,
      },
      ({ params }) => {
        const trace = tracer.getTrace(params.id);
        if (trace === undefined) throw new ResilienceError('NOT_FOUND', `${name} keeps no trace ${params.id}`);
        return { service: name, trace };
      },
    );
}
