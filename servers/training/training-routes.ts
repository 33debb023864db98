/** `/api/v1/training`: sessions, rounds, progress, reviews, settings. */
import type { Kysely } from 'kysely';
import * as z from 'zod';
import { ResilienceError, type Clock } from '../../src/index.js';
import { learnerName, textField, topicName } from '../support/fields.js';
import { newestFirst, oldestFirst, pageLimit } from '../support/paging.js';
import { created, RouteTable, validate } from '../support/route-table.js';
import { settingsStore } from '../support/settings-store.js';
import { attemptStore } from './attempt-store.js';
import { answer } from './challenge.js';
import { openRound, recordScore } from './practice.js';
import { byKind, progressOf, roundsPerDay, topicTotals, totals } from './progress-store.js';
import { openReviews, planReviews } from './review-store.js';
import { roundsBefore, roundsSince } from './round-store.js';
import type { TrainingSchema } from './schema.js';
import { sessionStore } from './session-store.js';
import { settingsPatch, trainingSettings } from './settings.js';

const DAY = 86_400_000;
const OVERVIEW_DAYS = 14;
/** A large maximum, because other services read the log in pages. */
const logLimit = z.coerce.number().int().min(1).max(1000).default(50);

export const sessionId = z.number().int().min(1);
/** The player of a round: the learner, or the name of a program, so that reports can separate them. */
export const source = textField(40).default('learner');

const startBody = z.strictObject({
  learner: learnerName.default('default'),
  topics: z.array(topicName).min(1).max(50),
  settings: settingsPatch.optional(),
});

const roundBody = z
  .strictObject({
    sessionId,
    topic: topicName.optional(),
    attemptId: z.uuid().optional(),
    answer: answer.optional(),
    score: z.number().min(0).max(1).optional(),
    correct: z.boolean().optional(),
    source,
  })
  .refine(({ answer, score, correct }) => [answer, score, correct].filter((one) => one !== undefined).length <= 1, {
    message: 'give one of answer, score and correct',
    path: ['answer'],
  })
  .refine(({ answer, attemptId }) => answer === undefined || attemptId !== undefined, {
    message: 'an answer belongs to an attempt',
    path: ['attemptId'],
  });

const learnerQuery = { learner: learnerName.optional() };
const reviewsBody = z.strictObject({
  learner: learnerName,
  reviews: z
    .array(z.strictObject({ topic: topicName, dueAt: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER) }))
    .min(1)
    .max(200),
});

