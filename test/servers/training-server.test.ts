import request from 'supertest';
import { trainingServer } from '../../servers/training-server.js';
import type { FleetServer } from '../../servers/support/service.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 4, 1);

let fleet: TestFleet;
let server: FleetServer;
let clock: FakeClock;
const get = (path: string) => request(server.app).get(path);
const post = (path: string, body: object = {}) => request(server.app).post(path).send(body);

beforeEach(async () => {
  fleet = testFleet();
  clock = new FakeClock(START);
  server = await fleet.create(trainingServer, { clock });
});
afterEach(() => fleet.close());

async function startSession(topics = ['sums', 'fractions'], learner = 'ada'): Promise<number> {
  const { body } = await post('/api/v1/training/start', { learner, topics }).expect(201);
  return body.session.id;
}

describe('sessions and rounds', () => {
  test('a session starts, takes rounds and ends', async () => {
    const sessionId = await startSession();
    const round = await post('/api/v1/training/round', { sessionId, topic: 'sums', score: 0.8 }).expect(201);
    expect(round.body).toMatchObject({ ok: true, round: { learner: 'ada', topic: 'sums', score: 0.8, at: START } });
    expect(round.body.round.knownAfter).toBeGreaterThan(round.body.round.knownBefore);
    const session = await get(`/api/v1/training/sessions/${sessionId}`).expect(200);
    expect(session.body.session).toMatchObject({ rounds: 1, meanScore: 0.8, endedAt: null });
    await post('/api/v1/training/finish', { sessionId }).expect(200);
    const refused = await post('/api/v1/training/round', { sessionId, topic: 'sums', correct: true }).expect(409);
    expect(refused.headers['content-type']).toContain('application/problem+json');
    expect(refused.body).toMatchObject({ ok: false, code: 'CONFLICT', status: 409 });
  });

  test('a round without a result is a challenge to answer, once', async () => {
    const sessionId = await startSession(['sums']);
    const opened = await post('/api/v1/training/round', { sessionId }).expect(201);
    const { attempt } = opened.body;
    expect(attempt).toMatchObject({ state: 'open', topic: 'sums', kind: 'numeric', sessionId });
    expect(attempt.solution).toBeUndefined();
    const answered = { sessionId, attemptId: attempt.id, answer: 'nonsense' };
    const graded = await post('/api/v1/training/round', answered).expect(201);
    expect(graded.body).toMatchObject({ grade: { score: 0 }, attempt: { state: 'graded' }, round: { score: 0 } });
    await post('/api/v1/training/round', answered).expect(409);
  });

  test('an attempt of another session is refused', async () => {
    const first = await startSession(['sums']);
    const second = await startSession(['sums'], 'bob');
    const { body } = await post('/api/v1/training/round', { sessionId: first }).expect(201);
    await post('/api/v1/training/round', { sessionId: second, attemptId: body.attempt.id, answer: 1 }).expect(409);
  });

  test('progress fades with time and shows which topics to review', async () => {
    const sessionId = await startSession();
    for (let i = 0; i < 5; i++) await post('/api/v1/training/round', { sessionId, topic: 'sums', correct: true });
    const fresh = (await get('/api/v1/training/progress?learner=ada')).body.progress[0];
    expect(fresh).toMatchObject({ topic: 'sums', mastered: true, rounds: 5, meanScore: 1 });
    clock.set(START + 48 * HOUR);
    const faded = (await get('/api/v1/training/progress?learner=ada')).body.progress[0];
    expect(faded.known).toBeLessThan(fresh.known / 1.5);
    expect(faded.mastered).toBe(false);
    expect(fresh.reviewAt).toBeGreaterThan(START);
    expect(fresh.reviewAt).toBeLessThan(START + 24 * HOUR);
  });

  test('the log is read page by page, both ways', async () => {
    const sessionId = await startSession();
    for (let i = 0; i < 5; i++) await post('/api/v1/training/round', { sessionId, topic: 'sums', score: i / 5 });
    const first = (await get('/api/v1/training/rounds?limit=3')).body;
    const rest = (await get(`/api/v1/training/rounds?limit=3&since=${first.next}`)).body;
    expect([...first.items, ...rest.items].map(({ score }) => score)).toEqual([0, 0.2, 0.4, 0.6, 0.8]);
    expect(rest.next).toBeNull();
    const newest = (await get('/api/v1/training/rounds?order=newest&limit=2')).body;
    expect(newest.items.map(({ score }: { score: number }) => score)).toEqual([0.8, 0.6]);
  });

  test('status, overview and deep dive count what happened', async () => {
    const sessionId = await startSession();
    await post('/api/v1/training/round', { sessionId, topic: 'sums', score: 1 });
    await post('/api/v1/training/round', { sessionId });
    const status = await get('/api/v1/training/status').expect(200);
    expect(status.body.status).toMatchObject({ rounds: 1, openAttempts: 1, sessions: { total: 1, open: 1 } });
    const overview = await get('/api/v1/training/overview').expect(200);
    expect(overview.body).toMatchObject({
      totals: { rounds: 1 },
      topics: [{ topic: 'sums', rounds: 1 }],
      days: [{ day: '2026-05-01', rounds: 1, meanScore: 1 }],
    });
    const dive = await get('/api/v1/training/deep-dive/sums').expect(200);
    expect(dive.body).toMatchObject({ topic: 'sums', rounds: { items: [{ score: 1 }] }, kinds: [{ rounds: 1 }] });
    await get('/api/v1/training/deep-dive/unheard-of').expect(404);
  });

  test('reviews are planned and listed', async () => {
    const reviews = [{ topic: 'sums', dueAt: START + HOUR }];
    await post('/api/v1/training/reviews', { learner: 'ada', reviews }).expect(201);
    const listed = await get('/api/v1/training/reviews?learner=ada').expect(200);
    expect(listed.body.items).toMatchObject([{ topic: 'sums', dueAt: START + HOUR, doneAt: null }]);
  });

  test('settings apply to new sessions, and a session can have its own', async () => {
    const before = await startSession();
    await post('/api/v1/training/settings', { prior: 0.4 }).expect(200);
    const after = await post('/api/v1/training/start', { topics: ['x'], settings: { learn: 0.5 } }).expect(201);
    expect(after.body.session.settings).toMatchObject({ prior: 0.4, learn: 0.5 });
    const { body } = await get(`/api/v1/training/sessions/${before}`);
    expect(body.session.settings.prior).toBe(0.2);
    const refused = await post('/api/v1/training/settings', { guess: 0.6, slip: 0.6 }).expect(400);
    expect(refused.body.errors).toMatchObject([{ field: 'body.guess' }]);
    await post('/api/v1/training/start', { topics: ['x'], settings: { guess: 0.95 } }).expect(400);
  });
});

