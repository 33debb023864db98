/** The tables of the coach. Times are epoch milliseconds; structures are JSON text. */
import { sql, type Generated, type Kysely } from 'kysely';
import { withIdentity } from '../support/identity-column.js';
import { createLeaseTable, type LeaseSchema } from '../support/lease.js';
import { createSettingsTable, type SettingsSchema } from '../support/settings-store.js';

/** A coaching run of one learner. */
export interface RunRow {
  id: Generated<number>;
  learner: string;
  /** JSON: string[] */
  topics: string;
  mode: string;
  state: string;
  /** Milliseconds between checks of the learner. */
  interval: number;
  /** The session at the training service; null before the first step. */
  session_id: number | null;
  /** The round that was given to the learner and is not settled yet. */
  attempt_id: string | null;
  /** Number of steps. The process that increments it owns the step. */
  step: number;
  next_at: number;
  opened: number;
  answered: number;
  score_sum: number;
  lapsed: number;
  /** Number of consecutive lapsed rounds. The learner is probably away, so the coach checks less often. */
  lapsed_in_row: number;
  boost_topic: string | null;
  boost_left: number;
  fast_left: number;
  last_error: string | null;
  started_at: number;
  stopped_at: number | null;
}

export interface CoachSchema extends SettingsSchema, LeaseSchema {
  runs: RunRow;
}

export const coachMigrations = [
  {
    name: '001-runs',
    up: async (db: Kysely<unknown>): Promise<void> => {
      await createSettingsTable(db.schema);
      await createLeaseTable(db);
      await createRuns(db);
    },
  },
];

async function createRuns(db: Kysely<unknown>): Promise<void> {
  await withIdentity(db, db.schema.createTable('runs'))
    .addColumn('learner', 'text', (column) => column.notNull())
    .addColumn('topics', 'text', (column) => column.notNull())
    .addColumn('mode', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('interval', 'bigint', (column) => column.notNull())
    .addColumn('session_id', 'bigint')
    .addColumn('attempt_id', 'text')
    .addColumn('step', 'integer', (column) => column.notNull())
    .addColumn('next_at', 'bigint', (column) => column.notNull())
    .addColumn('opened', 'integer', (column) => column.notNull())
    .addColumn('answered', 'integer', (column) => column.notNull())
    .addColumn('score_sum', 'double precision', (column) => column.notNull())
    .addColumn('lapsed', 'integer', (column) => column.notNull())
    .addColumn('lapsed_in_row', 'integer', (column) => column.notNull())
    .addColumn('boost_topic', 'text')
    .addColumn('boost_left', 'integer', (column) => column.notNull())
    .addColumn('fast_left', 'integer', (column) => column.notNull())
    .addColumn('last_error', 'text')
    .addColumn('started_at', 'bigint', (column) => column.notNull())
    .addColumn('stopped_at', 'bigint')
    .execute();
  await db.schema.createIndex('runs_due').on('runs').columns(['state', 'next_at']).execute();
  // A unique index ensures one active run per learner, because two requests may start at the same time.
  await db.schema
    .createIndex('runs_one_active')
    .unique()
    .on('runs')
    .column('learner')
    .where(sql<boolean>`state = 'active'`)
    .execute();
}
