import request from 'supertest';
import { capabilitiesServer } from '../../servers/capabilities-server.js';
import { coachServer } from '../../servers/coach-server.js';
import { metaServer } from '../../servers/meta-server.js';
import { reportsServer } from '../../servers/reports-server.js';
import { segmentationServer } from '../../servers/segmentation-server.js';
import { trainingServer } from '../../servers/training-server.js';
import type { ServiceName } from '../../servers/support/fleet.js';
import type { FleetServer } from '../../servers/support/service.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { eventually } from '../support/eventually.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';

const START = Date.UTC(2026, 4, 1);
const MINUTE = 60_000;
const REPORTS = '/api/v1/reports';
/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:9';

let fleet: TestFleet;
let clock: FakeClock;
let training: FleetServer;
let reports: FleetServer;
let clients: Partial<Record<ServiceName, string>>;

/** Bypasses the cache, because these tests check the contents of a report, not how long it is cached. */
const get = (path: string) =>
  request(reports.app)
    .get(REPORTS + path)
    .set('Cache-Control', 'no-cache');
const post = (path: string) => request(reports.app).post(REPORTS + path);

beforeEach(async () => {
  fleet = testFleet();
  clock = new FakeClock(START);
  training = await fleet.create(trainingServer, { clock });
  clients = { web: NOWHERE, budget: NOWHERE, reports: NOWHERE, training: await training.listen(0) };
  clients.meta = await fleet.listen(metaServer, { clock, clients });
  clients.coach = await fleet.listen(coachServer, { clock, clients });
  clients.segmentation = await fleet.listen(segmentationServer, { clock });
  clients.capabilities = await fleet.listen(capabilitiesServer, { clock, clients });
  reports = await fleet.create(reportsServer, { clock, clients });
});
afterEach(() => fleet.close());

async function play(scores: readonly number[]): Promise<void> {
  const { body } = await request(training.app)
    .post('/api/v1/training/start')
    .send({ learner: 'ada', topics: ['sums'] });
  for (const score of scores) {
    await request(training.app).post('/api/v1/training/round').send({ sessionId: body.session.id, score }).expect(201);
  }
}

async function snapshot(): Promise<{ id: number; metrics: Record<string, number> }> {
  clock.set(clock.now() + MINUTE);
  return (await post('/snapshots').expect(201)).body.snapshot;
}

test('a comprehensive report holds the data of the services, and names the missing sections', async () => {
  await play([1, 0.5]);
  await request(training.app).post('/api/v1/feedback').send({ rating: 4 });
  const { body } = await get('/comprehensive').expect(200);
  expect(body.sections.training).toMatchObject({ available: true, data: { totals: { rounds: 2, meanScore: 0.75 } } });
  expect(body.sections.training.data.ok).toBeUndefined();
  expect(body.sections.feedback.data.summary).toMatchObject({ count: 1, meanRating: 4 });
  expect(body.sections.learning.data.metrics.overall.rounds).toBe(2);
  for (const name of ['coaching', 'segmentation', 'capabilities']) expect(body.sections[name].available).toBe(true);
  expect(body.sections.budget).toMatchObject({ available: false, service: 'budget', code: expect.any(String) });
  expect(body.sections.budget.reason).toEqual(expect.any(String));
  expect(body.performance.training).toMatchObject({ available: true, totalRequests: expect.any(Number) });
  expect(body.performance.web).toMatchObject({ available: false });
  expect(body.efficiency).toMatchObject({ spentThisMonth: null, rounds: 2, costPerRound: null });
});

test('performance shows the requests that the services served', async () => {
  const before = (await get('/performance')).body.services.training.totalRequests;
  await play([1, 1, 1]);
  const { body } = await get('/performance').expect(200);
  expect(body.services.training.totalRequests).toBeGreaterThanOrEqual(before + 4);
  expect(body.services.training.p95).toBeGreaterThan(0);
});

test('a report is cached briefly for all clients', async () => {
  // The server listens once, because a cache entry belongs to one host and port.
  const url = await reports.listen(0);
  const path = `${REPORTS}/performance`;
  const first = await request(url).get(path).expect(200);
  expect(first.headers['cache-control']).toBe('public, max-age=5, stale-while-revalidate=30');
  const second = await request(url).get(path).expect(200);
  expect(second.headers['cache-status']).toContain('hit');
  expect(second.body).toEqual(first.body);
});

