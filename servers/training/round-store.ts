/** Rounds: an append-only log of the learners' results, and the mastery per learner and topic derived from it. */
import type { Kysely, Selectable, Transaction } from 'kysely';
import { newestPage, pageOf, type Page } from '../support/paging.js';
import { observe, recall, type Mastery, type MasteryModel } from './mastery.js';
import type { MasteryRow, RoundRow, TrainingSchema } from './schema.js';

export interface Round {
  readonly id: number;
  readonly sessionId: number | null;
  readonly attemptId: string | null;
  readonly learner: string;
  readonly topic: string;
  readonly kind: string | null;
  readonly difficulty: number | null;
  readonly score: number;
  readonly elapsed: number | null;
  readonly knownBefore: number;
  readonly knownAfter: number;
  readonly halfLife: number;
  readonly source: string;
  readonly at: number;
}

/** A finished round, before the mastery is updated from it. */
export type Outcome = Pick<
  Round,
  'sessionId' | 'attemptId' | 'learner' | 'topic' | 'kind' | 'difficulty' | 'score' | 'source'
>;

export interface RoundFilter {
  readonly learner?: string | undefined;
  readonly topic?: string | undefined;
}

/** Appends a round and updates the learner's mastery of the topic, inside the caller's transaction. */
export async function recordRound(
  trx: Transaction<TrainingSchema>,
  outcome: Outcome,
  model: MasteryModel,
  now: number,
): Promise<Round> {
  const { learner, topic, score } = outcome;
  const before = await lockMastery(trx, learner, topic, score, model);
  const after = observe(before, score, now, model);
  await trx
    .updateTable('mastery')
    .set({ known: after.known, half_life: after.halfLife, last_at: after.lastAt })
    .where('learner', '=', learner)
    .where('topic', '=', topic)
    .execute();
  await trx
    .updateTable('reviews')
    .set({ done_at: now })
    .where('learner', '=', learner)
    .where('topic', '=', topic)
    .where('done_at', 'is', null)
    .where('due_at', '<=', now)
    .execute();
  const row = await trx
    .insertInto('rounds')
    .values({
      session_id: outcome.sessionId,
      attempt_id: outcome.attemptId,
      learner,
      topic,
      kind: outcome.kind,
      difficulty: outcome.difficulty,
      score,
      elapsed: before === undefined ? null : Math.max(0, now - before.lastAt),
      known_before: before === undefined ? model.prior : recall(before, model, now),
      known_after: after.known,
      half_life: after.halfLife,
      source: outcome.source,
      at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return roundOf(row);
}

/** Adds the round to the row of the learner and topic. This locks the row. Returns the mastery before the round. */
async function lockMastery(
  trx: Transaction<TrainingSchema>,
  learner: string,
  topic: string,
  score: number,
  model: MasteryModel,
): Promise<Mastery | undefined> {
  const row = await trx
    .insertInto('mastery')
    .values({
      learner,
      topic,
      known: model.prior,
      half_life: model.initialHalfLife,
      rounds: 1,
      score_sum: score,
      last_at: null,
    })
    .onConflict((conflict) =>
      conflict.columns(['learner', 'topic']).doUpdateSet((eb) => ({
        rounds: eb('mastery.rounds', '+', 1),
        score_sum: eb('mastery.score_sum', '+', score),
      })),
    )
    .returning(['known', 'half_life', 'last_at'])
    .executeTakeFirstOrThrow();
  return masteryOf(row);
}

/** The mastery of a learner and topic; undefined before the first round. */
export function masteryOf(row: Pick<Selectable<MasteryRow>, 'known' | 'half_life' | 'last_at'>): Mastery | undefined {
  return row.last_at === null ? undefined : { known: row.known, halfLife: row.half_life, lastAt: row.last_at };
}

/** Rounds after the round `since`, oldest first. Services that follow the log read it page by page. */
export async function roundsSince(
  db: Kysely<TrainingSchema>,
  filter: RoundFilter,
  since: number,
  limit: number,
): Promise<Page<Round>> {
  const rows = await filtered(db, filter)
    .where('id', '>', since)
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  return pageOf(rows.map(roundOf), limit, ({ id }) => id);
}

/** Rounds before the round `before`, newest first. */
export async function roundsBefore(
  db: Kysely<TrainingSchema>,
  filter: RoundFilter,
  before: number | undefined,
  limit: number,
): Promise<Page<Round>> {
  return newestPage(filtered(db, filter), { before, limit }, roundOf);
}

function filtered(db: Kysely<TrainingSchema>, { learner, topic }: RoundFilter) {
  return db
    .selectFrom('rounds')
    .selectAll()
    .$if(learner !== undefined, (query) => query.where('learner', '=', learner!))
    .$if(topic !== undefined, (query) => query.where('topic', '=', topic!));
}

function roundOf(row: Selectable<RoundRow>): Round {
  return {
    id: row.id,
    sessionId: row.session_id,
    attemptId: row.attempt_id,
    learner: row.learner,
    topic: row.topic,
    kind: row.kind,
    difficulty: row.difficulty,
    score: row.score,
    elapsed: row.elapsed,
    knownBefore: row.known_before,
    knownAfter: row.known_after,
    halfLife: row.half_life,
    source: row.source,
    at: row.at,
  };
}
