/** The tables of the segmentation service. Times are epoch milliseconds; structures are JSON text. */
import type { Generated, Kysely } from 'kysely';
import { withIdentity } from '../support/identity-column.js';
import { createSettingsTable, type SettingsSchema } from '../support/settings-store.js';

export interface AnalysisRow {
  id: Generated<number>;
  label: string | null;
  messages: number;
  segments: number;
  /** JSON: the Analysis without its gaps */
  result: string;
  /** Duration of the analysis in milliseconds. */
  duration: number;
  at: number;
}

export interface SegmentationSchema extends SettingsSchema {
  analyses: AnalysisRow;
}

export const segmentationMigrations = [
  {
    name: '001-analyses',
    up: async (db: Kysely<unknown>): Promise<void> => {
      await createSettingsTable(db.schema);
      await withIdentity(db, db.schema.createTable('analyses'))
        .addColumn('label', 'text')
        .addColumn('messages', 'integer', (column) => column.notNull())
        .addColumn('segments', 'integer', (column) => column.notNull())
        .addColumn('result', 'text', (column) => column.notNull())
        .addColumn('duration', 'double precision', (column) => column.notNull())
        .addColumn('at', 'bigint', (column) => column.notNull())
        .execute();
    },
  },
];
