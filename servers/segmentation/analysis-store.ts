/** Stores the latest analyses for reading and for cohorts. Older ones are deleted, so that the file stays small. */
import type { Kysely, Selectable } from 'kysely';
import { ResilienceError } from '../../src/index.js';
import { newestPage, type Page } from '../support/paging.js';
import type { Analysis } from './analysis.js';
import type { AnalysisRow, SegmentationSchema } from './schema.js';

const KEPT = 1000;

export type StoredResult = Pick<Analysis, 'segments' | 'boundaries' | 'topic'>;

export interface StoredAnalysis extends StoredResult {
  readonly id: number;
  readonly label: string | null;
  readonly messages: number;
  readonly duration: number;
  readonly at: number;
}

export interface NewAnalysis {
  readonly label: string | null;
  readonly messages: number;
  readonly result: StoredResult;
  readonly duration: number;
}

/** Stores an analysis and deletes all but the latest thousand. Returns its id. */
export async function keepAnalysis(db: Kysely<SegmentationSchema>, given: NewAnalysis, now: number): Promise<number> {
  const { segments, boundaries, topic } = given.result;
  const { id } = await db
    .insertInto('analyses')
    .values({
      label: given.label,
      messages: given.messages,
      segments: segments.length,
      result: JSON.stringify({ segments, boundaries, topic }),
      duration: given.duration,
      at: now,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await db
    .deleteFrom('analyses')
    .where('id', '<=', id - KEPT)
    .execute();
  return id;
}

/** @throws ResilienceError NOT_FOUND */
export async function getAnalysis(db: Kysely<SegmentationSchema>, id: number): Promise<StoredAnalysis> {
  const row = await db.selectFrom('analyses').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined)
    throw new ResilienceError('NOT_FOUND', `there is no analysis ${id}; the latest ${KEPT} are kept`);
  return analysisOf(row);
}

/** Lists analyses, newest first. */
export async function listAnalyses(
  db: Kysely<SegmentationSchema>,
  before: number | undefined,
  limit: number,
): Promise<Page<StoredAnalysis>> {
  return newestPage(db.selectFrom('analyses').selectAll(), { before, limit }, analysisOf);
}

/** The number of stored analyses, the number ever made, and their duration. */
export async function analysisTotals(db: Kysely<SegmentationSchema>) {
  const row = await db
    .selectFrom('analyses')
    .select((eb) => [
      eb.fn.countAll<number>().as('kept'),
      eb.fn.max('id').as('total'),
      eb.fn.sum<number | null>('messages').as('messages'),
      eb.fn.avg<number | null>('segments').as('segments'),
      eb.fn.avg<number | null>('duration').as('duration'),
      eb.fn.max('at').as('lastAt'),
    ])
    .executeTakeFirstOrThrow();
  const orNull = (value: number | null): number | null => (value === null ? null : Number(value));
  return {
    analyses: Number(row.total ?? 0),
    kept: Number(row.kept),
    messages: Number(row.messages ?? 0),
    meanSegments: orNull(row.segments),
    meanDuration: orNull(row.duration),
    lastAt: orNull(row.lastAt),
  };
}

function analysisOf(row: Selectable<AnalysisRow>): StoredAnalysis {
  return {
    id: row.id,
    label: row.label,
    messages: row.messages,
    ...(JSON.parse(row.result) as StoredResult),
    duration: row.duration,
    at: row.at,
  };
}
