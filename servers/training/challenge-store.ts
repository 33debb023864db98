/** The bank of challenges written by users. */
import type { Kysely, Selectable } from 'kysely';
import { ResilienceError } from '../../src/index.js';
import { newestPage, type Page } from '../support/paging.js';
import { solution, type ChallengeKind, type NewChallenge, type Solution } from './challenge.js';
import type { ChallengeRow, TrainingSchema } from './schema.js';

/** A challenge as learners may see it, without its solution. */
export interface Challenge {
  readonly id: number;
  readonly topic: string;
  readonly kind: string;
  readonly difficulty: number;
  readonly prompt: string;
  readonly createdAt: number;
}

export interface Wanted {
  readonly topic: string;
  readonly kind?: ChallengeKind | undefined;
  /** The challenge with the nearest difficulty is chosen. */
  readonly difficulty: number;
}

export type ChallengeStore = ReturnType<typeof challengeStore>;

/** The challenge bank stored in this database. */
export function challengeStore(db: Kysely<TrainingSchema>) {
  return {
    async add(challenge: NewChallenge, now: number): Promise<Challenge> {
      const row = await db
        .insertInto('challenges')
        .values({
          topic: challenge.topic,
          kind: challenge.solution.kind,
          difficulty: challenge.difficulty,
          prompt: challenge.prompt,
          solution: JSON.stringify(challenge.solution),
          created_at: now,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      return challengeOf(row);
    },

    /** @throws ResilienceError NOT_FOUND */
    async get(id: number): Promise<Challenge> {
      const row = await db.selectFrom('challenges').selectAll().where('id', '=', id).executeTakeFirst();
      if (row === undefined) throw new ResilienceError('NOT_FOUND', `there is no challenge ${id}`);
      return challengeOf(row);
    },

    /** Lists challenges, newest first. */
    async list(topic: string | undefined, before: number | undefined, limit: number): Promise<Page<Challenge>> {
      const selection = db
        .selectFrom('challenges')
        .selectAll()
        .$if(topic !== undefined, (query) => query.where('topic', '=', topic!));
      return newestPage(selection, { before, limit }, challengeOf);
    },

    /**
     * Returns a challenge of the topic with the difficulty nearest to the requested one.
     *
     * @param chance a number in [0, 1) that decides between equally near challenges
     * @returns the challenge with its solution, or undefined if the bank has no match
     */
    async pick(wanted: Wanted, chance: number): Promise<(Challenge & { solution: Solution }) | undefined> {
      const counts = await ofTopic(db, wanted)
        .select((eb) => ['difficulty', eb.fn.countAll<number>().as('count')])
        .groupBy('difficulty')
        .execute();
      const distance = (difficulty: number): number => Math.abs(difficulty - wanted.difficulty);
      const [nearest] = counts.sort((a, b) => distance(a.difficulty) - distance(b.difficulty));
      if (nearest === undefined) return undefined;
      const row = await ofTopic(db, wanted)
        .selectAll()
        .where('difficulty', '=', nearest.difficulty)
        .orderBy('id')
        .limit(1)
        .offset(Math.floor(chance * Number(nearest.count)))
        .executeTakeFirst();
      return row === undefined
        ? undefined
        : { ...challengeOf(row), solution: solution.parse(JSON.parse(row.solution)) };
    },
  };
}

function ofTopic(db: Kysely<TrainingSchema>, { topic, kind }: Wanted) {
  return db
    .selectFrom('challenges')
    .where('topic', '=', topic)
    .$if(kind !== undefined, (query) => query.where('kind', '=', kind!));
}

function challengeOf(row: Selectable<ChallengeRow>): Challenge {
  return {
    id: row.id,
    topic: row.topic,
    kind: row.kind,
    difficulty: row.difficulty,
    prompt: row.prompt,
    createdAt: row.created_at,
  };
}
