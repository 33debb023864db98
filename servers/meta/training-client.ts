/** Reads rounds and progress from the training service, and writes review plans to it. */
import type { AxiosInstance } from 'axios';
import * as z from 'zod';
import { answerOf } from '../support/peer-answer.js';

/** A round as returned by the training service, reduced to the fields used here. */
const round = z.object({
  id: z.number(),
  topic: z.string(),
  score: z.number(),
  elapsed: z.number().nullable(),
  knownAfter: z.number(),
  at: z.number(),
});
export type TrainingRound = z.output<typeof round>;

const roundsPage = z.object({ items: z.array(round), next: z.number().nullable() });

const progress = z.object({
  progress: z.array(
    z.object({ topic: z.string(), known: z.number(), rounds: z.number(), halfLife: z.number(), lastAt: z.number() }),
  ),
});
export type TopicState = z.output<typeof progress>['progress'][number];

const planned = z.object({ reviews: z.array(z.object({ id: z.number(), topic: z.string(), dueAt: z.number() })) });
export type PlannedReview = z.output<typeof planned>['reviews'][number];

const PAGE = 1000;
const MAX_ROUNDS = 5000;
const MAX_TOPICS = 200;

export interface Question {
  /** Undefined: all learners. */
  readonly learner?: string | undefined;
  readonly topic?: string | undefined;
}

/** The latest rounds of one learner, or of all learners: at most 5000, oldest first. */
export async function fetchRounds(client: AxiosInstance, { learner, topic }: Question): Promise<TrainingRound[]> {
  const rounds: TrainingRound[] = [];
  let before: number | undefined;
  do {
    const params = { learner, topic, order: 'newest', limit: PAGE, before };
    const page = await answerOf('training', roundsPage, client.get('/api/v1/training/rounds', { params }));
    rounds.push(...page.items);
    before = page.next ?? undefined;
  } while (before !== undefined && rounds.length < MAX_ROUNDS);
  return rounds.reverse();
}

/** The current mastery of each topic. */
export async function fetchProgress(client: AxiosInstance, { learner, topic }: Question): Promise<TopicState[]> {
  const params = { learner, topic, limit: MAX_TOPICS };
  const answer = await answerOf('training', progress, client.get('/api/v1/training/progress', { params }));
  return answer.progress;
}

/** Writes a review plan. It replaces the previous plan for these topics. */
export async function writeReviews(
  client: AxiosInstance,
  learner: string,
  reviews: readonly { topic: string; dueAt: number }[],
): Promise<PlannedReview[]> {
  const body = { learner, reviews };
  const answer = await answerOf('training', planned, client.post('/api/v1/training/reviews', body));
  return answer.reviews;
}
