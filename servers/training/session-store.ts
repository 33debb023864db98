/** Sessions: a learner working on topics, with the settings at the start of the session. */
import type { Kysely, Selectable, Transaction } from 'kysely';
import { ResilienceError } from '../../src/index.js';
import { newestPage, type Page } from '../support/paging.js';
import type { SessionRow, TrainingSchema } from './schema.js';
import { trainingSettings, type TrainingSettings } from './settings.js';

export interface Session {
  readonly id: number;
  readonly learner: string;
  readonly topics: readonly string[];
  readonly settings: TrainingSettings;
  readonly rounds: number;
  /** Mean score of the rounds so far, 0 to 1; null before the first round. */
  readonly meanScore: number | null;
  readonly startedAt: number;
  readonly lastRoundAt: number | null;
  readonly endedAt: number | null;
}

export interface NewSession {
  readonly learner: string;
  readonly topics: readonly string[];
  readonly settings: TrainingSettings;
}

export type SessionStore = ReturnType<typeof sessionStore>;

/** The sessions stored in this database. */
export function sessionStore(db: Kysely<TrainingSchema>) {
  return {
    async start({ learner, topics, settings }: NewSession, now: number): Promise<Session> {
      const row = await db
        .insertInto('sessions')
        .values({
          learner,
          topics: JSON.stringify([...new Set(topics)]),
          settings: JSON.stringify(settings),
          rounds: 0,
          score_sum: 0,
          started_at: now,
          last_round_at: null,
          ended_at: null,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      return sessionOf(row);
    },

    /** @throws ResilienceError NOT_FOUND */
    async get(id: number): Promise<Session> {
      const row = await db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();
      if (row === undefined) throw noSession(id);
      return sessionOf(row);
    },

    /** Lists sessions, newest first. */
    async list(learner: string | undefined, before: number | undefined, limit: number): Promise<Page<Session>> {
      const selection = db
        .selectFrom('sessions')
        .selectAll()
        .$if(learner !== undefined, (query) => query.where('learner', '=', learner!));
      return newestPage(selection, { before, limit }, sessionOf);
    },

    /** Ends a session. It has no effect on a session that has already ended. */
    async finish(id: number, now: number): Promise<Session> {
      await db
        .updateTable('sessions')
        .set({ ended_at: now })
        .where('id', '=', id)
        .where('ended_at', 'is', null)
        .execute();
      return this.get(id);
    },
  };
}

/**
 * Adds a round to an open session. This locks the session until the transaction ends.
 *
 * @throws ResilienceError NOT_FOUND, or CONFLICT if the session has ended
 */
export async function countRound(
  trx: Transaction<TrainingSchema>,
  id: number,
  score: number,
  now: number,
): Promise<Session> {
  const row = await trx
    .updateTable('sessions')
    .set((eb) => ({ rounds: eb('rounds', '+', 1), score_sum: eb('score_sum', '+', score), last_round_at: now }))
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
  if (row !== undefined) return sessionOf(row);
  const ended = await trx.selectFrom('sessions').select('id').where('id', '=', id).executeTakeFirst();
  throw ended === undefined ? noSession(id) : new ResilienceError('CONFLICT', `session ${id} has ended`);
}

function noSession(id: number): ResilienceError {
  return new ResilienceError('NOT_FOUND', `there is no session ${id}`);
}

function sessionOf(row: Selectable<SessionRow>): Session {
  return {
    id: row.id,
    learner: row.learner,
    topics: JSON.parse(row.topics) as string[],
    settings: trainingSettings.parse(JSON.parse(row.settings)),
    rounds: row.rounds,
    meanScore: row.rounds === 0 ? null : row.score_sum / row.rounds,
    startedAt: row.started_at,
    lastRoundAt: row.last_round_at,
    endedAt: row.ended_at,
  };
}
