/** Return on the spending: value compared with cost, per cohort or per workflow. */
import type { Kysely } from 'kysely';
import { toDollars, type BudgetSchema } from './schema.js';

export interface Return {
  readonly runs: number;
  readonly cost: number;
  readonly value: number;
  /** (value − cost) / cost; null if nothing was spent. */
  readonly roi: number | null;
}

interface Sums {
  readonly runs: number | string | bigint;
  readonly cost: number | string | null;
  readonly value: number | string | null;
}

export function returnOf({ runs, cost, value }: Sums): Return {
  const spent = Number(cost ?? 0);
  const gained = Number(value ?? 0);
  return {
    runs: Number(runs),
    cost: toDollars(spent),
    value: toDollars(gained),
    roi: spent === 0 ? null : (gained - spent) / spent,
  };
}

/** Workflows by return on investment, best first. Workflows without a stated value are left out. */
export async function rankByRoi(db: Kysely<BudgetSchema>, limit: number) {
  const rows = await db
    .selectFrom('spends')
    .select(({ fn }) => [
      'workflow',
      fn.countAll().as('runs'),
      fn.sum<number | string | null>('cost_micros').as('cost'),
      fn.sum<number | string | null>('value_micros').as('value'),
    ])
    .where('value_micros', 'is not', null)
    .groupBy('workflow')
    .execute();
  return rows
    .map((row) => ({ workflow: row.workflow, ...returnOf(row) }))
    .sort(
      (a, b) => (b.roi ?? Infinity) - (a.roi ?? Infinity) || b.value - a.value || a.workflow.localeCompare(b.workflow),
    )
    .slice(0, limit);
}

/** The total cost and value of a cohort. */
export async function cohortReturn(db: Kysely<BudgetSchema>, cohort: string): Promise<Return> {
  const row = await db
    .selectFrom('spends')
    .select(({ fn }) => [
      fn.countAll().as('runs'),
      fn.sum<number | string | null>('cost_micros').as('cost'),
      fn.sum<number | string | null>('value_micros').as('value'),
    ])
    .where('cohort', '=', cohort)
    .executeTakeFirst();
  return returnOf(row ?? { runs: 0, cost: 0, value: 0 });
}
