/** Updates the stored capabilities with the results of a discovery. */
import type { Kysely, Selectable } from 'kysely';
import { addEvent, type Trx } from './capability-store.js';
import { capabilityId, isCapability, type Discovered, type Route } from './discovery.js';
import type { CapabilitiesSchema, CapabilityRow } from './schema.js';

/** Reachability of a service that was never asked. */
const UNKNOWN = -1;

/**
 * New capabilities are active, and removed ones stay in the table. If a service does not answer, its capabilities do
 * not change.
 */
export async function absorb(db: Kysely<CapabilitiesSchema>, found: readonly Discovered[], now: number): Promise<void> {
  await db.transaction().execute(async (trx) => {
    for (const one of found) {
      await noteService(trx, one, now);
      if (one.available) await noteRoutes(trx, one.service, one.routes.filter(isCapability), now);
    }
  });
}

async function noteService(trx: Trx, found: Discovered, now: number): Promise<void> {
  const failed = found.available ? 0 : 1;
  const error = found.available ? null : `${found.code}: ${found.reason}`;
  // The update of the counters comes first because it locks the row. The values compared below cannot change meanwhile.
  const before = await trx
    .insertInto('services')
    .values({
      name: found.service,
      reachable: UNKNOWN,
      checks: 1,
      failures: failed,
      error,
      since: now,
      checked_at: now,
    })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((eb) => ({
        checks: eb('services.checks', '+', 1),
        failures: eb('services.failures', '+', failed),
        error,
        checked_at: now,
      })),
    )
    .returning('reachable')
    .executeTakeFirstOrThrow();
  if (before.reachable === 1 - failed) return;
  await trx
    .updateTable('services')
    .set({ reachable: 1 - failed, since: now })
    .where('name', '=', found.service)
    .execute();
  // A service that was never reachable does not count as lost.
  if (before.reachable !== UNKNOWN || failed === 0) {
    await addEvent(trx, failed === 0 ? 'found' : 'lost', found.service, null, error, now);
  }
}

async function noteRoutes(trx: Trx, service: string, routes: readonly Route[], now: number): Promise<void> {
  const known = await trx.selectFrom('capabilities').selectAll().where('service', '=', service).execute();
  const offered = new Map(routes.map((route) => [capabilityId(service, route), route]));
  for (const [id, route] of offered) {
    const row = known.find((one) => one.id === id);
    if (row === undefined) await addCapability(trx, id, service, route, now);
    else if (isChanged(row, route)) await refreshCapability(trx, row, route, now);
  }
  await noteSeen(trx, [...offered.keys()], now);
  for (const row of known) {
    if (row.present === 0 || offered.has(row.id)) continue;
    await trx.updateTable('capabilities').set({ present: 0, changed_at: now }).where('id', '=', row.id).execute();
    await addEvent(trx, 'vanished', service, row.id, null, now);
  }
}

async function addCapability(trx: Trx, id: string, service: string, route: Route, now: number): Promise<void> {
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('capabilities')
    .values({
      id,
      service,
      method: route.method,
      path: route.path,
      summary: route.summary,
      control: Number(route.control),
      active: 1,
      present: 1,
      first_seen: now,
      last_seen: now,
      changed_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow();
  if (numInsertedOrUpdatedRows !== 0n) await addEvent(trx, 'appeared', service, id, null, now);
}

function isChanged(row: Selectable<CapabilityRow>, { summary, control }: Route): boolean {
  return row.present === 0 || row.summary !== summary || row.control !== Number(control);
}

/** One statement for all capabilities of a service, because most discoveries find nothing new. */
async function noteSeen(trx: Trx, ids: readonly string[], now: number): Promise<void> {
  if (ids.length === 0) return;
  await trx.updateTable('capabilities').set({ last_seen: now }).where('id', 'in', ids).execute();
}

async function refreshCapability(trx: Trx, row: Selectable<CapabilityRow>, route: Route, now: number): Promise<void> {
  const returned = row.present === 0;
  await trx
    .updateTable('capabilities')
    .set({
      summary: route.summary,
      control: Number(route.control),
      present: 1,
      ...(returned && { changed_at: now }),
    })
    .where('id', '=', row.id)
    .execute();
  if (returned) await addEvent(trx, 'returned', row.service, row.id, null, now);
}
