/** `/api/v1/dashboard`: the data for the control room's pages, collected from all instances of the fleet. */
import * as z from 'zod';
import { ResilienceError } from '../../src/index.js';
import { historyFields, rangeFields } from '../history/history-routes.js';
import { purgeTarget } from '../support/cache-routes.js';
import { logQuery } from '../support/log-search.js';
import { ANSWERED, RouteTable } from '../support/route-table.js';
import type { ServiceContext } from '../support/service.js';
import { attributesOf, traceFields, traceId, traceIdList } from '../support/trace-query.js';
import { parseTraceTerms, TraceTermError } from '../dashboard/model/trace-terms.js';
import { accessOf, type DashboardTokens } from './dashboard-access.js';
import { readEvents, readHistory } from './fleet-history.js';
import { readLogs } from './fleet-logs.js';
import type { FrameStream } from './frame-stream.js';
import { describeCaches, previewPurge } from './cache-detail.js';
import { adviseOn, describeInstance } from './instance-detail.js';
import { askAll, findTrace, searchTraces } from './trace-search.js';

export const DASHBOARD_PREFIX = '/api/v1/dashboard';

export interface DashboardParts {
  readonly context: Pick<ServiceContext, 'peers' | 'controlToken' | 'workers' | 'clock' | 'history'>;
  readonly tokens: DashboardTokens;
  readonly stream: FrameStream;
}

/** Parses the search line of the page, or reports its error. */
const terms = z.string().transform((line, ctx) => {
  try {
    return parseTraceTerms(line);
  } catch (error) {
    if (!(error instanceof TraceTermError)) throw error;
    ctx.addIssue({ code: 'custom', message: error.message });
    return z.NEVER;
  }
});

const traceQuery = z.object({
  ...traceFields,
  q: terms.optional(),
  service: z.string().max(100).optional(),
  system: z.stringbool().default(false),
});
const traceParams = z.object({ id: traceId });
const holdBody = z.object({ traceIds: traceIdList });
const instanceParams = z.object({ id: z.string().max(200) });
const adviceQuery = z.object({ instance: z.string().max(200), statement: z.string().max(8000) });
const purgeBody = z.object({ ...purgeTarget, soft: z.boolean().optional() });

export function dashboardRoutes({ context, tokens, stream }: DashboardParts): RouteTable {
  return new RouteTable(DASHBOARD_PREFIX, tokens.controlToken)
    .get('/access', { summary: 'What the caller may do in the control room' }, ({ req }) => accessOf(req, tokens))
    .get('/stream', { summary: 'What the fleet does, every other second, as server-sent events' }, ({ req, res }) => {
      if (stream.subscribe(res, req.get('last-event-id'))) return ANSWERED;
      throw new ResilienceError('CONCURRENCY_EXCEEDED', 'too many pages follow the fleet', { retryAfter: 5 });
    })
    .get('/traces', { summary: 'Traces of the whole fleet, newest first', query: traceQuery }, ({ query }) => {
      const { q, attribute, ...fields } = query;
      const attributes = { ...q?.attributes, ...attributesOf(attribute) };
      return searchTraces(context, { ...q, ...fields, attributes });
    })
    .get(
      '/traces/:id',
      { summary: 'One trace with the spans of every service', params: traceParams },
      async ({ params }) => {
        const trace = await findTrace(context, params.id);
        if (trace === undefined) throw new ResilienceError('NOT_FOUND', `no service keeps a trace ${params.id}`);
        return { trace };
      },
    )
    .post(
      '/traces/hold',
      { summary: 'Which of these traces some service keeps; they stay for five more minutes', body: holdBody },
      async ({ body }) => {
        const { answers, silent } = await askAll<{ held: string[] }>(context, '/api/v1/system/traces/hold', body);
        return { held: [...new Set(answers.flatMap(({ body: { held } }) => held))], silent };
      },
    )
    .get(
      '/history',
      {
        summary: 'What the services did in a time range, in at most 300 points',
        query: z.object({ ...historyFields, service: z.string().max(100).optional() }),
      },
      ({ query }) => readHistory(context, query),
    )
    .get(
      '/events',
      { summary: 'Scaling, restarts, purges and the like in a time range, newest first', query: z.object(rangeFields) },
      ({ query }) => readEvents(context, query),
    )
    .get('/logs', { summary: 'The latest log lines of every instance, oldest first', query: logQuery }, ({ query }) =>
      readLogs(context, query),
    )
    .get('/caches', { summary: 'What the caches are asked for most, and where the last invalidations went' }, () =>
      describeCaches(context),
    )
    .get('/queries', { summary: 'What the statements of every service cost, by shape' }, async () => {
      const { answers, silent } = await askAll<object>(context, '/api/v1/system/queries');
      return { services: answers.map(({ instance, body }) => ({ ...body, instance: instance.id })), silent };
    })
    .get(
      '/queries/advice',
      { summary: "A statement's plan on one instance, and what could be better", query: adviceQuery },
      ({ query }) => adviseOn(context, query.instance, query.statement),
    )
    .get(
      '/instances/:id',
      { summary: 'One instance: its probes, and the last lines of its log', params: instanceParams },
      ({ params }) => describeInstance(context, params.id),
    )
    .post(
      '/purge/preview',
      {
        summary: 'How many entries of each service a purge would remove; it removes nothing',
        body: z.object(purgeTarget),
        control: true,
      },
      ({ body }) => previewPurge(context, body),
    )
    .post(
      '/purge',
      { summary: 'Takes a tag, or a pattern, out of every cache of the fleet', body: purgeBody, control: true },
      async ({ body }) => {
        const { answers, silent } = await askAll<{ removed?: number }>(context, '/api/v1/system/cache/purge', body);
        context.history.note('purge', body.tag === undefined ? `pattern ${body.pattern}` : `tag ${body.tag}`);
        return {
          purged: answers.map(({ instance, body: { removed } }) => ({ instance: instance.id, removed })),
          silent,
        };
      },
    );
}