test('snapshots carry delta and dashboard, and survive a restart', async () => {
  await play([1]);
  const first = await snapshot();
  expect(first.metrics).toMatchObject({ 'training.rounds': 1, 'training.meanScore': 1, 'coaching.active': 0 });
  await play([0, 0]);
  const second = await snapshot();
  await reports.close();
  reports = await fleet.create(reportsServer, { clock, clients });
  const between = (await get(`/delta?from=${first.id}&to=${second.id}`).expect(200)).body;
  expect(between.changes.find(({ metric }: { metric: string }) => metric === 'training.rounds')).toEqual({
    metric: 'training.rounds',
    before: 1,
    after: 3,
    change: 2,
    ratio: 2,
  });
  const since = (await get(`/delta?since=${START}`).expect(200)).body;
  expect(since).toMatchObject({ from: { id: first.id }, to: { id: null } });
  const dashboard = (await get('/dashboard').expect(200)).body;
  expect(dashboard.sections).toMatchObject({ training: { available: true }, budget: { available: false } });
  expect(dashboard.metrics['training.rounds']).toBe(3);
  expect(dashboard.sparklines['training.meanScore']).toHaveLength(2);
  await get('/delta?from=999').expect(404);
});

test('trends, comparisons and anomalies come from the stored snapshots', async () => {
  for (let i = 0; i < 14; i++) {
    await play(i === 9 ? Array<number>(25).fill(1) : [1]);
    await snapshot();
  }
  const trends = (await get('/trends?metric=training.learners').expect(200)).body;
  expect(trends).toMatchObject({ snapshots: 14, trends: [{ metric: 'training.learners', direction: 'steady' }] });
  expect((await get('/trends')).body.trends.length).toBeGreaterThan(10);
  const { anomalies } = (await get('/anomalies').expect(200)).body;
  expect(anomalies).toContainEqual(expect.objectContaining({ metric: 'training.rounds', value: 25, usual: 1 }));
  const compared = (await get(`/compare?window=${7 * MINUTE}`).expect(200)).body;
  expect(compared.first.snapshots + compared.second.snapshots).toBeGreaterThanOrEqual(13);
  const rounds = compared.comparisons.find(({ metric }: { metric: string }) => metric === 'training.rounds');
  expect(rounds.after).toBeGreaterThan(rounds.before);
});

test('a snapshot is taken every minute, by one of two processes', async () => {
  const second = await fleet.create(reportsServer, { clock, clients });
  const taken = async () => (await get('/snapshots')).body.items as { at: number }[];
  const idle = clock.pendingTimers;
  for (let i = 1; i <= 3; i++) {
    clock.tick(MINUTE);
    // Waits until every loop has set its next timer, because the next tick would otherwise skip it.
    await eventually(taken, (items) => items.length >= i && clock.pendingTimers === idle);
  }
  expect((await taken()).map(({ at }) => at)).toEqual([3, 2, 1].map((i) => START + i * MINUTE));
  await second.close();
});

test('the efficiency compares cost and result, as far as both are known', async () => {
  await play([1, 1, 1, 1]);
  const { body } = await get('/cost-efficiency').expect(200);
  expect(body.efficiency).toMatchObject({ rounds: 4, mastered: 1, spentThisMonth: null });
  expect(body.sections).toMatchObject({ training: { available: true }, budget: { available: false } });
});

test('with all services unavailable there is still a report, with each section marked unavailable', async () => {
  for (const url of Object.keys(clients)) clients[url as ServiceName] = NOWHERE;
  const alone = await fleet.create(reportsServer, { clock, clients });
  const { body } = await request(alone.app).get(`${REPORTS}/comprehensive`).expect(200);
  for (const section of Object.values<{ available: boolean }>(body.sections)) expect(section.available).toBe(false);
  const taken = await request(alone.app).post(`${REPORTS}/snapshots`).expect(201);
  expect(taken.body.snapshot.metrics).toEqual({});
});

test.each([
  '/trends?window=1',
  '/delta?from=1&since=2',
  '/compare?window=x',
  '/anomalies?threshold=0',
  '/snapshots?limit=0',
])('GET %s is refused', async (path) => {
  const { body } = await get(path).expect(400);
  expect(body.code).toBe('VALIDATION_FAILED');
});