/** The routes, using this database. */
export function trainingRoutes(db: Kysely<TrainingSchema>, clock: Clock, controlToken?: string): RouteTable {
  const sessions = sessionStore(db);
  const attempts = attemptStore(db);
  const settings = settingsStore(db, 'training', trainingSettings);
  const known = async () => {
    const model = await settings.read();
    return { model, threshold: model.masteryThreshold, now: clock.now() };
  };

  /** A round request does one of three things: close an attempt, record a score, or open a challenge. */
  const playRound = async (body: z.output<typeof roundBody>) => {
    const { attemptId, topic, source } = body;
    const score = body.score ?? (body.correct === undefined ? undefined : Number(body.correct));
    const session = await sessions.get(body.sessionId);
    if (topic !== undefined && !session.topics.includes(topic)) throw foreignTopic(topic, session.topics);
    const now = clock.now();
    if (attemptId !== undefined) {
      const attempt = await attempts.get(attemptId, now);
      if (attempt.sessionId !== session.id) {
        throw new ResilienceError('CONFLICT', `attempt ${attemptId} belongs to another session`);
      }
      const result = body.answer !== undefined ? { answer: body.answer } : { score: requiredScore(score) };
      return attempts.close(attemptId, result, source, session.settings, now);
    }
    if (score === undefined) return { attempt: await openRound(db, session, topic, now) };
    const round = await recordScore(db, session, { topic: topic ?? onlyTopic(session.topics), score, source }, now);
    return { round };
  };

  return new RouteTable('/api/v1/training', controlToken)
    .post('/start', { summary: 'Start a session of a learner on topics', body: startBody }, async ({ body }) => {
      const merged = validate('body.settings', trainingSettings, { ...(await settings.read()), ...body.settings });
      return created({ session: await sessions.start({ ...body, settings: merged }, clock.now()) });
    })
    .post(
      '/round',
      { summary: 'Open a round, answer it, or record a score; moves the mastery of the topic', body: roundBody },
      async ({ body }) => created(await playRound(body)),
    )
    .post('/finish', { summary: 'End a session', body: z.strictObject({ sessionId }) }, async ({ body }) => ({
      session: await sessions.finish(body.sessionId, clock.now()),
    }))
    .get(
      '/sessions',
      { summary: 'Sessions, newest first', query: z.object({ ...learnerQuery, ...newestFirst }) },
      ({ query }) => sessions.list(query.learner, query.before, query.limit),
    )
    .get(
      '/sessions/:id',
      { summary: 'One session', params: z.object({ id: z.coerce.number().int().min(1) }) },
      async ({ params }) => ({ session: await sessions.get(params.id) }),
    )
    .get(
      '/rounds',
      {
        summary: 'The log of rounds: oldest first from after `since`, or newest first from before `before`',
        query: z.object({
          ...learnerQuery,
          topic: topicName.optional(),
          order: z.enum(['oldest', 'newest']).default('oldest'),
          since: oldestFirst.since,
          before: newestFirst.before,
          limit: logLimit,
        }),
      },
      ({ query }) =>
        query.order === 'oldest'
          ? roundsSince(db, query, query.since, query.limit)
          : roundsBefore(db, query, query.before, query.limit),
    )
    .get('/status', { summary: 'Sessions, rounds and learners in numbers' }, async () => ({
      status: await totals(db, clock.now()),
    }))
    .get(
      '/progress',
      {
        summary: 'The current knowledge of each learner per topic',
        query: z.object({ ...learnerQuery, topic: topicName.optional(), limit: pageLimit }),
      },
      async ({ query }) => ({ progress: await progressOf(db, query, await known(), query.limit) }),
    )
    .get('/overview', { summary: 'Totals, topics and the last fourteen days' }, async () => {
      const { threshold, now } = await known();
      const [total, topics, days] = await Promise.all([
        totals(db, now),
        topicTotals(db, threshold),
        roundsPerDay(db, now - OVERVIEW_DAYS * DAY),
      ]);
      return { totals: total, topics, days };
    })
    .get(
      '/deep-dive/:topic',
      {
        summary: 'One topic: learners, kinds of challenge, days, latest rounds',
        params: z.object({ topic: topicName }),
        query: z.object({ ...learnerQuery, ...newestFirst }),
      },
      async ({ params: { topic }, query }) => {
        const now = await known();
        const [progress, kinds, days, rounds] = await Promise.all([
          progressOf(db, { topic, learner: query.learner }, now, query.limit),
          byKind(db, topic),
          roundsPerDay(db, now.now - OVERVIEW_DAYS * DAY, topic),
          roundsBefore(db, { topic, learner: query.learner }, query.before, query.limit),
        ]);
        if (progress.length === 0) throw new ResilienceError('NOT_FOUND', `no learner has practised '${topic}' yet`);
        return { topic, progress, kinds, days, rounds };
      },
    )
    .get(
      '/reviews',
      {
        summary: 'Reviews planned and not yet done',
        query: z.object({
          ...learnerQuery,
          topic: topicName.optional(),
          dueBefore: z.coerce.number().int().min(0).optional(),
          ...oldestFirst,
        }),
      },
      ({ query }) => openReviews(db, query, query.since, query.limit),
    )
    .post(
      '/reviews',
      { summary: "Plan a learner's reviews, in place of those still open for the same topics", body: reviewsBody },
      async ({ body }) => created({ reviews: await planReviews(db, body.learner, body.reviews, clock.now()) }),
    )
    .get('/settings', { summary: 'Parameters of the mastery model' }, async () => ({ settings: await settings.read() }))
    .post(
      '/settings',
      { summary: 'Change parameters for sessions to come', body: settingsPatch, control: true },
      async ({ body }) => ({ settings: await settings.change(body, clock.now()) }),
    );
}

function foreignTopic(topic: string, topics: readonly string[]): ResilienceError {
  const message = `'${topic}' is not a topic of the session; its topics are ${topics.join(', ')}`;
  return invalid('body.topic', message);
}

function onlyTopic(topics: readonly string[]): string {
  if (topics.length > 1) throw invalid('body.topic', `say which topic of the session it was: ${topics.join(', ')}`);
  return topics[0]!;
}

function requiredScore(score: number | undefined): number {
  if (score === undefined) throw invalid('body.answer', 'give an answer, a score or whether it was correct');
  return score;
}

function invalid(field: string, message: string): ResilienceError {
  return new ResilienceError('VALIDATION_FAILED', `${field}: ${message}`, {
    extensions: { errors: [{ field, message }] },
  });
}
