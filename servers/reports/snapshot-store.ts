/** The fleet's numbers over time: a week of them, one a minute. */
import { sql, type Kysely, type Selectable } from 'kysely';
import { ResilienceError } from '../../src/index.js';
import { newestPage, type Page } from '../support/paging.js';
import type { ReportsSchema, SnapshotRow } from './schema.js';
import type { Metrics } from './sources.js';

/** Seven days of a snapshot a minute. */
const KEPT = 7 * 24 * 60;
const DAY = 24 * 3_600_000;

export interface Snapshot {
  readonly id: number;
  readonly at: number;
  readonly metrics: Metrics;
}

/** Keeps a snapshot and lets go of those older than a week's worth. */
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

/** Snapshots newest first. */
export async function listSnapshots(
  db: Kysely<ReportsSchema>,
  before: number | undefined,
  limit: number,
): Promise<Page<Snapshot>> {
  return newestPage(db.selectFrom('snapshots').selectAll(), { before, limit }, snapshotOf);
}

/**
 * The snapshots from `from` (included) to `to` (excluded), oldest first: every one of a day or less, and of a longer span
 * every second, third, … so that a week costs no more to read than a day.
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

/** The first snapshot not before `at`. */
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
