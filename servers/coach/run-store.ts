/** Coaching runs: the learner, the state of the current round, and the time of the next check. */
import { sql, type Kysely, type Selectable, type Updateable } from 'kysely';
import { ResilienceError } from '../../src/index.js';
import { newestPage, type Page } from '../support/paging.js';
import type { CoachSchema, RunRow } from './schema.js';

/**
 * Rounds are answered by the learner, or in a rehearsal by the coach. A rehearsal trains no learner but shows that
 * everything works.
 */
export const MODES = ['learner', 'rehearsal'] as const;
export type Mode = (typeof MODES)[number];

/** A run. It is `stopping` until its session at the training service is finished. */
export interface Run {
  readonly id: number;
  readonly learner: string;
  readonly topics: readonly string[];
  readonly mode: Mode;
  readonly state: 'active' | 'stopping' | 'stopped';
  readonly interval: number;
  readonly sessionId: number | null;
  readonly attemptId: string | null;
  readonly step: number;
  readonly nextAt: number;
  readonly opened: number;
  readonly answered: number;
  readonly meanScore: number | null;
  readonly lapsed: number;
  readonly lapsedInRow: number;
  readonly boost: { readonly topic: string | null; readonly left: number };
  readonly fastLeft: number;
  readonly lastError: string | null;
  readonly startedAt: number;
  readonly stoppedAt: number | null;
}

export interface NewRun {
  readonly learner: string;
  readonly topics: readonly string[];
  readonly mode: Mode;
  readonly interval: number;
}

/** The result of a step, as changes of the run. */
export interface Outcome {
  readonly sessionId: number | null;
  readonly attemptId: string | null;
  readonly nextAt: number;
  /** Rounds opened, answered and lapsed in this step: 0 or 1 each. */
  readonly opened: number;
  readonly answered: number;
  readonly lapsed: number;
  /** Score of the answered round. */
  readonly score: number;
  readonly lapsedInRow: number;
  readonly stopped: boolean;
  readonly error: string | null;
}

type Change = Updateable<RunRow>;
export type RunStore = ReturnType<typeof runStore>;

