/** Stores the studies with their baselines, and the findings made since. */
import type { Kysely, Selectable } from 'kysely';
import type { Measurement } from './measurement.js';
import type { FindingRow, MetaSchema, StudyRow } from './schema.js';

export type FindingKind = 'plateau' | 'forecast' | 'boost';

export interface Study {
  readonly id: number;
  readonly learner: string;
  readonly topic: string | null;
  readonly baseline: Measurement;
  readonly startedAt: number;
}

export interface Finding {
  readonly id: number;
  readonly learner: string;
  readonly topic: string | null;
  readonly kind: string;
  readonly result: unknown;
  readonly at: number;
}

const SHOWN = 50;

export async function startStudy(
  db: Kysely<MetaSchema>,
  learner: string,
  topic: string | null,
  baseline: Measurement,
  now: number,
): Promise<Study> {
  const row = await db
    .insertInto('studies')
    .values({ learner, topic, baseline: JSON.stringify(baseline), started_at: now })
    .returningAll()
    .executeTakeFirstOrThrow();
  return studyOf(row);
}

/** The latest studies of a learner, newest first. */
export async function studiesOf(db: Kysely<MetaSchema>, learner: string): Promise<Study[]> {
  const rows = await db
    .selectFrom('studies')
    .selectAll()
    .where('learner', '=', learner)
    .orderBy('id', 'desc')
    .limit(SHOWN)
    .execute();
  return rows.map(studyOf);
}

export async function addFinding(
  db: Kysely<MetaSchema>,
  finding: { learner: string; topic: string | null; kind: FindingKind; result: object },
  now: number,
): Promise<void> {
  const { learner, topic, kind, result } = finding;
  await db
    .insertInto('findings')
    .values({ learner, topic, kind, result: JSON.stringify(result), at: now })
    .execute();
}

/** The latest findings about a learner, newest first. */
export async function findingsOf(db: Kysely<MetaSchema>, learner: string): Promise<Finding[]> {
  const rows = await db
    .selectFrom('findings')
    .selectAll()
    .where('learner', '=', learner)
    .orderBy('id', 'desc')
    .limit(SHOWN)
    .execute();
  return rows.map(findingOf);
}

/** Number of stored studies, findings and learners. */
export async function counts(db: Kysely<MetaSchema>): Promise<{ studies: number; findings: number; learners: number }> {
  const [studies, findings] = await Promise.all([
    db
      .selectFrom('studies')
      .select((eb) => [eb.fn.countAll<number>().as('count'), eb.fn.count<number>('learner').distinct().as('learners')])
      .executeTakeFirstOrThrow(),
    db
      .selectFrom('findings')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow(),
  ]);
  return { studies: Number(studies.count), findings: Number(findings.count), learners: Number(studies.learners) };
}

/**
 * Deletes the studies and findings of one learner, or of all learners. Returns how many of each it deleted.
 * The data in the training service is not affected.
 */
export async function reset(
  db: Kysely<MetaSchema>,
  learner: string | undefined,
): Promise<{ studies: number; findings: number }> {
  return db.transaction().execute(async (trx) => {
    const studies = await trx
      .deleteFrom('studies')
      .$if(learner !== undefined, (query) => query.where('learner', '=', learner!))
      .executeTakeFirstOrThrow();
    const findings = await trx
      .deleteFrom('findings')
      .$if(learner !== undefined, (query) => query.where('learner', '=', learner!))
      .executeTakeFirstOrThrow();
    return { studies: Number(studies.numDeletedRows), findings: Number(findings.numDeletedRows) };
  });
}

function studyOf(row: Selectable<StudyRow>): Study {
  return {
    id: row.id,
    learner: row.learner,
    topic: row.topic,
    baseline: JSON.parse(row.baseline) as Measurement,
    startedAt: row.started_at,
  };
}

function findingOf(row: Selectable<FindingRow>): Finding {
  return {
    id: row.id,
    learner: row.learner,
    topic: row.topic,
    kind: row.kind,
    result: JSON.parse(row.result) as unknown,
    at: row.at,
  };
}
