/** Snapshots of the fleet's numbers: one per minute, for a week. */
import { sql, type Kysely, type Selectable } from 'kysely';
import { ResilienceError } from '../../src/index.js';
import { newestPage, type Page } from '../support/paging.js';
import type { ReportsSchema, SnapshotRow } from './schema.js';
import type { Metrics } from './sources.js';

/** One snapshot per minute for seven days. */
const KEPT = 7 * 24 * 60;
const DAY = 24 * 3_600_000;

export interface Snapshot {
  readonly id: number;
  readonly at: number;
  readonly metrics: Metrics;
}

/** Stores a snapshot and deletes snapshots beyond the maximum. */
export async function keepSnapshot(db: Kysely<ReportsSchema>, metrics: Metrics, now: number): Promise<Snapshot> {
  const row = await db
    .insertInto('snapshots')
    .values({ at: now, metrics: JSON.stringify(metrics) })
    .returningAll()
    .executeTakeFirstOrThrow();
  await db
    .deleteFrom('snapshots')
    .where('id', '<=', row.id - KEPT)
    .execute();
  return snapshotOf(row);
}

/** Lists snapshots, newest first. */
export async function listSnapshots(
  db: Kysely<ReportsSchema>,
  before: number | undefined,
  limit: number,
): Promise<Page<Snapshot>> {
  return newestPage(db.selectFrom('snapshots').selectAll(), { before, limit }, snapshotOf);
}

/**
 * The snapshots from `from` (included) to `to` (excluded), oldest first. For a period of up to a day it returns all.
 * For longer periods it returns every second, third, … one, so that reading a week costs no more than a day.
 */
export async function snapshotsBetween(db: Kysely<ReportsSchema>, from: number, to: number): Promise<Snapshot[]> {
  const every = Math.max(1, Math.round((to - from) / DAY));
  const rows = await db
    .selectFrom('snapshots')
    .selectAll()
    .where('at', '>=', from)
    .where('at', '<', to)
    .$if(every > 1, (query) => query.where(sql<boolean>`${sql.ref('id')} % ${sql.lit(every)} = 0`))
    .orderBy('at')
    .orderBy('id')
    .limit(KEPT)
    .execute();
  return rows.map(snapshotOf);
}

/** @throws ResilienceError NOT_FOUND */
export async function getSnapshot(db: Kysely<ReportsSchema>, id: number): Promise<Snapshot> {
  const row = await db.selectFrom('snapshots').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new ResilienceError('NOT_FOUND', `there is no snapshot ${id}; a week of them is kept`);
  return snapshotOf(row);
}

/** The first snapshot at or after `at`. */
export async function firstSince(db: Kysely<ReportsSchema>, at: number): Promise<Snapshot | undefined> {
  const row = await db
    .selectFrom('snapshots')
    .selectAll()
    .where('at', '>=', at)
    .orderBy('at')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return row && snapshotOf(row);
}

function snapshotOf(row: Selectable<SnapshotRow>): Snapshot {
  return { id: row.id, at: row.at, metrics: JSON.parse(row.metrics) as Metrics };
}
