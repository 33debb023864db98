/** Reviews planned for a learner: the next rounds of a topic, at the most effective times. */
import type { Kysely, Selectable } from 'kysely';
import { pageOf, type Page } from '../support/paging.js';
import type { ReviewRow, TrainingSchema } from './schema.js';

export interface Review {
  readonly id: number;
  readonly learner: string;
  readonly topic: string;
  readonly dueAt: number;
  readonly doneAt: number | null;
}

export interface PlannedReview {
  readonly topic: string;
  readonly dueAt: number;
}

/** Replaces the learner's open reviews of these topics, so that planning twice does not create duplicates. */
export async function planReviews(
  db: Kysely<TrainingSchema>,
  learner: string,
  reviews: readonly PlannedReview[],
  now: number,
): Promise<readonly Review[]> {
  const topics = [...new Set(reviews.map(({ topic }) => topic))];
  return db.transaction().execute(async (trx) => {
    await trx
      .deleteFrom('reviews')
      .where('learner', '=', learner)
      .where('topic', 'in', topics)
      .where('done_at', 'is', null)
      .execute();
    const rows = await trx
      .insertInto('reviews')
      .values(reviews.map(({ topic, dueAt }) => ({ learner, topic, due_at: dueAt, planned_at: now, done_at: null })))
      .returningAll()
      .execute();
    return rows.map(reviewOf);
  });
}

/** A learner's open reviews, in the order of planning. With `dueBefore`, reviews due later are left out. */
export async function openReviews(
  db: Kysely<TrainingSchema>,
  filter: { learner?: string | undefined; topic?: string | undefined; dueBefore?: number | undefined },
  since: number,
  limit: number,
): Promise<Page<Review>> {
  const rows = await db
    .selectFrom('reviews')
    .selectAll()
    .where('done_at', 'is', null)
    .where('id', '>', since)
    .$if(filter.learner !== undefined, (query) => query.where('learner', '=', filter.learner!))
    .$if(filter.topic !== undefined, (query) => query.where('topic', '=', filter.topic!))
    .$if(filter.dueBefore !== undefined, (query) => query.where('due_at', '<=', filter.dueBefore!))
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  return pageOf(rows.map(reviewOf), limit, ({ id }) => id);
}

function reviewOf(row: Selectable<ReviewRow>): Review {
  return { id: row.id, learner: row.learner, topic: row.topic, dueAt: row.due_at, doneAt: row.done_at };
}