describe('challenges', () => {
  test('a challenge that a user wrote is given and graded by its own rules', async () => {
    const challenge = {
      topic: 'capitals',
      prompt: 'Which city is the capital of Peru?',
      solution: { kind: 'exact', accepted: ['Lima'] },
    };
    const added = await post('/api/v1/challenges', challenge).expect(201);
    expect(JSON.stringify(added.body)).not.toContain('Lima');
    const started = await post('/api/v1/challenges/start', { learner: 'ada', topic: 'capitals' }).expect(201);
    const { id } = started.body.attempt;
    const graded = await post('/api/v1/challenges/grade', { attemptId: id, answer: ' lima ' }).expect(200);
    expect(graded.body).toMatchObject({ grade: { score: 1 }, round: { topic: 'capitals', learner: 'ada' } });
    await post('/api/v1/challenges/grade', { attemptId: id, answer: 'Lima' }).expect(409);
    expect((await get(`/api/v1/challenges/attempts/${id}`)).body.attempt).toMatchObject({ state: 'graded', score: 1 });
    const { body } = await get('/api/v1/challenges/stats');
    expect(body.stats).toEqual([
      { topic: 'capitals', kind: 'exact', attempts: 1, graded: 1, expired: 0, meanScore: 1 },
    ]);
  });

  test('a seed gives the same generated challenge', async () => {
    const wanted = { topic: 'sums', kind: 'ordering', difficulty: 3, seed: 42 };
    const [one, two] = await Promise.all([
      post('/api/v1/challenges/start', wanted),
      post('/api/v1/challenges/start', wanted),
    ]);
    expect(one.body.attempt.items).toEqual(two.body.attempt.items);
    const sorted = [...one.body.attempt.items].sort((a, b) => Number(a) - Number(b));
    const graded = await post('/api/v1/challenges/grade', { attemptId: one.body.attempt.id, answer: sorted });
    expect(graded.body.grade.score).toBe(1);
  });

  test('attempts expire', async () => {
    const { body } = await post('/api/v1/challenges/start', { topic: 'sums' });
    clock.set(START + HOUR);
    await post('/api/v1/challenges/grade', { attemptId: body.attempt.id, answer: 1 }).expect(409);
    expect((await get('/api/v1/challenges/stats')).body.stats).toMatchObject([{ expired: 1, graded: 0 }]);
  });

  test('the bank is listed by topic, and an unknown challenge is a 404', async () => {
    for (const topic of ['a', 'b', 'a']) {
      await post('/api/v1/challenges', { topic, prompt: 'p', solution: { kind: 'numeric', value: 1 } }).expect(201);
    }
    const { body } = await get('/api/v1/challenges?topic=a&limit=1');
    expect(body.items).toHaveLength(1);
    const older = (await get(`/api/v1/challenges?topic=a&limit=1&before=${body.next}`)).body;
    expect(older).toMatchObject({ items: [{ topic: 'a' }], next: null });
    await get(`/api/v1/challenges/${older.items[0].id}`).expect(200);
    await get('/api/v1/challenges/999').expect(404);
    await post('/api/v1/challenges/start', { topic: 'zzz', kind: 'rubric' }).expect(404);
  });
});

