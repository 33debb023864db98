/** One round of training: choosing the topic and the difficulty, and recording the result. */
import { randomInt } from 'node:crypto';
import type { Kysely } from 'kysely';
import { ResilienceError } from '../../src/index.js';
import { attemptStore, type Attempt } from './attempt-store.js';
import { recall } from './mastery.js';
import { masteryOf, recordRound, type Round } from './round-store.js';
import type { TrainingSchema } from './schema.js';
import { countRound, type Session } from './session-store.js';
import type { TrainingSettings } from './settings.js';

const MAX_SEED = 2 ** 31 - 1;

/** A learner's knowledge of a topic before a round. */
export interface Standing {
  readonly topic: string;
  readonly known: number;
}

/** The current knowledge of each topic; the prior for a topic without a round. */
export async function standings(
  db: Kysely<TrainingSchema>,
  learner: string,
  topics: readonly string[],
  settings: TrainingSettings,
  now: number,
): Promise<readonly Standing[]> {
  const rows = await db
    .selectFrom('mastery')
    .selectAll()
    .where('learner', '=', learner)
    .where('topic', 'in', topics)
    .execute();
  return topics.map((topic) => {
    const row = rows.find((one) => one.topic === topic);
    const state = row === undefined ? undefined : masteryOf(row);
    return { topic, known: state === undefined ? settings.prior : recall(state, settings, now) };
  });
}

/** The topic with the least knowledge; the first one if several are equal. */
export function weakest(all: readonly Standing[]): Standing {
  return all.reduce((least, one) => (one.known < least.known ? one : least));
}

/** Difficulty 1 to 5, proportional to the knowledge, so that a challenge is neither too hard nor too easy. */
export function suitableDifficulty(known: number): number {
  return 1 + Math.round(4 * Math.min(1, Math.max(0, known)));
}

/** A random seed for a challenge that need not be reproducible. */
export function randomSeed(): number {
  return randomInt(MAX_SEED);
}

/**
 * Opens the next round of the session: a challenge of the requested topic, or of the topic with the least knowledge.
 *
 * @throws ResilienceError CONFLICT if the session has ended
 */
export async function openRound(
  db: Kysely<TrainingSchema>,
  session: Session,
  topic: string | undefined,
  now: number,
): Promise<Attempt> {
  if (session.endedAt !== null) throw new ResilienceError('CONFLICT', `session ${session.id} has ended`);
  const { learner, settings, topics } = session;
  const choice = weakest(await standings(db, learner, topic === undefined ? topics : [topic], settings, now));
  return attemptStore(db).open(
    {
      sessionId: session.id,
      learner,
      topic: choice.topic,
      difficulty: suitableDifficulty(choice.known),
      seed: randomSeed(),
      lifetime: settings.attemptLifetime,
    },
    now,
  );
}

/**
 * Records a round that was played elsewhere. Only its score is known.
 *
 * @throws ResilienceError NOT_FOUND, or CONFLICT if the session has ended
 */
export async function recordScore(
  db: Kysely<TrainingSchema>,
  session: Session,
  { topic, score, source }: { topic: string; score: number; source: string },
  now: number,
): Promise<Round> {
  return db.transaction().execute(async (trx) => {
    const { learner, settings } = await countRound(trx, session.id, score, now);
    return recordRound(
      trx,
      { sessionId: session.id, attemptId: null, learner, topic, kind: null, difficulty: null, score, source },
      settings,
      now,
    );
  });
}
