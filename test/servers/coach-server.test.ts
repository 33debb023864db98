import request from 'supertest';
import { coachServer } from '../../servers/coach-server.js';
import { trainingServer } from '../../servers/training-server.js';
import type { FleetServer } from '../../servers/support/service.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { eventually } from '../support/eventually.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';

const START = Date.UTC(2026, 4, 1);
const HOUR = 3_600_000;
const COACH = '/api/v1/auto-coach';

interface Run {
  state: string;
  opened: number;
  answered: number;
  lapsed: number;
  attemptId: string | null;
  sessionId: number | null;
  lastError: string | null;
  boost: { topic: string | null; left: number };
  fastLeft: number;
  nextAt: number;
}

let fleet: TestFleet;
let clock: FakeClock;
let training: FleetServer;
let trainingUrl: string;
let coach: FleetServer;
/** Timers of the training server. */
let timersBefore: number;
const get = (path: string) => request(coach.app).get(COACH + path);
const post = (path: string, body: object = {}) =>
  request(coach.app)
    .post(COACH + path)
    .send(body);
const status = async (server = coach) => (await request(server.app).get(`${COACH}/status`)).body;
const runOf = async (learner = 'ada'): Promise<Run> => (await get(`/status?learner=${learner}`)).body.runs[0];
const createCoach = () => fleet.create(coachServer, { clock, clients: { training: trainingUrl } });

beforeEach(async () => {
  fleet = testFleet();
  clock = new FakeClock(START);
  training = await fleet.create(trainingServer, { clock });
  trainingUrl = await training.listen(0);
  timersBefore = clock.pendingTimers;
  coach = await createCoach();
});
afterEach(() => fleet.close());

/** Advances the clock by a second at a time, and lets the loop run, until the run is as wanted. */
async function until(passes: (run: Run) => boolean, learner = 'ada'): Promise<Run> {
  return eventually(async () => {
    clock.tick(1000);
    return runOf(learner);
  }, passes);
}

async function answer(attemptId: string, text: string): Promise<void> {
  await request(training.app).post('/api/v1/challenges/grade').send({ attemptId, answer: text }).expect(200);
}

test('a learner gets a round, and the next one after the answer', async () => {
  await post('/start', { learner: 'ada', topics: ['sums'], interval: 5000 }).expect(201);
  const first = await until((run) => run.attemptId !== null);
  expect(first).toMatchObject({ state: 'active', opened: 1, answered: 0 });
  await answer(first.attemptId!, '42');
  const second = await until((run) => run.answered === 1);
  expect(second.opened).toBe(2);
  expect(second.attemptId).not.toBe(first.attemptId);
  const { body } = await request(training.app).get('/api/v1/training/rounds?learner=ada');
  expect(body.items).toMatchObject([{ topic: 'sums', source: 'learner', sessionId: first.sessionId }]);
});

test('a rehearsal plays rounds by itself and marks them as rehearsal in the log', async () => {
  await post('/start', { learner: 'dry-run', topics: ['sums'], interval: 1000, mode: 'rehearsal' }).expect(201);
  await until((run) => run.answered >= 5, 'dry-run');
  const { body } = await request(training.app).get('/api/v1/training/rounds?learner=dry-run');
  expect(body.items.length).toBeGreaterThanOrEqual(5);
  for (const { source } of body.items) expect(source).toBe('rehearsal');
});

test('a round without an answer lapses, and the pauses of the coach grow', async () => {
  await request(training.app).post('/api/v1/training/settings').send({ attemptLifetime: 60_000 }).expect(200);
  await post('/start', { learner: 'ada', topics: ['sums'], interval: 10_000 });
  const lapsed = await until((run) => run.lapsed === 1);
  const later = await until((run) => run.lapsed === 3);
  expect(lapsed).toMatchObject({ answered: 0, opened: 2 });
  expect(later.nextAt - clock.now()).toBeGreaterThan(20_000);
});

test('stopping finishes the session, also for the run of a coach that was closed in the meantime', async () => {
  await post('/start', { learner: 'ada', topics: ['sums'], interval: 1000 });
  const { sessionId } = await until((run) => run.sessionId !== null);
  const stopped = await post('/stop', { learner: 'ada' }).expect(200);
  expect(stopped.body.run.state).toBe('stopping');
  await coach.close();
  coach = await createCoach();
  await until((run) => run.state === 'stopped');
  const { body } = await request(training.app).get(`/api/v1/training/sessions/${sessionId}`);
  expect(body.session.endedAt).not.toBeNull();
  await post('/stop', { learner: 'ada' }).expect(404);
});

