/** The tables of the reports service. Times are epoch milliseconds; structures are JSON text. */
import type { Generated, Kysely } from 'kysely';
import { withIdentity } from '../support/identity-column.js';
import { createLeaseTable, type LeaseSchema } from '../support/lease.js';

/** The fleet's numbers at one time. */
export interface SnapshotRow {
  id: Generated<number>;
  at: number;
  /** JSON: Record<metric, number> */
  metrics: string;
}

export interface ReportsSchema extends LeaseSchema {
  snapshots: SnapshotRow;
}

export const reportsMigrations = [
  {
    name: '001-snapshots',
    up: async (db: Kysely<unknown>): Promise<void> => {
      await createLeaseTable(db);
      await withIdentity(db, db.schema.createTable('snapshots'))
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('metrics', 'text', (column) => column.notNull())
        .execute();
      await db.schema.createIndex('snapshots_by_time').on('snapshots').column('at').execute();
    },
  },
];
