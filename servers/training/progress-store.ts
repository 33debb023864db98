/** Aggregates of the round log: the progress of a learner, overall totals, and details of one topic. */
import { sql, type Kysely } from 'kysely';
import type { TrainingSchema } from './schema.js';
import { recall, reviewAt, type MasteryModel } from './mastery.js';
import { masteryOf } from './round-store.js';

/** Recall at which a review is most effective. Spaced-repetition schedulers commonly aim at 90 %. */
const REVIEW_TARGET = 0.9;
const DAY_SQL = sql.lit(86_400_000);
const TOPICS_SHOWN = 100;

export interface TopicProgress {
  readonly learner: string;
  readonly topic: string;
  /** Probability that the topic is known now, with forgetting taken into account. */
  readonly known: number;
  readonly mastered: boolean;
  readonly rounds: number;
  readonly meanScore: number;
  readonly halfLife: number;
  readonly lastAt: number;
  /** The best time for a review: when recall falls to 90 %. Planned reviews are not considered. */
  readonly reviewAt: number;
}

export interface Known {
  readonly model: MasteryModel;
  readonly threshold: number;
  readonly now: number;
}

/** The topics a learner has practised, those with the most rounds first. */
export async function progressOf(
  db: Kysely<TrainingSchema>,
  filter: { learner?: string | undefined; topic?: string | undefined },
  { model, threshold, now }: Known,
  limit: number,
): Promise<readonly TopicProgress[]> {
  const rows = await db
    .selectFrom('mastery')
    .selectAll()
    .$if(filter.learner !== undefined, (query) => query.where('learner', '=', filter.learner!))
    .$if(filter.topic !== undefined, (query) => query.where('topic', '=', filter.topic!))
    .orderBy('rounds', 'desc')
    .orderBy('learner')
    .orderBy('topic')
    .limit(limit)
    .execute();
  return rows.flatMap((row) => {
    const state = masteryOf(row);
    if (state === undefined) return [];
    const known = recall(state, model, now);
    return {
      learner: row.learner,
      topic: row.topic,
      known,
      mastered: known >= threshold,
      rounds: row.rounds,
      meanScore: row.score_sum / row.rounds,
      halfLife: row.half_life,
      lastAt: state.lastAt,
      reviewAt: reviewAt(state, REVIEW_TARGET),
    };
  });
}

/** The numbers of sessions, rounds, learners and topics. */
export async function totals(db: Kysely<TrainingSchema>, now: number) {
  const [sessions, practice, attempts] = await Promise.all([
    db
      .selectFrom('sessions')
      .select((eb) => [
        eb.fn.countAll<number>().as('total'),
        eb.fn.sum<number>(eb.case().when('ended_at', 'is', null).then(1).else(0).end()).as('open'),
      ])
      .executeTakeFirstOrThrow(),
    db
      .selectFrom('mastery')
      .select((eb) => [
        eb.fn.sum<number>('rounds').as('rounds'),
        eb.fn.sum<number>('score_sum').as('score'),
        eb.fn.count<number>('learner').distinct().as('learners'),
        eb.fn.count<number>('topic').distinct().as('topics'),
        eb.fn.max('last_at').as('lastAt'),
      ])
      .executeTakeFirstOrThrow(),
    db
      .selectFrom('attempts')
      .select((eb) => eb.fn.countAll<number>().as('open'))
      .where('state', '=', 'open')
      .where('expires_at', '>', now)
      .executeTakeFirstOrThrow(),
  ]);
  const rounds = Number(practice.rounds ?? 0);
  return {
    sessions: { total: Number(sessions.total), open: Number(sessions.open ?? 0) },
    rounds,
    meanScore: rounds === 0 ? null : Number(practice.score) / rounds,
    learners: Number(practice.learners),
    topics: Number(practice.topics),
    openAttempts: Number(attempts.open),
    lastRoundAt: practice.lastAt ?? null,
  };
}

