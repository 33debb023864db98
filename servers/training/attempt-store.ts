/** Attempts: a challenge given to a learner. It is open until it is answered once or expires. */
import { randomUUID } from 'node:crypto';
import type { Kysely, Selectable, Transaction } from 'kysely';
import { ResilienceError } from '../../src/index.js';
import { solution as solutionSchema, type Answer, type ChallengeKind, type Solution } from './challenge.js';
import { challengeStore } from './challenge-store.js';
import { GENERATED_KINDS, generateChallenge, visiblePart, type GeneratedKind } from './generated-challenges.js';
import { grade, type Grade } from './grading.js';
import type { MasteryModel } from './mastery.js';
import { recordRound, type Round } from './round-store.js';
import { countRound } from './session-store.js';
import type { AttemptRow, TrainingSchema } from './schema.js';
import { seededRandom } from '../support/seeded-random.js';

/** An attempt as the learner sees it. */
export interface Attempt {
  readonly id: string;
  readonly sessionId: number | null;
  readonly learner: string;
  readonly topic: string;
  readonly kind: string;
  readonly difficulty: number;
  readonly prompt: string;
  /** The shuffled items of an ordering. */
  readonly items?: readonly string[];
  readonly state: 'open' | 'graded' | 'expired';
  readonly score: number | null;
  readonly openedAt: number;
  readonly expiresAt: number;
}

export interface NewAttempt {
  readonly sessionId: number | null;
  readonly learner: string;
  readonly topic: string;
  readonly kind?: ChallengeKind | undefined;
  readonly difficulty: number;
  readonly seed: number;
  /** Milliseconds the attempt stays open. */
  readonly lifetime: number;
}

/** The result that closes an attempt: an answer to grade, or a score that the learner reports. */
export type Result = { readonly answer: Answer } | { readonly score: number };

export type AttemptStore = ReturnType<typeof attemptStore>;

/** The attempts stored in this database. */
export function attemptStore(db: Kysely<TrainingSchema>) {
  const bank = challengeStore(db);
  return {
    /**
     * Opens an attempt with a challenge from the bank. If the bank has no match, it generates a challenge.
     *
     * @throws ResilienceError NOT_FOUND if the bank has no challenge of the requested kind and it cannot be generated
     */
    async open(wanted: NewAttempt, now: number): Promise<Attempt> {
      const chosen = (await bank.pick(wanted, seededRandom(wanted.seed)())) ?? generated(wanted);
      const row = await db
        .insertInto('attempts')
        .values({
          id: randomUUID(),
          session_id: wanted.sessionId,
          challenge_id: 'id' in chosen ? chosen.id : null,
          learner: wanted.learner,
          topic: wanted.topic,
          kind: chosen.solution.kind,
          difficulty: chosen.difficulty,
          prompt: chosen.prompt,
          solution: JSON.stringify(chosen.solution),
          seed: wanted.seed,
          state: 'open',
          score: null,
          opened_at: now,
          expires_at: now + wanted.lifetime,
          closed_at: null,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      return attemptOf(row, now);
    },

    /** @throws ResilienceError NOT_FOUND */
    async get(id: string, now: number): Promise<Attempt> {
      const row = await db.selectFrom('attempts').selectAll().where('id', '=', id).executeTakeFirst();
      if (row === undefined) throw noAttempt(id);
      return attemptOf(row, now);
    },

    /**
     * Closes an attempt and records its round. If two answers arrive at the same time, only one counts.
     *
     * @param source the player, stored with the round
     * @param model used if the attempt belongs to no session
     * @throws ResilienceError NOT_FOUND, or CONFLICT if the attempt is no longer open
     */
    async close(
      id: string,
      result: Result,
      source: string,
      model: MasteryModel,
      now: number,
    ): Promise<{ attempt: Attempt; grade: Grade; round: Round }> {
      return db.transaction().execute(async (trx) => {
        const row = await claim(trx, id, now);
        const given =
          'score' in result
            ? { score: result.score, remarks: ['the score was given, not graded'] }
            : grade(solutionOf(row), result.answer);
        await trx.updateTable('attempts').set({ score: given.score }).where('id', '=', id).execute();
        const session = row.session_id === null ? undefined : await countRound(trx, row.session_id, given.score, now);
        const round = await recordRound(
          trx,
          {
            sessionId: row.session_id,
            attemptId: id,
            learner: row.learner,
            topic: row.topic,
            kind: row.kind,
            difficulty: row.difficulty,
            score: given.score,
            source,
          },
          session?.settings ?? model,
          now,
        );
        return { attempt: attemptOf({ ...row, score: given.score }, now), grade: given, round };
      });
    },
  };
}

/** Claims an open attempt, so that no other request can close it. */
async function claim(trx: Transaction<TrainingSchema>, id: string, now: number): Promise<Selectable<AttemptRow>> {
  const row = await trx
    .updateTable('attempts')
    .set({ state: 'graded', closed_at: now })
    .where('id', '=', id)
    .where('state', '=', 'open')
    .where('expires_at', '>', now)
    .returningAll()
    .executeTakeFirst();
  if (row !== undefined) return row;
  const other = await trx.selectFrom('attempts').selectAll().where('id', '=', id).executeTakeFirst();
  if (other === undefined) throw noAttempt(id);
  throw new ResilienceError('CONFLICT', `attempt ${id} is ${attemptOf(other, now).state}`);
}

function generated({ topic, kind, difficulty, seed }: NewAttempt) {
  if (kind === undefined) return generateChallenge(topic, 'numeric', difficulty, seed);
  if (!isGenerated(kind)) {
    throw new ResilienceError('NOT_FOUND', `the bank has no ${kind} challenge of the topic '${topic}'`);
  }
  return generateChallenge(topic, kind, difficulty, seed);
}

function isGenerated(kind: ChallengeKind): kind is GeneratedKind {
  return (GENERATED_KINDS as readonly ChallengeKind[]).includes(kind);
}

function noAttempt(id: string): ResilienceError {
  return new ResilienceError('NOT_FOUND', `there is no attempt ${id}`);
}

function solutionOf(row: Pick<AttemptRow, 'solution'>): Solution {
  return solutionSchema.parse(JSON.parse(row.solution));
}

function attemptOf(row: Selectable<AttemptRow>, now: number): Attempt {
  return {
    id: row.id,
    sessionId: row.session_id,
    learner: row.learner,
    topic: row.topic,
    kind: row.kind,
    difficulty: row.difficulty,
    prompt: row.prompt,
    ...visiblePart(solutionOf(row), row.seed),
    state: row.state === 'graded' ? 'graded' : row.expires_at > now ? 'open' : 'expired',
    score: row.score,
    openedAt: row.opened_at,
    expiresAt: row.expires_at,
  };
}
