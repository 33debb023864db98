import request from 'supertest';
import { metaServer } from '../../servers/meta-server.js';
import { trainingServer } from '../../servers/training-server.js';
import type { FleetServer } from '../../servers/support/service.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 4, 1);
const META = '/api/v4/meta-learning';

let fleet: TestFleet;
let clock: FakeClock;
let training: FleetServer;
let meta: FleetServer;
const get = (path: string) => request(meta.app).get(META + path);
const post = (path: string, body: object = {}) =>
  request(meta.app)
    .post(META + path)
    .send(body);

beforeEach(async () => {
  fleet = testFleet();
  clock = new FakeClock(START);
  training = await fleet.create(trainingServer, { clock });
  meta = await fleet.create(metaServer, { clock, clients: { training: await training.listen(0) } });
});
afterEach(() => fleet.close());

/** Plays rounds at the real training service, an hour apart by default. */
async function play(scores: readonly number[], { topic = 'sums', learner = 'ada', gap = HOUR } = {}): Promise<void> {
  const started = await request(training.app)
    .post('/api/v1/training/start')
    .send({ learner, topics: [topic] });
  const sessionId: number = started.body.session.id;
  for (const score of scores) {
    clock.set(clock.now() + gap);
    await request(training.app).post('/api/v1/training/round').send({ sessionId, score }).expect(201);
  }
}

const series = (n: number, f: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => f(i));

test('metrics and trajectory are computed from the data of the training service', async () => {
  await play(series(20, (i) => 0.9 - 0.7 * Math.exp(-0.2 * i)));
  const { body } = await get('/metrics?learner=ada').expect(200);
  expect(body.metrics.overall).toMatchObject({ rounds: 20 });
  expect(body.metrics.overall.recentScore).toBeGreaterThan(0.8);
  expect(body.metrics.overall.velocity).toBeGreaterThan(0.02);
  const trajectory = (await get('/trajectory?learner=ada')).body.series[0];
  expect(trajectory).toMatchObject({ topic: 'sums', curve: { kind: 'exponential' } });
  expect(trajectory.curve.asymptote).toBeCloseTo(0.9, 2);
  expect(trajectory.points).toHaveLength(20);
  expect(trajectory.points[5].expected).toBeCloseTo(trajectory.points[5].score, 3);
});

test('a study compares now with its beginning', async () => {
  await play(series(5, () => 0.2));
  await post('/start', { learner: 'ada' }).expect(201);
  await play(series(12, () => 0.9));
  const { body } = await get('/report?learner=ada').expect(200);
  expect(body.studies).toMatchObject([{ baseline: { recentScore: expect.closeTo(0.2) }, now: { rounds: 17 } }]);
  expect(body.studies[0].change).toBeCloseTo(0.7, 6);
  expect(body.topics).toMatchObject([{ topic: 'sums', rounds: 17 }]);
});

test('a plateau is found, predicted, and remembered', async () => {
  await play([...series(25, (i) => 0.6 - 0.5 * Math.exp(-0.4 * i)), ...series(15, () => 0.6)]);
  const found = await post('/detect-plateau', { learner: 'ada', topic: 'sums' }).expect(200);
  expect(found.body.plateau).toMatchObject({ state: 'plateau', rounds: 20 });
  const predicted = await post('/predict-plateau', { learner: 'ada', topic: 'sums' }).expect(200);
  expect(predicted.body).toMatchObject({ curve: { kind: 'exponential' }, forecast: { roundsUntilPlateau: 0 } });
  const { body } = await get('/report?learner=ada');
  expect(body.findings.map(({ kind }: { kind: string }) => kind)).toEqual(['forecast', 'plateau']);
  expect(body.topics[0].advice.join()).toContain('stand still');
});

test('a boost writes its reviews into the plan at training', async () => {
  await play(series(6, () => 1));
  await play(
    series(6, () => 1),
    { topic: 'history' },
  );
  const { body } = await post('/boost-retention', { learner: 'ada', reviews: 3 }).expect(201);
  expect(body.plans).toHaveLength(2);
  const planned = await request(training.app).get('/api/v1/training/reviews?learner=ada');
  expect(planned.body.items).toHaveLength(6);
  for (const { dueAt } of planned.body.items) expect(dueAt).toBeGreaterThanOrEqual(clock.now());
  const again = await post('/boost-retention', { learner: 'ada', topics: ['history'], reviews: 1 }).expect(201);
  expect(again.body.reviews).toHaveLength(1);
  const replanned = await request(training.app).get('/api/v1/training/reviews?learner=ada');
  expect(replanned.body.items).toHaveLength(4);
});

test('metrics of all learners, and of an unknown learner', async () => {
  await play([1, 0]);
  await play([1], { learner: 'bob' });
  expect((await get('/metrics')).body.metrics).toMatchObject({ learner: null, overall: { rounds: 3 } });
  const nobody = await get('/metrics?learner=nobody').expect(200);
  expect(nobody.body.metrics.overall).toMatchObject({ rounds: 0, meanScore: null, velocity: null });
  await post('/predict-plateau', { learner: 'nobody' }).expect(404);
  await post('/boost-retention', { learner: 'nobody' }).expect(404);
  expect((await post('/detect-plateau', { learner: 'nobody' })).body.plateau.state).toBe('unknown');
});

test('reset forgets the studies of a learner, not their rounds; all of it survives a restart', async () => {
  await play([1, 0, 1]);
  await post('/start', { learner: 'ada' });
  await post('/start', { learner: 'bob' });
  await post('/detect-plateau', { learner: 'ada' });
  await meta.close();
  meta = await fleet.create(metaServer, {
    clock,
    clients: { training: await fleet.listen(trainingServer, { clock }) },
  });
  expect((await get('/metrics')).body.metrics.kept).toEqual({ studies: 2, findings: 1, learners: 2 });
  const { body } = await post('/reset', { learner: 'ada' }).expect(200);
  expect(body.removed).toEqual({ studies: 1, findings: 1 });
  expect((await get('/metrics?learner=ada')).body.metrics).toMatchObject({ overall: { rounds: 3 } });
});

test('while the training service is unavailable the response reports it', async () => {
  await training.close();
  const { body } = await get('/metrics?learner=ada');
  expect(body).toMatchObject({ ok: false, code: expect.stringMatching(/^(UPSTREAM_REFUSED|NO_TARGET_AVAILABLE)$/) });
  expect(JSON.stringify(body)).not.toContain('    at ');
});

test.each([
  ['/start', { learner: '' }, 'body.learner'],
  ['/detect-plateau', { window: 3 }, 'body.window'],
  ['/predict-plateau', { minSlope: -1 }, 'body.minSlope'],
  ['/boost-retention', { target: 1 }, 'body.target'],
  ['/boost-retention', { topics: [] }, 'body.topics'],
  ['/reset', {}, 'body.learner'],
])('POST %s %j names %s', async (path, body, field) => {
  const refused = await post(path, body).expect(400);
  expect(refused.body.errors[0].field).toBe(field);
});
