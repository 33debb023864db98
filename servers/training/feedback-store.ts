/** Learners' feedback on their training: a rating and an optional comment. */
import type { Kysely, Selectable } from 'kysely';
import { newestPage, type Page } from '../support/paging.js';
import type { FeedbackRow, TrainingSchema } from './schema.js';

export interface Feedback {
  readonly id: number;
  readonly learner: string;
  readonly sessionId: number | null;
  readonly topic: string | null;
  /** 1 (poor) to 5 (excellent). */
  readonly rating: number;
  readonly comment: string | null;
  readonly at: number;
}

export type NewFeedback = Omit<Feedback, 'id' | 'at'>;

const TOPICS_SHOWN = 100;

export async function addFeedback(db: Kysely<TrainingSchema>, given: NewFeedback, now: number): Promise<Feedback> {
  const row = await db
    .insertInto('feedback')
    .values({
      learner: given.learner,
      session_id: given.sessionId,
      topic: given.topic,
      rating: given.rating,
      comment: given.comment,
      at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return feedbackOf(row);
}

/** Lists feedback, newest first. */
export async function listFeedback(
  db: Kysely<TrainingSchema>,
  filter: { topic?: string | undefined; learner?: string | undefined },
  before: number | undefined,
  limit: number,
): Promise<Page<Feedback>> {
  const selection = db
    .selectFrom('feedback')
    .selectAll()
    .$if(filter.topic !== undefined, (query) => query.where('topic', '=', filter.topic!))
    .$if(filter.learner !== undefined, (query) => query.where('learner', '=', filter.learner!));
  return newestPage(selection, { before, limit }, feedbackOf);
}

/** The number of each rating and the mean rating, overall and per topic. */
export async function summarizeFeedback(db: Kysely<TrainingSchema>) {
  const [ratings, topics] = await Promise.all([
    db
      .selectFrom('feedback')
      .select((eb) => ['rating', eb.fn.countAll<number>().as('count')])
      .groupBy('rating')
      .execute(),
    db
      .selectFrom('feedback')
      .select((eb) => ['topic', eb.fn.countAll<number>().as('count'), eb.fn.avg<number>('rating').as('mean')])
      .where('topic', 'is not', null)
      .groupBy('topic')
      .orderBy('count', 'desc')
      .orderBy('topic')
      .limit(TOPICS_SHOWN)
      .execute(),
  ]);
  const distribution = [1, 2, 3, 4, 5].map((rating) =>
    Number(ratings.find((row) => row.rating === rating)?.count ?? 0),
  );
  const count = distribution.reduce((sum, one) => sum + one, 0);
  const points = distribution.reduce((sum, one, i) => sum + one * (i + 1), 0);
  return {
    count,
    meanRating: count === 0 ? null : points / count,
    distribution,
    topics: topics.map((row) => ({ topic: row.topic, count: Number(row.count), meanRating: Number(row.mean) })),
  };
}

function feedbackOf(row: Selectable<FeedbackRow>): Feedback {
  return {
    id: row.id,
    learner: row.learner,
    sessionId: row.session_id,
    topic: row.topic,
    rating: row.rating,
    comment: row.comment,
    at: row.at,
  };
}
