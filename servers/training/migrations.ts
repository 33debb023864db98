/** The migrations that create the tables of `schema.ts`. Never change a released migration: add a new one. */
import type { Kysely } from 'kysely';
import { withIdentity } from '../support/identity-column.js';
import { createSettingsTable } from '../support/settings-store.js';

export const trainingMigrations = [
  {
    name: '001-sessions-and-rounds',
    up: async (db: Kysely<unknown>): Promise<void> => {
      await createSettingsTable(db.schema);
      await createSessions(db);
      await createRounds(db);
      await createMastery(db);
    },
  },
  {
    name: '002-challenges',
    up: async (db: Kysely<unknown>): Promise<void> => {
      await createChallenges(db);
      await createAttempts(db);
    },
  },
  {
    name: '003-reviews-and-feedback',
    up: async (db: Kysely<unknown>): Promise<void> => {
      await createReviews(db);
      await createFeedback(db);
    },
  },
];

async function createSessions(db: Kysely<unknown>): Promise<void> {
  await withIdentity(db, db.schema.createTable('sessions'))
    .addColumn('learner', 'text', (column) => column.notNull())
    .addColumn('topics', 'text', (column) => column.notNull())
    .addColumn('settings', 'text', (column) => column.notNull())
    .addColumn('rounds', 'integer', (column) => column.notNull())
    .addColumn('score_sum', 'double precision', (column) => column.notNull())
    .addColumn('started_at', 'bigint', (column) => column.notNull())
    .addColumn('last_round_at', 'bigint')
    .addColumn('ended_at', 'bigint')
    .execute();
  await db.schema.createIndex('sessions_by_learner').on('sessions').columns(['learner', 'id']).execute();
  await db.schema.createIndex('sessions_open').on('sessions').columns(['ended_at', 'started_at']).execute();
}

async function createRounds(db: Kysely<unknown>): Promise<void> {
  await withIdentity(db, db.schema.createTable('rounds'))
    .addColumn('session_id', 'bigint')
    .addColumn('attempt_id', 'text')
    .addColumn('learner', 'text', (column) => column.notNull())
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('kind', 'text')
    .addColumn('difficulty', 'integer')
    .addColumn('score', 'double precision', (column) => column.notNull())
    .addColumn('elapsed', 'bigint')
    .addColumn('known_before', 'double precision', (column) => column.notNull())
    .addColumn('known_after', 'double precision', (column) => column.notNull())
    .addColumn('half_life', 'double precision', (column) => column.notNull())
    .addColumn('source', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('rounds_by_topic').on('rounds').columns(['topic', 'learner', 'id']).execute();
  await db.schema.createIndex('rounds_by_learner').on('rounds').columns(['learner', 'id']).execute();
  await db.schema.createIndex('rounds_by_time').on('rounds').columns(['at', 'score']).execute();
}

async function createMastery({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('mastery')
    .addColumn('learner', 'text', (column) => column.notNull())
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('known', 'double precision', (column) => column.notNull())
    .addColumn('half_life', 'double precision', (column) => column.notNull())
    .addColumn('rounds', 'integer', (column) => column.notNull())
    .addColumn('score_sum', 'double precision', (column) => column.notNull())
    .addColumn('last_at', 'bigint')
    .addPrimaryKeyConstraint('mastery_key', ['learner', 'topic'])
    .execute();
  await schema.createIndex('mastery_by_topic').on('mastery').columns(['topic', 'known']).execute();
}

async function createChallenges(db: Kysely<unknown>): Promise<void> {
  await withIdentity(db, db.schema.createTable('challenges'))
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('difficulty', 'integer', (column) => column.notNull())
    .addColumn('prompt', 'text', (column) => column.notNull())
    .addColumn('solution', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('challenges_by_topic')
    .on('challenges')
    .columns(['topic', 'difficulty', 'kind'])
    .execute();
}

async function createAttempts({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('attempts')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('session_id', 'bigint')
    .addColumn('challenge_id', 'bigint')
    .addColumn('learner', 'text', (column) => column.notNull())
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('difficulty', 'integer', (column) => column.notNull())
    .addColumn('prompt', 'text', (column) => column.notNull())
    .addColumn('solution', 'text', (column) => column.notNull())
    .addColumn('seed', 'bigint', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('score', 'double precision')
    .addColumn('opened_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('closed_at', 'bigint')
    .execute();
  await schema.createIndex('attempts_by_learner').on('attempts').columns(['learner', 'opened_at']).execute();
  await schema.createIndex('attempts_open').on('attempts').columns(['state', 'expires_at']).execute();
  await schema.createIndex('attempts_by_topic').on('attempts').columns(['topic', 'kind', 'state']).execute();
}

async function createReviews(db: Kysely<unknown>): Promise<void> {
  await withIdentity(db, db.schema.createTable('reviews'))
    .addColumn('learner', 'text', (column) => column.notNull())
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('due_at', 'bigint', (column) => column.notNull())
    .addColumn('planned_at', 'bigint', (column) => column.notNull())
    .addColumn('done_at', 'bigint')
    .execute();
  await db.schema.createIndex('reviews_by_learner').on('reviews').columns(['learner', 'topic', 'due_at']).execute();
}

async function createFeedback(db: Kysely<unknown>): Promise<void> {
  await withIdentity(db, db.schema.createTable('feedback'))
    .addColumn('learner', 'text', (column) => column.notNull())
    .addColumn('session_id', 'bigint')
    .addColumn('topic', 'text')
    .addColumn('rating', 'integer', (column) => column.notNull())
    .addColumn('comment', 'text')
    .addColumn('at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('feedback_by_topic').on('feedback').columns(['topic', 'id']).execute();
}
