import request from 'supertest';
import { capabilitiesServer } from '../../servers/capabilities-server.js';
import { segmentationServer } from '../../servers/segmentation-server.js';
import { trainingServer } from '../../servers/training-server.js';
import type { ServiceName } from '../../servers/support/fleet.js';
import type { FleetServer } from '../../servers/support/service.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { eventually } from '../support/eventually.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';

const START = Date.UTC(2026, 4, 1);
const CAPABILITIES = '/api/v1/capabilities';
const NOWHERE = 'http://127.0.0.1:9';
const OVERVIEW = 'training:GET /api/v1/training/overview';
const ROUND = 'training:POST /api/v1/training/round';

let fleet: TestFleet;
let clock: FakeClock;
let training: FleetServer;
let server: FleetServer;
let clients: Partial<Record<ServiceName, string>>;
const get = (path: string) => request(server.app).get(CAPABILITIES + path);
const post = (path: string, body: object) =>
  request(server.app)
    .post(CAPABILITIES + path)
    .send(body);

beforeEach(async () => {
  fleet = testFleet();
  clock = new FakeClock(START);
  training = await fleet.create(trainingServer, { clock });
  clients = {
    web: NOWHERE,
    meta: NOWHERE,
    budget: NOWHERE,
    coach: NOWHERE,
    reports: NOWHERE,
    training: await training.listen(0),
    segmentation: await fleet.listen(segmentationServer, { clock }),
  };
  server = await fleet.create(capabilitiesServer, { clock, clients: { ...clients, capabilities: NOWHERE } });
});
afterEach(() => fleet.close());

interface Discovered {
  service: string;
  available: boolean;
  code?: string;
  routes?: { method: string; path: string; summary: string }[];
}

test('discovery finds the capabilities that the running services offer', async () => {
  const { body } = await get('/discovered').expect(200);
  const found = new Map<string, Discovered>(body.services.map((one: Discovered) => [one.service, one]));
  expect(found.size).toBe(8);
  expect(found.get('training')!.routes).toContainEqual(
    expect.objectContaining({ method: 'POST', path: '/api/v1/training/round', summary: expect.any(String) }),
  );
  expect(found.get('budget')).toMatchObject({ available: false, code: expect.any(String) });
  for (const { method, path } of found.get('segmentation')!.routes!) {
    if (method !== 'GET' || path.includes(':')) continue;
    const { status } = await request(clients.segmentation!).get(path);
    // A capability that needs a query is listed as well.
    expect([path, status === 400 ? 200 : status]).toEqual([path, 200]);
  }
});

test('the list, the status and the history follow what was discovered', async () => {
  await get('/discovered');
  const first = (await get('/list?service=training&limit=5').expect(200)).body;
  expect(first.items).toHaveLength(5);
  const second = (await get(`/list?service=training&limit=200&after=${encodeURIComponent(first.next)}`)).body;
  const ids = [...first.items, ...second.items].map(({ id }: { id: string }) => id);
  expect(ids).toEqual(expect.arrayContaining([OVERVIEW, ROUND]));
  expect(new Set(ids).size).toBe(ids.length);
  const { status, capabilities } = (await get('/status').expect(200)).body;
  expect(status.reachable).toBe(2);
  expect(capabilities.find(({ service }: { service: string }) => service === 'training').known).toBe(ids.length);
  const { items } = (await get('/history?service=segmentation').expect(200)).body;
  expect(items.map(({ kind }: { kind: string }) => kind)).toContain('found');
  expect((await get(`/history?capability=${encodeURIComponent(ROUND)}`)).body.items).toMatchObject([
    { kind: 'appeared' },
  ]);
});

test('a capability is deactivated across a restart, and activated again after a check that it works', async () => {
  await get('/discovered');
  const off = await post('/deactivate', { id: OVERVIEW, reason: 'too slow' }).expect(200);
  expect(off.body).toMatchObject({ changed: true, capability: { active: false } });
  expect((await post('/deactivate', { id: OVERVIEW })).body.changed).toBe(false);
  await server.close();
  server = await fleet.create(capabilitiesServer, { clock, clients });
  expect((await get('/list?active=false')).body.items.map(({ id }: { id: string }) => id)).toEqual([OVERVIEW]);
  const on = await post('/activate', { id: OVERVIEW, reason: 'faster now' }).expect(200);
  expect(on.body).toMatchObject({ changed: true, capability: { active: true }, probe: { status: 200 } });
  const { items } = (await get(`/history?capability=${encodeURIComponent(OVERVIEW)}`)).body;
  expect(items).toMatchObject([
    { kind: 'activated', reason: 'faster now' },
    { kind: 'deactivated', reason: 'too slow' },
    { kind: 'appeared' },
  ]);
});

test('a capability that changes data is not tried', async () => {
  await get('/discovered');
  const { body } = await post('/activate', { id: ROUND }).expect(200);
  expect(body).toMatchObject({ changed: false, probe: null });
});

test('a service that stops is recorded as lost, keeps its capabilities, and is found again', async () => {
  await get('/discovered');
  const known = (await get('/status')).body.status.known;
  await training.close();
  await eventually(
    async () => {
      clock.tick(30_000);
      return (await get('/history?service=training&limit=1')).body.items[0];
    },
    (event) => event.kind === 'lost',
  );
  expect((await get('/status')).body.status).toMatchObject({ known, reachable: 1 });
  const insights = (await get('/insights').expect(200)).body.insights;
  expect(insights.services.find(({ service }: { service: string }) => service === 'training')).toMatchObject({
    reachable: false,
    losses: 1,
    missing: 0,
  });
  expect(insights.advice).toContain('training does not answer: start it, or see why it stopped');
  expect(insights.usable).toBeLessThan(1);
});

test('unknown ids, malformed requests and remote callers are refused', async () => {
  await post('/activate', { id: 'nothing:GET /' }).expect(404);
  await post('/deactivate', { id: 'nothing:GET /' }).expect(404);
  await post('/activate', {}).expect(400);
  await get('/list?active=maybe').expect(400);
  await post('/deactivate', { id: OVERVIEW }).set('X-Forwarded-For', '203.0.113.9').expect(401);
});