/**
 * The topics with the most rounds, each over all its learners. `known` is the value after each learner's last round.
 */
export async function topicTotals(db: Kysely<TrainingSchema>, threshold: number) {
  const rows = await db
    .selectFrom('mastery')
    .select((eb) => [
      'topic',
      eb.fn.countAll<number>().as('learners'),
      eb.fn.sum<number>('rounds').as('rounds'),
      eb.fn.sum<number>('score_sum').as('score'),
      eb.fn.avg<number>('known').as('known'),
      eb.fn.sum<number>(eb.case().when('known', '>=', threshold).then(1).else(0).end()).as('mastered'),
    ])
    .groupBy('topic')
    .orderBy('rounds', 'desc')
    .orderBy('topic')
    .limit(TOPICS_SHOWN)
    .execute();
  return rows.map((row) => ({
    topic: row.topic,
    learners: Number(row.learners),
    mastered: Number(row.mastered),
    rounds: Number(row.rounds),
    meanScore: Number(row.score) / Number(row.rounds),
    meanKnown: Number(row.known),
  }));
}

/** Number of rounds and mean score per day (UTC) since `from`, oldest first. Days without a round are left out. */
export async function roundsPerDay(db: Kysely<TrainingSchema>, from: number, topic?: string) {
  const day = sql<number>`${sql.ref('at')} / ${DAY_SQL}`;
  const rows = await db
    .selectFrom('rounds')
    .select((eb) => [day.as('day'), eb.fn.countAll<number>().as('rounds'), eb.fn.avg<number>('score').as('score')])
    .where('at', '>=', from)
    .$if(topic !== undefined, (query) => query.where('topic', '=', topic!))
    .groupBy(day)
    .orderBy('day')
    .execute();
  return rows.map(({ day: number, rounds, score }) => ({
    day: new Date(Number(number) * 86_400_000).toISOString().slice(0, 10),
    rounds: Number(rounds),
    meanScore: Number(score),
  }));
}

/** Results of a topic's rounds, by kind and difficulty of the challenge. */
export async function byKind(db: Kysely<TrainingSchema>, topic: string) {
  const rows = await db
    .selectFrom('rounds')
    .select((eb) => [
      'kind',
      'difficulty',
      eb.fn.countAll<number>().as('rounds'),
      eb.fn.avg<number>('score').as('score'),
    ])
    .where('topic', '=', topic)
    .groupBy(['kind', 'difficulty'])
    .orderBy('kind')
    .orderBy('difficulty')
    .execute();
  return rows.map(({ kind, difficulty, rounds, score }) => ({
    kind,
    difficulty,
    rounds: Number(rounds),
    meanScore: Number(score),
  }));
}

/** Results of attempts by topic and kind: how many were made, how many were graded, and the mean score. */
export async function challengeStats(db: Kysely<TrainingSchema>, topic: string | undefined, now: number) {
  const rows = await db
    .selectFrom('attempts')
    .select((eb) => [
      'topic',
      'kind',
      eb.fn.countAll<number>().as('attempts'),
      eb.fn.count<number>('score').as('graded'),
      eb.fn.avg<number | null>('score').as('score'),
      eb.fn
        .sum<number>(
          eb
            .case()
            .when(eb.and([eb('state', '=', 'open'), eb('expires_at', '<=', now)]))
            .then(1)
            .else(0)
            .end(),
        )
        .as('expired'),
    ])
    .$if(topic !== undefined, (query) => query.where('topic', '=', topic!))
    .groupBy(['topic', 'kind'])
    .orderBy('attempts', 'desc')
    .orderBy('topic')
    .limit(TOPICS_SHOWN)
    .execute();
  return rows.map((row) => ({
    topic: row.topic,
    kind: row.kind,
    attempts: Number(row.attempts),
    graded: Number(row.graded),
    expired: Number(row.expired),
    meanScore: row.score === null ? null : Number(row.score),
  }));
}
