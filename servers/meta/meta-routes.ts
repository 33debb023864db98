/**
 * `/api/v4/meta-learning`: measures how effective the learning is, from the rounds that the training service stores.
 */
import type { AxiosInstance } from 'axios';
import type { Kysely } from 'kysely';
import * as z from 'zod';
import { ResilienceError, type Clock } from '../../src/index.js';
import { learnerName, topicName } from '../support/fields.js';
import { created, RouteTable } from '../support/route-table.js';
import { expectedAt } from './learning-curve.js';
import { byTopic, curveOf, measure, pauses, reportTopic } from './measurement.js';
import { detectPlateau, predictPlateau } from './plateau.js';
import { fitForgetting, planReviews } from './retention.js';
import type { MetaSchema } from './schema.js';
import { addFinding, counts, findingsOf, reset, startStudy, studiesOf } from './study-store.js';
import { fetchProgress, fetchRounds, writeReviews, type Question } from './training-client.js';

const learner = learnerName.default('default');
const topic = topicName;
const window = z.number().int().min(8).max(500).default(20);
const minSlope = z.number().min(0.0001).max(0.5).default(0.005);

const questionQuery = z.object({ learner, topic: topic.optional() });
const metricsQuery = z.object({ learner: learnerName.optional(), topic: topic.optional() });
const startBody = z.strictObject({ learner, topic: topic.nullable().default(null) });
const plateauBody = z.strictObject({ learner, topic: topic.optional(), window, minSlope });
const boostBody = z.strictObject({
  learner,
  topics: z.array(topic).min(1).max(50).optional(),
  target: z.number().min(0.3).max(0.97).default(0.8),
  reviews: z.number().int().min(1).max(10).default(4),
});

const DEFAULTS = { window: 20, minSlope: 0.005 };
const MAX_BOOSTED = 20;
const TRAJECTORY_POINTS = 500;

/** The routes, using this database and the training service that the client `training` calls. */
export function metaRoutes(db: Kysely<MetaSchema>, training: AxiosInstance, clock: Clock): RouteTable {
  return new RouteTable('/api/v4/meta-learning')
    .post(
      '/start',
      { summary: "Start to study a learner: keeps today's numbers to compare with", body: startBody },
      async ({ body }) => {
        const baseline = measure(await fetchRounds(training, questionOf(body)));
        return created({ study: await startStudy(db, body.learner, body.topic, baseline, clock.now()) });
      },
    )
    .get(
      '/report',
      { summary: 'Curve, plateau, forgetting and advice for each topic', query: questionQuery },
      async ({ query }) => {
        const [rounds, studies, findings] = await Promise.all([
          fetchRounds(training, query),
          studiesOf(db, query.learner),
          findingsOf(db, query.learner),
        ]);
        const topics = [...byTopic(rounds)].map(([name, played]) => reportTopic(name, played, DEFAULTS));
        const progressOf = studies.map((study) => {
          const now = measure(study.topic === null ? rounds : rounds.filter((round) => round.topic === study.topic));
          return { ...study, now, change: changeOf(study.baseline.recentScore, now.recentScore) };
        });
        return { learner: query.learner, overall: measure(rounds), topics, studies: progressOf, findings };
      },
    )
    .get(
      '/metrics',
      { summary: 'A learner, or all of them, in a few numbers', query: metricsQuery },
      async ({ query }) => {
        const [rounds, kept] = await Promise.all([fetchRounds(training, query), counts(db)]);
        const topics = [...byTopic(rounds)].map(([name, played]) => ({ topic: name, ...measure(played) }));
        return { metrics: { learner: query.learner ?? null, overall: measure(rounds), topics, kept } };
      },
    )
    .get(
      '/trajectory',
      { summary: 'Scores round by round beside the fitted curve', query: questionQuery },
      async ({ query }) => {
        const rounds = await fetchRounds(training, query);
        const series = [...byTopic(rounds)].map(([name, played]) => {
          const shown = played.slice(-TRAJECTORY_POINTS);
          const curve = curveOf(shown);
          const points = shown.map(({ at, score, knownAfter }, i) => ({
            at,
            score,
            known: knownAfter,
            expected: curve === undefined ? null : expectedAt(curve, i + 1),
          }));
          return { topic: name, curve: curve ?? null, points };
        });
        return { learner: query.learner, series };
      },
    )
    .post(
      '/detect-plateau',
      { summary: 'Whether scores have come to a stand', body: plateauBody },
      async ({ body }) => {
        const scores = (await fetchRounds(training, body)).map(({ score }) => score);
        const plateau = detectPlateau(scores, body);
        await addFinding(db, { ...named(body), kind: 'plateau', result: plateau }, clock.now());
        return { plateau };
      },
    )
    .post('/predict-plateau', { summary: 'When scores will come to a stand', body: plateauBody }, async ({ body }) => {
      const curve = curveOf(await fetchRounds(training, body));
      if (curve === undefined) throw noRounds(body);
      const forecast = predictPlateau(curve, body.minSlope);
      await addFinding(db, { ...named(body), kind: 'forecast', result: forecast }, clock.now());
      return { curve, forecast };
    })
    .post(
      '/boost-retention',
      {
        summary: 'Plan reviews before the learned topics are forgotten, and send the plan to training',
        body: boostBody,
      },
      async ({ body }) => {
        const now = clock.now();
        const [progress, rounds] = await Promise.all([fetchProgress(training, body), fetchRounds(training, body)]);
        const chosen = progress
          .filter((one) => body.topics === undefined || body.topics.includes(one.topic))
          .slice(0, MAX_BOOSTED);
        if (chosen.length === 0) throw noRounds({ learner: body.learner, topic: body.topics?.join(', ') });
        const played = byTopic(rounds);
        const plans = chosen.map(({ topic: name, halfLife, lastAt }) => {
          // A half-life measured from this learner's own pauses is more accurate than the default of the training
          // service.
          const measured = fitForgetting(pauses(played.get(name) ?? []))?.halfLife ?? null;
          const used = measured ?? halfLife;
          const times = planReviews({ halfLife: used, lastAt }, { ...body, now });
          return { topic: name, halfLife: used, measured: measured !== null, reviews: times };
        });
        const wanted = plans.flatMap(({ topic: name, reviews }) => reviews.map((dueAt) => ({ topic: name, dueAt })));
        const reviews = await writeReviews(training, body.learner, wanted);
        await addFinding(db, { learner: body.learner, topic: null, kind: 'boost', result: { plans } }, now);
        return created({ plans, reviews });
      },
    )
    .post(
      '/reset',
      {
        summary: 'Forget the studies and findings of a learner; what training holds stays',
        body: z.strictObject({ learner: learnerName }),
      },
      async ({ body }) => ({ removed: await reset(db, body.learner) }),
    );
}

type Asked = Question & { readonly learner: string };

function questionOf({ learner, topic }: { learner: string; topic: string | null }): Question {
  return { learner, topic: topic ?? undefined };
}

function named({ learner, topic }: Asked): { learner: string; topic: string | null } {
  return { learner, topic: topic ?? null };
}

function changeOf(before: number | null, now: number | null): number | null {
  return before === null || now === null ? null : now - before;
}

function noRounds({ learner, topic }: Asked): ResilienceError {
  const what = topic === undefined ? '' : ` of '${topic}'`;
  return new ResilienceError('NOT_FOUND', `${learner} has not played a round${what} yet`);
}
