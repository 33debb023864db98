/** Stores the fleet's capabilities, whether they are active, and the history of each. */
import type { Kysely, Selectable, Transaction } from 'kysely';
import { ResilienceError } from '../../src/index.js';
import { newestPage, type Page } from '../support/paging.js';
import type { CapabilitiesSchema, CapabilityRow, EventRow, ServiceRow } from './schema.js';

export interface Capability {
  readonly id: string;
  readonly service: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly control: boolean;
  readonly active: boolean;
  readonly present: boolean;
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly changedAt: number;
}

export interface ServiceState {
  readonly service: string;
  readonly reachable: boolean;
  readonly checks: number;
  readonly failures: number;
  readonly error: string | null;
  readonly since: number;
  readonly checkedAt: number;
}

export type EventKind = 'appeared' | 'vanished' | 'returned' | 'activated' | 'deactivated' | 'lost' | 'found';

export interface CapabilityEvent {
  readonly id: number;
  readonly kind: string;
  readonly service: string;
  readonly capability: string | null;
  readonly reason: string | null;
  readonly at: number;
}

export type Trx = Transaction<CapabilitiesSchema>;

/** Records an event, inside the caller's transaction. */
export async function addEvent(
  trx: Trx,
  kind: EventKind,
  service: string,
  capability: string | null,
  reason: string | null,
  now: number,
): Promise<void> {
  await trx.insertInto('events').values({ kind, service, capability, reason, at: now }).execute();
}

/** @throws ResilienceError NOT_FOUND */
export async function getCapability(db: Kysely<CapabilitiesSchema>, id: string): Promise<Capability> {
  const row = await db.selectFrom('capabilities').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw unknownCapability(id);
  return capabilityOf(row);
}

/**
 * Switches a capability on or off, and records the reason. It has no effect if the state is already the requested one.
 *
 * @throws ResilienceError NOT_FOUND
 */
export async function setActive(
  db: Kysely<CapabilitiesSchema>,
  id: string,
  active: boolean,
  reason: string | null,
  now: number,
): Promise<{ readonly capability: Capability; readonly changed: boolean }> {
  return db.transaction().execute(async (trx) => {
    const row = await trx
      .updateTable('capabilities')
      .set({ active: Number(active), changed_at: now })
      .where('id', '=', id)
      .where('active', '=', Number(!active))
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) return { capability: await getCapability(trx, id), changed: false };
    await addEvent(trx, active ? 'activated' : 'deactivated', row.service, id, reason, now);
    return { capability: capabilityOf(row), changed: true };
  });
}

export interface CapabilityFilter {
  readonly service?: string | undefined;
  readonly active?: boolean | undefined;
  readonly present?: boolean | undefined;
}

/** Lists capabilities ordered by id, starting after the id `after`. */
export async function listCapabilities(
  db: Kysely<CapabilitiesSchema>,
  { service, active, present }: CapabilityFilter,
  after: string,
  limit: number,
): Promise<{ readonly items: readonly Capability[]; readonly next: string | null }> {
  const rows = await db
    .selectFrom('capabilities')
    .selectAll()
    .where('id', '>', after)
    .$if(service !== undefined, (query) => query.where('service', '=', service!))
    .$if(active !== undefined, (query) => query.where('active', '=', Number(active)))
    .$if(present !== undefined, (query) => query.where('present', '=', Number(present)))
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  const items = rows.slice(0, limit).map(capabilityOf);
  return { items, next: rows.length > limit ? items.at(-1)!.id : null };
}

/** Lists events, newest first. */
export async function listEvents(
  db: Kysely<CapabilitiesSchema>,
  filter: { service?: string | undefined; capability?: string | undefined },
  before: number | undefined,
  limit: number,
): Promise<Page<CapabilityEvent>> {
  const selection = db
    .selectFrom('events')
    .selectAll()
    .$if(filter.service !== undefined, (query) => query.where('service', '=', filter.service!))
    .$if(filter.capability !== undefined, (query) => query.where('capability', '=', filter.capability!));
  return newestPage(selection, { before, limit }, eventOf);
}

/** All services that were ever asked. */
export async function listServices(db: Kysely<CapabilitiesSchema>): Promise<ServiceState[]> {
  const rows = await db.selectFrom('services').selectAll().orderBy('name').execute();
  return rows.map(serviceOf);
}

/** The number of capabilities of each service. */
export async function countsByService(db: Kysely<CapabilitiesSchema>) {
  const rows = await db
    .selectFrom('capabilities')
    .select((eb) => [
      'service',
      eb.fn.countAll<number>().as('known'),
      eb.fn.sum<number>('active').as('active'),
      eb.fn.sum<number>('present').as('present'),
    ])
    .groupBy('service')
    .orderBy('service')
    .execute();
  return rows.map((row) => ({
    service: row.service,
    known: Number(row.known),
    active: Number(row.active),
    present: Number(row.present),
  }));
}

/** The number of events of each kind per capability or service since `from`. */
export async function eventCounts(db: Kysely<CapabilitiesSchema>, from: number) {
  const rows = await db
    .selectFrom('events')
    .select((eb) => ['service', 'capability', 'kind', eb.fn.countAll<number>().as('count')])
    .where('at', '>=', from)
    .groupBy(['service', 'capability', 'kind'])
    .execute();
  return rows.map((row) => ({ ...row, count: Number(row.count) }));
}

function unknownCapability(id: string): ResilienceError {
  return new ResilienceError(
    'NOT_FOUND',
    `there is no capability '${id}'; GET /api/v1/capabilities/list names them all`,
  );
}

function capabilityOf(row: Selectable<CapabilityRow>): Capability {
  return {
    id: row.id,
    service: row.service,
    method: row.method,
    path: row.path,
    summary: row.summary,
    control: row.control === 1,
    active: row.active === 1,
    present: row.present === 1,
    firstSeen: row.first_seen,
    lastSeen: row.last_seen,
    changedAt: row.changed_at,
  };
}

function serviceOf(row: Selectable<ServiceRow>): ServiceState {
  return {
    service: row.name,
    reachable: row.reachable === 1,
    checks: row.checks,
    failures: row.failures,
    error: row.error,
    since: row.since,
    checkedAt: row.checked_at,
  };
}

function eventOf(row: Selectable<EventRow>): CapabilityEvent {
  const { id, kind, service, capability, reason, at } = row;
  return { id, kind, service, capability, reason, at };
}