test('feedback is given, listed and summed up', async () => {
  await post('/api/v1/feedback', { rating: 5, topic: 'sums', comment: 'clear' }).expect(201);
  await post('/api/v1/feedback', { rating: 2, topic: 'sums' }).expect(201);
  const listed = await get('/api/v1/feedback?topic=sums&limit=1').expect(200);
  expect(listed.body).toMatchObject({ items: [{ rating: 2, comment: null }] });
  const { body } = await get('/api/v1/feedback/summary').expect(200);
  expect(body.summary).toEqual({
    count: 2,
    meanRating: 3.5,
    distribution: [0, 1, 0, 0, 1],
    topics: [{ topic: 'sums', count: 2, meanRating: 3.5 }],
  });
});

describe('invalid requests are reported', () => {
  test.each([
    ['/api/v1/training/start', { topics: [] }, 'body.topics'],
    ['/api/v1/training/start', { topics: ['x'], colour: 'red' }, 'body'],
    ['/api/v1/training/start', { topics: ['x'.repeat(101)] }, 'body.topics.0'],
    ['/api/v1/training/round', { sessionId: 'one' }, 'body.sessionId'],
    ['/api/v1/training/round', { sessionId: 1, score: 2 }, 'body.score'],
    ['/api/v1/training/round', { sessionId: 1, score: 1, correct: true }, 'body.answer'],
    ['/api/v1/training/round', { sessionId: 1, answer: 'x' }, 'body.attemptId'],
    ['/api/v1/training/reviews', { learner: 'a', reviews: [{ topic: 'x', dueAt: -1 }] }, 'body.reviews.0.dueAt'],
    ['/api/v1/challenges', { topic: 'x', prompt: 'p', solution: { kind: 'magic' } }, 'body.solution.kind'],
    ['/api/v1/challenges/start', { topic: 'x', difficulty: 9 }, 'body.difficulty'],
    ['/api/v1/challenges/grade', { attemptId: 'x', answer: 1 }, 'body.attemptId'],
    ['/api/v1/feedback', { rating: 6 }, 'body.rating'],
    ['/api/v1/feedback', { rating: 3, comment: 'a\0b' }, 'body.comment'],
    ['/api/v1/training/start', {}, 'body.topics'],
  ])('%s %j names %s', async (path, body, field) => {
    const refused = await post(path, body).expect(400);
    expect(refused.headers['content-type']).toContain('application/problem+json');
    expect(refused.body).toMatchObject({ ok: false, code: 'VALIDATION_FAILED' });
    expect(refused.body.errors.map((error: { field: string }) => error.field)).toContain(field);
  });

  test.each([
    ['/api/v1/training/rounds?limit=100000', 400],
    ['/api/v1/training/rounds?since=-1', 400],
    ['/api/v1/challenges?limit=201', 400],
    ['/api/v1/training/sessions/abc', 400],
    ['/api/v1/training/sessions/77', 404],
    ['/api/v1/training/progress?learner=%00', 400],
    ['/api/v1/training/rounds?since=1e300', 400],
    ['/api/v1/training/nowhere', 404],
    ['/api/v1/challenges/attempts/3f1b1d52-7a2b-4e53-9d7a-0a1f6d8b2c3e', 404],
  ])('GET %s is %d', async (path, status) => {
    const { body } = await get(path).expect(status);
    expect(body).toMatchObject({ ok: false, status });
  });

  test('a topic outside the session, or a missing topic with several, is refused', async () => {
    const sessionId = await startSession();
    await post('/api/v1/training/round', { sessionId, topic: 'history', score: 1 }).expect(400);
    await post('/api/v1/training/round', { sessionId, score: 1 }).expect(400);
    await post('/api/v1/training/round', { sessionId: 99, score: 1 }).expect(404);
  });

  test('a wrong method is a 405 with Allow, invalid JSON is a 400, and a body that is too large is a 413', async () => {
    const wrong = await request(server.app).delete('/api/v1/training/start').expect(405);
    expect(wrong.headers.allow).toBe('POST, OPTIONS');
    const broken = request(server.app).post('/api/v1/training/start').set('Content-Type', 'application/json');
    await broken.send('{"topics":').expect(400);
    await post('/api/v1/training/start', { topics: ['x'], filler: 'x'.repeat(300_000) }).expect(413);
  });

  test('settings reject remote callers', async () => {
    const refused = await post('/api/v1/training/settings', { prior: 0.5 }).set('X-Forwarded-For', '203.0.113.9');
    expect(refused.status).toBe(401);
  });
});

test('everything survives a restart', async () => {
  const sessionId = await startSession();
  await post('/api/v1/training/round', { sessionId, topic: 'sums', score: 1 });
  await post('/api/v1/training/settings', { prior: 0.3 });
  await server.close();
  server = await fleet.create(trainingServer, { clock });
  expect((await get('/api/v1/training/status')).body.status).toMatchObject({ rounds: 1 });
  expect((await get('/api/v1/training/settings')).body.settings.prior).toBe(0.3);
  await post('/api/v1/training/round', { sessionId, topic: 'sums', score: 1 }).expect(201);
});

test('concurrent rounds through two servers on one file are all counted', async () => {
  const second = await fleet.create(trainingServer, { clock });
  const sessionId = await startSession(['sums']);
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      request((i % 2 === 0 ? server : second).app)
        .post('/api/v1/training/round')
        .send({ sessionId, score: 1 }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(201));
  expect((await get('/api/v1/training/progress')).body.progress[0]).toMatchObject({ rounds: 30 });
});
