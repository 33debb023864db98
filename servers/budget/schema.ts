/** The tables of the budget service. Money is in integer millionths of a US dollar, so that sums are exact. */
import { sql, type Generated } from 'kysely';
import type { Migration } from '../support/database.js';
import { withIdentity } from '../support/identity-column.js';
import { createSettingsTable, type SettingsSchema } from '../support/settings-store.js';

export interface BudgetSchema extends SettingsSchema {
  spends: {
    id: Generated<number>;
    at: number;
    /** UTC date, `2026-01-31`, and month, `2026-01`. The limits are counted per day and per month. */
    day: string;
    month: string;
    cohort: string;
    workflow: string;
    cost_micros: number;
    /** The value of the workflow, if a caller stated it. */
    value_micros: number | null;
  };
  reservations: { id: string; expires_at: number; cohort: string; cost_micros: number };
  cohort_policies: {
    cohort: string;
    daily_limit_micros: number | null;
    monthly_limit_micros: number | null;
    updated_at: number;
  };
  provider_calls: {
    id: Generated<number>;
    at: number;
    provider: string;
    /** 'success', 'failure', or 'abandoned' if another provider answered first. */
    outcome: string;
    latency_ms: number;
    cost_micros: number;
    input_tokens: number;
    output_tokens: number;
  };
  /**
   * A single row, which each check of a limit locks first. Therefore two checks never run concurrently, on either
   * database.
   */
  ledger_lock: { id: number; taken_at: number };
}

export const budgetMigrations: readonly Migration[] = [
  {
    name: '001-ledger',
    async up(db): Promise<void> {
      await withIdentity(db, db.schema.createTable('spends'))
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('day', 'text', (column) => column.notNull())
        .addColumn('month', 'text', (column) => column.notNull())
        .addColumn('cohort', 'text', (column) => column.notNull())
        .addColumn('workflow', 'text', (column) => column.notNull())
        .addColumn('cost_micros', 'bigint', (column) => column.notNull())
        .addColumn('value_micros', 'bigint')
        .execute();
      await db.schema
        .createIndex('spends_month_day')
        .on('spends')
        .columns(['month', 'day', 'cohort', 'cost_micros'])
        .execute();
      await db.schema
        .createIndex('spends_cohort')
        .on('spends')
        .columns(['cohort', 'month', 'day', 'cost_micros'])
        .execute();
      await db.schema
        .createTable('reservations')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('expires_at', 'bigint', (column) => column.notNull())
        .addColumn('cohort', 'text', (column) => column.notNull())
        .addColumn('cost_micros', 'bigint', (column) => column.notNull())
        .execute();
      await db.schema
        .createTable('cohort_policies')
        .addColumn('cohort', 'text', (column) => column.primaryKey())
        .addColumn('daily_limit_micros', 'bigint')
        .addColumn('monthly_limit_micros', 'bigint')
        .addColumn('updated_at', 'bigint', (column) => column.notNull())
        .execute();
      await db.schema
        .createTable('ledger_lock')
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .addColumn('taken_at', 'bigint', (column) => column.notNull())
        .execute();
      await sql`insert into ledger_lock (id, taken_at) values (1, 0)`.execute(db);
    },
  },
  {
    name: '002-providers',
    async up(db): Promise<void> {
      await withIdentity(db, db.schema.createTable('provider_calls'))
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('provider', 'text', (column) => column.notNull())
        .addColumn('outcome', 'text', (column) => column.notNull())
        .addColumn('latency_ms', 'real', (column) => column.notNull())
        .addColumn('cost_micros', 'bigint', (column) => column.notNull())
        .addColumn('input_tokens', 'integer', (column) => column.notNull())
        .addColumn('output_tokens', 'integer', (column) => column.notNull())
        .execute();
      await db.schema.createIndex('provider_calls_recent').on('provider_calls').columns(['provider', 'id']).execute();
      await createSettingsTable(db.schema);
    },
  },
];

const MICROS = 1_000_000;

/** Converts dollars to millionths. It rounds up, so that a cost is never counted too low. */
export function toMicros(dollars: number): number {
  return Math.ceil(dollars * MICROS - 1e-6);
}

/** Converts millionths to dollars. */
export function toDollars(micros: number): number {
  return micros / MICROS;
}
