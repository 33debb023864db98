/** The tables of the capabilities service. Times are epoch milliseconds; booleans are 0 or 1. */
import type { Generated, Kysely } from 'kysely';
import { withIdentity } from '../support/identity-column.js';
import { createLeaseTable, type LeaseSchema } from '../support/lease.js';

/** A route that a service offers or has offered. */
export interface CapabilityRow {
  /** `training:POST /api/v1/training/start` */
  id: string;
  service: string;
  method: string;
  path: string;
  summary: string;
  control: number;
  active: number;
  /** Whether the service offered it at the last successful check. */
  present: number;
  first_seen: number;
  last_seen: number;
  changed_at: number;
}

/** The state of a service according to discovery. */
export interface ServiceRow {
  name: string;
  reachable: number;
  /** Number of checks, and number of checks without an answer. */
  checks: number;
  failures: number;
  /** The reason of the last check without an answer. */
  error: string | null;
  /** Since when the service has been reachable or unreachable. */
  since: number;
  checked_at: number;
}

/** An event of a capability or a service. Rows are appended and never changed. */
export interface EventRow {
  id: Generated<number>;
  kind: string;
  service: string;
  capability: string | null;
  reason: string | null;
  at: number;
}

export interface CapabilitiesSchema extends LeaseSchema {
  capabilities: CapabilityRow;
  services: ServiceRow;
  events: EventRow;
}

export const capabilitiesMigrations = [
  {
    name: '001-capabilities',
    up: async (db: Kysely<unknown>): Promise<void> => {
      await createLeaseTable(db);
      await createCapabilities(db);
      await createServices(db);
      await createEvents(db);
    },
  },
];

async function createCapabilities({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('capabilities')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('service', 'text', (column) => column.notNull())
    .addColumn('method', 'text', (column) => column.notNull())
    .addColumn('path', 'text', (column) => column.notNull())
    .addColumn('summary', 'text', (column) => column.notNull())
    .addColumn('control', 'integer', (column) => column.notNull())
    .addColumn('active', 'integer', (column) => column.notNull())
    .addColumn('present', 'integer', (column) => column.notNull())
    .addColumn('first_seen', 'bigint', (column) => column.notNull())
    .addColumn('last_seen', 'bigint', (column) => column.notNull())
    .addColumn('changed_at', 'bigint', (column) => column.notNull())
    .execute();
  await schema.createIndex('capabilities_by_service').on('capabilities').columns(['service', 'path']).execute();
}

async function createServices({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('services')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('reachable', 'integer', (column) => column.notNull())
    .addColumn('checks', 'bigint', (column) => column.notNull())
    .addColumn('failures', 'bigint', (column) => column.notNull())
    .addColumn('error', 'text')
    .addColumn('since', 'bigint', (column) => column.notNull())
    .addColumn('checked_at', 'bigint', (column) => column.notNull())
    .execute();
}

async function createEvents(db: Kysely<unknown>): Promise<void> {
  await withIdentity(db, db.schema.createTable('events'))
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('service', 'text', (column) => column.notNull())
    .addColumn('capability', 'text')
    .addColumn('reason', 'text')
    .addColumn('at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('events_by_service').on('events').columns(['service', 'id']).execute();
}