test('a restarted coach continues its run', async () => {
  await post('/start', { learner: 'ada', topics: ['sums'], interval: 1000 });
  const before = await until((run) => run.attemptId !== null);
  await coach.close();
  await answer(before.attemptId!, '1');
  coach = await createCoach();
  const after = await until((run) => run.answered === 1);
  expect(after.sessionId).toBe(before.sessionId);
});

test('of two coaches on one database one is active, and the other takes over when it stops', async () => {
  const second = await createCoach();
  await post('/start', { learner: 'ada', topics: ['sums'], interval: 1000, mode: 'rehearsal' });
  await until((run) => run.answered >= 3);
  const drivers = await Promise.all([coach, second].map(async (server) => (await status(server)).driver));
  expect(drivers.filter(({ driving }) => driving)).toHaveLength(1);
  expect(new Set(drivers.map(({ holder }) => holder)).size).toBe(1);
  const [driving, waiting] = drivers[0].driving ? [coach, second] : [second, coach];
  await driving.close();
  coach = waiting;
  const { answered } = await runOf();
  await until((run) => run.answered > answered);
  expect((await status()).driver.driving).toBe(true);
  const { body } = await request(training.app).get('/api/v1/training/rounds?learner=ada&limit=1000');
  const run = await runOf();
  // Every round the coach counts was played once.
  expect(body.items.length - run.answered).toBeLessThanOrEqual(1);
});

test('a boost spends rounds on one topic, the fast lane shortens the pauses', async () => {
  await post('/start', { learner: 'ada', topics: ['sums', 'history'], interval: 60_000, mode: 'rehearsal' });
  const boosted = await post('/boost', { learner: 'ada', topic: 'history', rounds: 3 }).expect(200);
  expect(boosted.body.run.boost).toEqual({ topic: 'history', left: 3 });
  await post('/fast-lane', { learner: 'ada', rounds: 3 }).expect(200);
  const before = clock.now();
  await until((run) => run.answered >= 2);
  expect(clock.now() - before).toBeLessThan(HOUR);
  await until((run) => run.boost.left === 0 && run.fastLeft === 0);
  const { body } = await request(training.app).get('/api/v1/training/rounds?learner=ada');
  const topics = body.items.slice(0, 3).map(({ topic }: { topic: string }) => topic);
  expect(topics).toEqual(['history', 'history', 'history']);
  await post('/boost', { learner: 'ada', topic: 'cooking' }).expect(409);
  const weakest = await post('/boost', { learner: 'ada' }).expect(200);
  expect(weakest.body.run.boost.topic).toBe('sums');
});

test('while the training service is unavailable the coach waits and reports why, and then continues', async () => {
  await training.close();
  await post('/start', { learner: 'ada', topics: ['sums'], interval: 1000 }).expect(201);
  const held = await until((run) => run.lastError !== null);
  expect(held.lastError).toMatch(/^(UPSTREAM_REFUSED|NO_TARGET_AVAILABLE|CIRCUIT_OPEN)/);
  expect((await status()).driver.failures).toBeGreaterThan(0);
  training = await fleet.create(trainingServer, { clock });
  await training.listen(Number(new URL(trainingUrl).port));
  const back = await until((run) => run.opened === 1);
  expect(back.lastError).toBeNull();
});

test('a learner has at most one run at a time, and the settings limit the number of learners', async () => {
  const starts = await Promise.all([1, 2, 3].map(() => post('/start', { learner: 'ada', topics: ['sums'] })));
  expect(starts.map(({ status: code }) => code).sort()).toEqual([201, 409, 409]);
  await post('/settings', { maxRuns: 1 }).expect(200);
  await post('/start', { learner: 'bob', topics: ['sums'] }).expect(409);
  await post('/settings', { interval: 60_000, maxInterval: 1000 }).expect(400);
  expect((await get('/settings')).body.settings).toMatchObject({ maxRuns: 1 });
  await post('/settings', { maxRuns: 9 }).set('X-Forwarded-For', '203.0.113.9').expect(401);
});

test.each([
  ['/start', { topics: [] }, 'body.topics'],
  ['/start', { topics: ['x'], interval: 10 }, 'body.interval'],
  ['/start', { topics: ['x'], mode: 'magic' }, 'body.mode'],
  ['/boost', { rounds: 0 }, 'body.rounds'],
  ['/fast-lane', { rounds: 1000 }, 'body.rounds'],
])('POST %s %j names %s', async (path, body, field) => {
  const refused = await post(path, body).expect(400);
  expect(refused.body.errors[0].field).toBe(field);
});

test('nothing is left running after close', async () => {
  await post('/start', { learner: 'ada', topics: ['sums'], interval: 1000 });
  await coach.close();
  await coach.close();
  expect(clock.pendingTimers).toBe(timersBefore);
});