/** The runs stored in this database. */
export function runStore(db: Kysely<CoachSchema>) {
  const changeActive = async (learner: string, change: Change): Promise<Run> => {
    const row = await db
      .updateTable('runs')
      .set(change)
      .where('learner', '=', learner)
      .where('state', '=', 'active')
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) throw new ResilienceError('NOT_FOUND', `${learner} is not being coached`);
    return runOf(row);
  };

  return {
    /** @throws ResilienceError CONFLICT if the learner is already coached, or the maximum number of runs is reached */
    async start(run: NewRun, maxRuns: number, now: number): Promise<Run> {
      const row = await db.transaction().execute(async (trx) => {
        const { count } = await trx
          .selectFrom('runs')
          .select((eb) => eb.fn.countAll<number>().as('count'))
          .where('state', '=', 'active')
          .executeTakeFirstOrThrow();
        if (Number(count) >= maxRuns) {
          throw new ResilienceError('CONFLICT', `${maxRuns} learners are being coached, which is as many as allowed`);
        }
        return trx
          .insertInto('runs')
          .values(rowOf(run, now))
          .onConflict((conflict) => conflict.doNothing())
          .returningAll()
          .executeTakeFirst();
      });
      if (row === undefined) throw new ResilienceError('CONFLICT', `${run.learner} is being coached already`);
      return runOf(row);
    },

    /** @throws ResilienceError NOT_FOUND if the learner is not coached */
    stop: (learner: string, now: number) =>
      // The current round is kept. It may still be answered, and it is counted before the session is finished.
      changeActive(learner, { state: 'stopping', stopped_at: now, next_at: now }),

    /** Sets the topic of the next `rounds` rounds. */
    boost: (learner: string, topic: string, rounds: number, now: number) =>
      changeActive(learner, { boost_topic: topic, boost_left: rounds, next_at: now }),

    /** The next `rounds` rounds follow each other without a pause. */
    fastLane: (learner: string, rounds: number, now: number) =>
      changeActive(learner, { fast_left: rounds, next_at: now, lapsed_in_row: 0 }),

    /** The active run of a learner. @throws ResilienceError NOT_FOUND */
    async active(learner: string): Promise<Run> {
      const row = await db
        .selectFrom('runs')
        .selectAll()
        .where('learner', '=', learner)
        .where('state', '=', 'active')
        .executeTakeFirst();
      if (row === undefined) throw new ResilienceError('NOT_FOUND', `${learner} is not being coached`);
      return runOf(row);
    },

    /** Lists runs, newest first. */
    async list(learner: string | undefined, before: number | undefined, limit: number): Promise<Page<Run>> {
      const selection = db
        .selectFrom('runs')
        .selectAll()
        .$if(learner !== undefined, (query) => query.where('learner', '=', learner!));
      return newestPage(selection, { before, limit }, runOf);
    },

    /** The runs that are due now, the longest overdue first. */
    async due(now: number, limit: number): Promise<Run[]> {
      const rows = await db
        .selectFrom('runs')
        .selectAll()
        .where('state', 'in', ['active', 'stopping'])
        .where('next_at', '<=', now)
        .orderBy('next_at')
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map(runOf);
    },

    /**
     * Claims the next step of the run for this process, until `until`. Returns false if another process claimed it, or
     * if the run has changed since it was read.
     */
    async claim(run: Run, until: number): Promise<boolean> {
      const { numUpdatedRows } = await db
        .updateTable('runs')
        .set({ step: run.step + 1, next_at: until })
        .where('id', '=', run.id)
        .where('step', '=', run.step)
        .where('state', '=', run.state)
        .executeTakeFirstOrThrow();
      return numUpdatedRows > 0n;
    },

    /** Writes the result of a claimed step. It keeps a stop, boost or fast lane that was requested meanwhile. */
    async settle(run: Run, outcome: Outcome): Promise<void> {
      await db
        .updateTable('runs')
        .set((eb) => ({
          state: eb
            .case()
            .when('state', '=', run.state)
            .then(outcome.stopped ? 'stopped' : run.state)
            .else(eb.ref('state'))
            .end(),
          session_id: outcome.sessionId,
          attempt_id: outcome.attemptId,
          // A stop that was requested meanwhile is due at once.
          next_at: eb.case().when('state', '=', run.state).then(outcome.nextAt).else(eb.ref('next_at')).end(),
          opened: eb('opened', '+', outcome.opened),
          answered: eb('answered', '+', outcome.answered),
          score_sum: eb('score_sum', '+', outcome.score),
          lapsed: eb('lapsed', '+', outcome.lapsed),
          lapsed_in_row: outcome.lapsedInRow,
          boost_left: eb
            .case()
            .when('boost_left', '>', 0)
            .then(eb('boost_left', '-', outcome.opened))
            .else(0)
            .end(),
          fast_left: eb
            .case()
            .when('fast_left', '>', 0)
            .then(eb('fast_left', '-', outcome.opened))
            .else(0)
            .end(),
          last_error: outcome.error,
        }))
        .where('id', '=', run.id)
        .where('step', '=', run.step + 1)
        .execute();
    },

    /** Totals of runs and rounds. */
    async totals() {
      const row = await db
        .selectFrom('runs')
        .select((eb) => [
          eb.fn.countAll<number>().as('runs'),
          eb.fn.sum<number | null>(sql<number>`case when state = 'active' then 1 else 0 end`).as('active'),
          eb.fn.sum<number | null>('opened').as('opened'),
          eb.fn.sum<number | null>('answered').as('answered'),
          eb.fn.sum<number | null>('lapsed').as('lapsed'),
        ])
        .executeTakeFirstOrThrow();
      return {
        runs: Number(row.runs),
        active: Number(row.active ?? 0),
        opened: Number(row.opened ?? 0),
        answered: Number(row.answered ?? 0),
        lapsed: Number(row.lapsed ?? 0),
      };
    },
  };
}

function rowOf({ learner, topics, mode, interval }: NewRun, now: number) {
  return {
    learner,
    topics: JSON.stringify([...new Set(topics)]),
    mode,
    state: 'active',
    interval,
    session_id: null,
    attempt_id: null,
    step: 0,
    next_at: now,
    opened: 0,
    answered: 0,
    score_sum: 0,
    lapsed: 0,
    lapsed_in_row: 0,
    boost_topic: null,
    boost_left: 0,
    fast_left: 0,
    last_error: null,
    started_at: now,
    stopped_at: null,
  };
}

function runOf(row: Selectable<RunRow>): Run {
  return {
    id: row.id,
    learner: row.learner,
    topics: JSON.parse(row.topics) as string[],
    mode: row.mode as Mode,
    state: row.state as Run['state'],
    interval: row.interval,
    sessionId: row.session_id,
    attemptId: row.attempt_id,
    step: row.step,
    nextAt: row.next_at,
    opened: row.opened,
    answered: row.answered,
    meanScore: row.answered === 0 ? null : row.score_sum / row.answered,
    lapsed: row.lapsed,
    lapsedInRow: row.lapsed_in_row,
    boost: { topic: row.boost_topic, left: row.boost_left },
    fastLeft: row.fast_left,
    lastError: row.last_error,
    startedAt: row.started_at,
    stoppedAt: row.stopped_at,
  };
}
