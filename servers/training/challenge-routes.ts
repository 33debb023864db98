/** `/api/v1/challenges`: the challenge bank, its attempts, and their grades. */
import type { Kysely } from 'kysely';
import * as z from 'zod';
import type { Clock } from '../../src/index.js';
import { learnerName, topicName } from '../support/fields.js';
import { newestFirst } from '../support/paging.js';
import { created, RouteTable } from '../support/route-table.js';
import { settingsStore } from '../support/settings-store.js';
import { attemptStore } from './attempt-store.js';
import { answer, CHALLENGE_KINDS, difficulty, newChallenge } from './challenge.js';
import { challengeStore } from './challenge-store.js';
import { randomSeed, standings, suitableDifficulty, weakest } from './practice.js';
import { challengeStats } from './progress-store.js';
import type { TrainingSchema } from './schema.js';
import { trainingSettings } from './settings.js';
import { source } from './training-routes.js';

const startBody = z.strictObject({
  learner: learnerName.default('default'),
  topic: topicName,
  kind: z.enum(CHALLENGE_KINDS).optional(),
  difficulty: difficulty.optional(),
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .optional(),
});

const gradeBody = z.strictObject({ attemptId: z.uuid(), answer, source });

/** The routes, using this database. */
export function challengeRoutes(db: Kysely<TrainingSchema>, clock: Clock): RouteTable {
  const bank = challengeStore(db);
  const attempts = attemptStore(db);
  const settings = settingsStore(db, 'training', trainingSettings);

  return new RouteTable('/api/v1/challenges')
    .get(
      '/',
      {
        summary: 'Challenges of the bank, newest first, without their solutions',
        query: z.object({ topic: topicName.optional(), ...newestFirst }),
      },
      ({ query }) => bank.list(query.topic, query.before, query.limit),
    )
    .post('/', { summary: 'Add a challenge and how it is graded', body: newChallenge }, async ({ body }) =>
      created({ challenge: await bank.add(body, clock.now()) }),
    )
    .post(
      '/start',
      { summary: 'Open an attempt: a challenge of the bank, else a generated one', body: startBody },
      async ({ body: { learner, topic, kind, difficulty, seed = randomSeed() } }) => {
        const now = clock.now();
        const current = await settings.read();
        const { known } = weakest(await standings(db, learner, [topic], current, now));
        const attempt = await attempts.open(
          {
            sessionId: null,
            learner,
            topic,
            kind,
            difficulty: difficulty ?? suitableDifficulty(known),
            seed,
            lifetime: current.attemptLifetime,
          },
          now,
        );
        return created({ attempt });
      },
    )
    .post('/grade', { summary: 'Grade the answer to an open attempt, once', body: gradeBody }, async ({ body }) =>
      attempts.close(body.attemptId, { answer: body.answer }, body.source, await settings.read(), clock.now()),
    )
    .get('/attempts/:id', { summary: 'One attempt', params: z.object({ id: z.uuid() }) }, async ({ params }) => ({
      attempt: await attempts.get(params.id, clock.now()),
    }))
    .get(
      '/stats',
      { summary: 'Attempts, grades and scores by topic and kind', query: z.object({ topic: topicName.optional() }) },
      async ({ query }) => ({ stats: await challengeStats(db, query.topic, clock.now()) }),
    )
    .get(
      '/:id',
      { summary: 'One challenge, without its solution', params: z.object({ id: z.coerce.number().int().min(1) }) },
      async ({ params }) => ({ challenge: await bank.get(params.id) }),
    );
}
