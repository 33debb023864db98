/** `/api/v1/auto-coach`: starts, stops and lists coaching runs. */
import type { AxiosInstance } from 'axios';
import type { Kysely } from 'kysely';
import * as z from 'zod';
import { ResilienceError, type Clock } from '../../src/index.js';
import { learnerName, topicName } from '../support/fields.js';
import { newestFirst } from '../support/paging.js';
import { created, RouteTable } from '../support/route-table.js';
import { settingsStore } from '../support/settings-store.js';
import type { Driver } from './driver.js';
import { MODES, runStore } from './run-store.js';
import type { CoachSchema } from './schema.js';
import { coachSettings, settingsPatch } from './settings.js';
import { trainingClient } from './training-client.js';

const learner = learnerName.default('default');
const rounds = z.number().int().min(1).max(100).default(10);

const startBody = z.strictObject({
  learner,
  topics: z.array(topicName).min(1).max(50),
  /** `learner`: the learner answers the rounds. `rehearsal`: the coach answers them itself, as a learner might. */
  mode: z.enum(MODES).default('learner'),
  interval: settingsPatch.shape.interval,
});
const boostBody = z.strictObject({ learner, topic: topicName.optional(), rounds });

export interface CoachParts {
  readonly db: Kysely<CoachSchema>;
  readonly training: AxiosInstance;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly controlToken: string | undefined;
}

/** The routes, using this database. The driver carries out what they request. */
export function coachRoutes({ db, training, driver, clock, controlToken }: CoachParts): RouteTable {
  const runs = runStore(db);
  const settings = settingsStore(db, 'coach', coachSettings);
  const client = trainingClient(training);

  return new RouteTable('/api/v1/auto-coach', controlToken)
    .post('/start', { summary: 'Coach a learner on topics', body: startBody }, async ({ body }) => {
      const { interval, maxRuns } = await settings.read();
      const run = { ...body, interval: body.interval ?? interval };
      return created({ run: await runs.start(run, maxRuns, clock.now()) });
    })
    .post('/stop', { summary: 'Stop coaching a learner', body: z.strictObject({ learner }) }, async ({ body }) => ({
      run: await runs.stop(body.learner, clock.now()),
    }))
    .get(
      '/status',
      {
        summary: 'The coached learners, their progress, and the process that coaches them',
        query: z.object({ learner: learnerName.optional(), ...newestFirst }), // without a default: all runs
      },
      async ({ query }) => {
        const [page, totals, status] = await Promise.all([
          runs.list(query.learner, query.before, query.limit),
          runs.totals(),
          driver.status(),
        ]);
        return { driver: status, totals, runs: page.items, next: page.next };
      },
    )
    .post(
      '/boost',
      { summary: 'Spend the next rounds on one topic, by default the least known', body: boostBody },
      async ({ body }) => {
        const { topics } = await runs.active(body.learner);
        const chosen = body.topic ?? (await client.leastKnown(body.learner, topics))[0]!;
        if (!topics.includes(chosen)) {
          throw new ResilienceError(
            'CONFLICT',
            `${body.learner} is coached on ${topics.join(', ')}, not on '${chosen}'`,
          );
        }
        return { run: await runs.boost(body.learner, chosen, body.rounds, clock.now()) };
      },
    )
    .post(
      '/fast-lane',
      { summary: 'Let the next rounds follow each other without a pause', body: z.strictObject({ learner, rounds }) },
      async ({ body }) => ({ run: await runs.fastLane(body.learner, body.rounds, clock.now()) }),
    )
    .get('/settings', { summary: 'How the coach works' }, async () => ({ settings: await settings.read() }))
    .post(
      '/settings',
      { summary: 'Change how the coach works', body: settingsPatch, control: true },
      async ({ body }) => ({ settings: await settings.change(body, clock.now()) }),
    );
}
