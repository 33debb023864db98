/** The tables of a service's history. Times are epoch milliseconds; steps and traces are compressed JSON. */
import type { Kysely } from 'kysely';
import type { Dialect } from '../../src/index.js';
import { withIdentity } from '../support/identity-column.js';
import type { Migration } from '../support/database.js';

export interface HistorySchema {
  history_steps: {
    at: number;
    /** Milliseconds. */
    span: number;
    instance: string;
    /** Distinguishes a process from an earlier one of the same instance. */
    process: string;
    /** Bytes of `data`. */
    size: number;
    data: Uint8Array;
  };
  history_events: {
    id?: number;
    at: number;
    kind: string;
    service: string;
    instance: string;
    text: string;
  };
  history_traces: {
    trace_id: string;
    instance: string;
    at: number;
    /** Summary for searches, as JSON. */
    summary: string;
    size: number;
    data: Uint8Array;
  };
}

export const historyMigrations: readonly Migration[] = [
  {
    name: '001-history',
    async up(db, dialect) {
      await createSteps(db, dialect);
      await createEvents(db);
      await createTraces(db, dialect);
    },
  },
];

const binary = (dialect: Dialect): 'bytea' | 'blob' => (dialect === 'postgres' ? 'bytea' : 'blob');

async function createSteps({ schema }: Kysely<unknown>, dialect: Dialect): Promise<void> {
  await schema
    .createTable('history_steps')
    .addColumn('span', 'integer', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('instance', 'text', (column) => column.notNull())
    .addColumn('process', 'text', (column) => column.notNull())
    .addColumn('size', 'integer', (column) => column.notNull())
    .addColumn('data', binary(dialect) as 'bytea', (column) => column.notNull())
    .addPrimaryKeyConstraint('history_steps_key', ['span', 'at', 'instance', 'process'])
    .execute();
}

async function createEvents(db: Kysely<unknown>): Promise<void> {
  await withIdentity(db, db.schema.createTable('history_events'))
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('service', 'text', (column) => column.notNull())
    .addColumn('instance', 'text', (column) => column.notNull())
    .addColumn('text', 'text', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('history_events_by_time').on('history_events').column('at').execute();
}

async function createTraces({ schema }: Kysely<unknown>, dialect: Dialect): Promise<void> {
  await schema
    .createTable('history_traces')
    .addColumn('trace_id', 'text', (column) => column.notNull())
    .addColumn('instance', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('summary', 'text', (column) => column.notNull())
    .addColumn('size', 'integer', (column) => column.notNull())
    .addColumn('data', binary(dialect) as 'bytea', (column) => column.notNull())
    .addPrimaryKeyConstraint('history_traces_key', ['trace_id', 'instance'])
    .execute();
  await schema.createIndex('history_traces_by_time').on('history_traces').column('at').execute();
}
