/** `/api/v1/budget`: the limits, the spending, and the return on it. */
import type { Kysely } from 'kysely';
import * as z from 'zod';
import { newestFirst } from '../support/paging.js';
import { created, RouteTable } from '../support/route-table.js';
import { DEFAULT_COHORT, type Ledger } from './ledger.js';
import { cohortReturn, rankByRoi } from './roi.js';
import { toDollars, toMicros, type BudgetSchema } from './schema.js';

/** Maximum amount of one entry, in dollars. A typing error should not use up the month's budget. */
const MAX_AMOUNT = 1_000_000;

const cohortId = z.string().trim().min(1).max(100);
const cost = z.number().min(0).max(MAX_AMOUNT);
const cohortParams = z.object({ cohortId });

const workflowSchema = z.strictObject({
  workflowId: z.string().trim().min(1).max(200),
  cohortId: cohortId.default(DEFAULT_COHORT),
  cost,
  /** The value of the result, in dollars. */
  value: cost.optional(),
});

const limit = cost.nullable();

export interface BudgetParts {
  readonly db: Kysely<BudgetSchema>;
  readonly ledger: Ledger;
  readonly controlToken: string | undefined;
}

export function budgetRoutes({ db, ledger, controlToken }: BudgetParts): RouteTable {
  return new RouteTable('/api/v1/budget', controlToken)
    .get(
      '/',
      { summary: 'Limits, what is used of them and what is left', query: z.object({ cohortId: cohortId.optional() }) },
      ({ query }) => ledger.status(query.cohortId),
    )
    .get(
      '/history',
      {
        summary: 'The recorded spending, newest first',
        query: z.object({ cohortId: cohortId.optional(), ...newestFirst }),
      },
      ({ query }) => ledger.history({ cohort: query.cohortId, before: query.before, limit: query.limit }),
    )
    .get(
      '/can-afford',
      {
        summary: 'Whether an amount would be admitted now',
        query: z.object({ cost: z.coerce.number().min(0).max(MAX_AMOUNT), cohortId: cohortId.default(DEFAULT_COHORT) }),
      },
      async ({ query }) => {
        const micros = toMicros(query.cost);
        return {
          cost: toDollars(micros),
          cohortId: query.cohortId,
          ...(await ledger.canAfford(query.cohortId, micros)),
        };
      },
    )
    .post(
      '/record-workflow',
      { summary: 'Records the cost and the value of a workflow', body: workflowSchema },
      async ({ body }) => {
        const costMicros = toMicros(body.cost);
        const valueMicros = body.value === undefined ? undefined : toMicros(body.value);
        await ledger.record({ cohort: body.cohortId, workflow: body.workflowId, costMicros, valueMicros });
        return created({
          recorded: { ...body, cost: toDollars(costMicros) },
          budget: await ledger.status(body.cohortId),
        });
      },
    )
    .get('/policy/:cohortId', { summary: "A cohort's own limits", params: cohortParams }, async ({ params }) => ({
      policy: await ledger.cohortPolicy(params.cohortId),
    }))
    .post(
      '/policy/:cohortId',
      {
        summary: "Sets a cohort's own limits; null removes one",
        params: cohortParams,
        body: z.strictObject({ dailyLimit: limit, monthlyLimit: limit }),
        control: true,
      },
      async ({ params, body }) => {
        const micros = (dollars: number | null): number | null => (dollars === null ? null : toMicros(dollars));
        await ledger.setCohortPolicy(params.cohortId, micros(body.dailyLimit), micros(body.monthlyLimit));
        return { policy: await ledger.cohortPolicy(params.cohortId) };
      },
    )
    .get(
      '/metrics/:cohortId',
      { summary: 'The spending and the gain of a cohort', params: cohortParams },
      async ({ params }) => ({
        cohort: params.cohortId,
        ...(await cohortReturn(db, params.cohortId)),
        budget: await ledger.status(params.cohortId),
      }),
    )
    .get(
      '/rank-by-roi',
      {
        summary: 'Workflows by return on investment',
        query: z.object({ limit: z.coerce.number().int().min(1).max(200).default(20) }),
      },
      async ({ query }) => ({ workflows: await rankByRoi(db, query.limit) }),
    );
}
