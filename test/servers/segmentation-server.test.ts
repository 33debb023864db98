import request from 'supertest';
import { segmentationServer } from '../../servers/segmentation-server.js';
import type { FleetServer } from '../../servers/support/service.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';

const TALK = [
  'The database query scans the whole table because the index is missing.',
  'Then create the index, and the query plan will use it instead of the table.',
  'The index made the query on the table a hundred times faster.',
  'Shall we hike to the hut above the mountain lake on Saturday?',
  'The hut at the lake is lovely, and the hike up the mountain takes three hours.',
  'Bring a swimsuit for the lake, and good shoes for the mountain hike.',
].map((content) => ({ content }));

let fleet: TestFleet;
let server: FleetServer;
const get = (path: string) => request(server.app).get(path);
const post = (path: string, body: object) => request(server.app).post(path).send(body);
const analyze = (body: object) => post('/api/v1/segmentation/analyze', body);

beforeEach(async () => {
  fleet = testFleet();
  server = await fleet.create(segmentationServer);
});
afterEach(() => fleet.close());

test('a conversation is cut where its subject changes', async () => {
  const { body } = await analyze({ label: 'talk', messages: TALK }).expect(200);
  expect(body).toMatchObject({ ok: true, boundaries: [3] });
  expect(body.segments).toHaveLength(2);
  expect(body.segments[0]).toMatchObject({ from: 0, to: 2, depth: null });
  const keywords = body.segments.map((segment: { keywords: { term: string }[] }) =>
    segment.keywords.map(({ term }) => term),
  );
  expect(keywords[0]).toEqual(expect.arrayContaining(['query', 'index']));
  expect(keywords[1]).toEqual(expect.arrayContaining(['hike', 'lake']));
  expect(body.segments[1].depth).toBeGreaterThan(body.threshold);
});

test('a running text can be analysed too, and storing an analysis is optional', async () => {
  const text = TALK.map(({ content }) => content).join(' ');
  const { body } = await analyze({ text, keep: false, settings: { unitSize: 8 } }).expect(200);
  expect(body).toMatchObject({ id: null });
  expect(body.segments.at(-1).to).toBe(5);
  expect((await get('/api/v1/segmentation/status')).body.status.analyses).toBe(0);
});

test('analyses are kept, listed and read again, also after a restart', async () => {
  const first = (await analyze({ label: 'one', messages: TALK })).body;
  await analyze({ label: 'two', messages: TALK });
  await server.close();
  server = await fleet.create(segmentationServer);
  const { body } = await get('/api/v1/segmentation/analyses?limit=1').expect(200);
  expect(body).toMatchObject({ items: [{ label: 'two', messages: 6 }] });
  const again = await get(`/api/v1/segmentation/analyses/${first.id}`).expect(200);
  expect(again.body.analysis).toMatchObject({ label: 'one', boundaries: [3], segments: first.segments });
  await get('/api/v1/segmentation/analyses/999').expect(404);
  const status = (await get('/api/v1/segmentation/status')).body.status;
  expect(status).toMatchObject({ analyses: 2, kept: 2, messages: 12, meanSegments: 2 });
});

test('configuration changes how conversations are cut, and is kept', async () => {
  await post('/api/v1/segmentation/configure', { minSegment: 4 }).expect(200);
  expect((await analyze({ messages: TALK })).body.boundaries).toEqual([]);
  await server.close();
  server = await fleet.create(segmentationServer);
  const { body } = await get('/api/v1/segmentation/configure').expect(200);
  expect(body.settings).toMatchObject({ minSegment: 4, blockSize: 3 });
  const elsewhere = post('/api/v1/segmentation/configure', { minSegment: 2 }).set('X-Forwarded-For', '203.0.113.9');
  await elsewhere.expect(401);
});

test('the demonstration is computed, not a stored result', async () => {
  const { body } = await get('/api/v1/segmentation/demo').expect(200);
  expect(body.boundaries).toEqual([5, 10]);
  await post('/api/v1/segmentation/configure', { minSegment: 6 }).expect(200);
  expect((await get('/api/v1/segmentation/demo')).body.boundaries).not.toEqual([5, 10]);
});

test('analyses of one subject are one cohort', async () => {
  await analyze({ label: 'db', messages: TALK.slice(0, 3) });
  await analyze({ label: 'db again', messages: TALK.slice(0, 2) });
  await analyze({ label: 'trip', messages: TALK.slice(3) });
  const { body, headers } = await get('/api/v1/segmentation/cohorts').expect(200);
  expect(headers['cache-control']).toBe('public, max-age=5, stale-while-revalidate=30');
  const labels = body.cohorts.map((cohort: { analyses: { label: string }[] }) =>
    cohort.analyses.map(({ label }) => label).sort(),
  );
  expect(labels).toEqual([['db', 'db again'], ['trip']]);
  expect(body.cohorts[0].keywords.map(({ term }: { term: string }) => term)).toContain('index');
  const strict = (await get('/api/v1/segmentation/cohorts?similarity=1')).body.cohorts;
  expect(strict).toHaveLength(3);
});

test.each([
  [{}, 'body.messages'],
  [{ messages: TALK, text: 'both' }, 'body.messages'],
  [{ messages: [] }, 'body.messages'],
  [{ messages: [{ content: '' }] }, 'body.messages.0.content'],
  [{ messages: [{ content: 'x', mood: 1 }] }, 'body.messages.0'],
  [{ messages: Array.from({ length: 11 }, () => ({ content: 'x'.repeat(20_000) })) }, 'body.messages'],
  [{ messages: TALK, settings: { blockSize: 0 } }, 'body.settings.blockSize'],
])('invalid input is refused with the name of the field (%#)', async (body, field) => {
  const refused = await analyze(body).expect(400);
  expect(refused.body.errors.map((error: { field: string }) => error.field)).toContain(field);
});

test('text in any script, and text without a word', async () => {
  const { body } = await analyze({
    messages: ['東京は日本の首都です', '🎉🎉', 'Привет, мир', '   .'].map((content) => ({ content })),
  });
  expect(body.segments).toHaveLength(1);
  expect(body.segments[0]).toMatchObject({ from: 0, to: 3 });
});
