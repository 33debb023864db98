/** The control room while the limits of the gateway reject its operator. */
import request from 'supertest';
import { trainingServer } from '../../../servers/training-server.js';
import { webServer } from '../../../servers/web-server.js';
import { linkToken } from '../../../servers/web/session.js';
import { until } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import { testFleet, type TestFleet } from '../../support/fleet-server.js';

const CONTROL = 'a-control-token-of-the-test';

let fleet: TestFleet;
let url: string;

beforeAll(async () => {
  fleet = testFleet();
  const env = { CONTROL: 'token', CONTROL_TOKEN: CONTROL };
  const limits = { RATE_LIMIT_CAPACITY: '2', RATE_LIMIT_REFILL_PER_SECOND: '0.001' };
  const training = await fleet.create(trainingServer, { env });
  const clients = { training: await training.listen(0) };
  const ports = { BUDGET_PORT: '0', COACH_PORT: '0', SEGMENTATION_PORT: '0', REPORTS_PORT: '0', META_PORT: '0' };
  const others = { CAPABILITIES_PORT: '0', ORCHESTRATOR_PORT: '0', WEB_PORT: String(await freePort()) };
  const web = await fleet.create(webServer, { env: { ...env, ...limits, ...ports, ...others }, clients });
  url = await web.listen();
});

afterAll(() => fleet.close());

test('it loads, opens a session and works while the address of its operator is rate-limited', async () => {
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) statuses.push((await request(url).get('/api/v1/training/status')).status);
  expect(statuses).toEqual([200, 200, 429, 429]);

  await request(url).get('/').expect(200);
  await request(url).get('/dashboard.js').expect(200);
  await request(url).get('/api/v1/dashboard/access').expect(200);
  const opened = await request(url)
    .get(`/?token=${linkToken(CONTROL)}`)
    .expect(303);
  const session = { Cookie: opened.get('Set-Cookie')![0]!.split(';')[0]! };
  for (let i = 0; i < 5; i++) await request(url).get('/api/v1/dashboard/caches').set(session).expect(200);
  const purge = await request(url)
    .post('/api/v1/dashboard/purge')
    .set({ ...session, Origin: url })
    .send({ tag: 'provider' });
  expect(purge.status).toBe(200);
  await request(url).get('/api/v1/training/status').set(session).expect(429); // not a request of the control room
});

test('a rejected client is reported with the route and the limit', async () => {
  const reading = await request(url).get('/api/v1/system/pulse').set('x-control-token', CONTROL).expect(200);
  const { rejections, rateLimiter } = reading.body.engines;
  expect(rejections).toMatchObject({
    total: rateLimiter.deniedRequests,
    latest: [{ client: '127.0.0.1', limit: 'client', operation: 'GET /api/v1/training/*path', status: 429, count: 3 }],
  });
  const { body } = await request(url).get('/api/v1/system/observability').set('x-control-token', CONTROL).expect(200);
  expect(Object.keys(body.tracer.operations)).toContain('GET /api/v1/training/*path');
  expect(Object.keys(body.tracer.operations)).not.toContain('GET (unmatched)');
});

test('its own requests are bounded, and other system routes are not exempt without the token', async () => {
  await request(url).get('/api/v1/system/observability').expect(429);
  const ask = async () => (await fetch(`${url}/dashboard.js`, { method: 'HEAD' })).status;
  await until(async () => (await Promise.all(Array.from({ length: 100 }, ask))).includes(429));
  await request(url).get('/api/v1/dashboard/caches').set('x-control-token', CONTROL).expect(200);
});

test('searches of log lines have a limit of their own, which leaves the rest of the page usable', async () => {
  const operator = { 'x-control-token': CONTROL };
  const search = async () => (await request(url).get('/api/v1/dashboard/logs?text=x').set(operator)).status;
  await until(async () => (await Promise.all(Array.from({ length: 40 }, search))).includes(429));
  await request(url).get('/api/v1/dashboard/caches').set(operator).expect(200);
});
