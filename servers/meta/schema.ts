/** The tables of the meta-learning service. Times are epoch milliseconds; structures are JSON text. */
import type { Generated, Kysely } from 'kysely';
import { withIdentity } from '../support/identity-column.js';

/** A learner under study. Later measurements are compared with the baseline from the start. */
export interface StudyRow {
  id: Generated<number>;
  learner: string;
  topic: string | null;
  /** JSON: Measurement */
  baseline: string;
  started_at: number;
}

/** A finding about a learner. Each request for an analysis appends one. */
export interface FindingRow {
  id: Generated<number>;
  learner: string;
  topic: string | null;
  kind: string;
  /** JSON; its shape depends on the kind. */
  result: string;
  at: number;
}

export interface MetaSchema {
  studies: StudyRow;
  findings: FindingRow;
}

export const metaMigrations = [
  {
    name: '001-studies-and-findings',
    up: async (db: Kysely<unknown>): Promise<void> => {
      await withIdentity(db, db.schema.createTable('studies'))
        .addColumn('learner', 'text', (column) => column.notNull())
        .addColumn('topic', 'text')
        .addColumn('baseline', 'text', (column) => column.notNull())
        .addColumn('started_at', 'bigint', (column) => column.notNull())
        .execute();
      await db.schema.createIndex('studies_by_learner').on('studies').columns(['learner', 'id']).execute();
      await withIdentity(db, db.schema.createTable('findings'))
        .addColumn('learner', 'text', (column) => column.notNull())
        .addColumn('topic', 'text')
        .addColumn('kind', 'text', (column) => column.notNull())
        .addColumn('result', 'text', (column) => column.notNull())
        .addColumn('at', 'bigint', (column) => column.notNull())
        .execute();
      await db.schema.createIndex('findings_by_learner').on('findings').columns(['learner', 'id']).execute();
    },
  },
];
