/** One round of training: what to practise next, how hard, and what came of it. */
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

/** How a learner stands with a topic before a round. */
export interface Standing {
  readonly topic: string;
  readonly known: number;
}

/** What is known of each topic now; the prior where there was no round yet. */
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

/** The least known of the topics, the first of equals. */
export function weakest(all: readonly Standing[]): Standing {
  return all.reduce((least, one) => (one.known < least.known ? one : least));
}

/** Difficulty 1 to 5 in step with what is known, so that a challenge is neither hopeless nor trivial. */
export function suitableDifficulty(known: number): number {
  return 1 + Math.round(4 * Math.min(1, Math.max(0, known)));
}

/** A seed for a challenge nobody asked to repeat. */
export function randomSeed(): number {
  return randomInt(MAX_SEED);
}

/**
 * Opens the session's next round: a challenge of the topic asked for, or of the one least known.
 *
 * @throws ResilienceError CONFLICT when the session has ended
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
 * Records a round that was played elsewhere, by its score alone.
 *
 * @throws ResilienceError NOT_FOUND, or CONFLICT when the session has ended
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
