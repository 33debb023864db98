import { Redis } from 'ioredis';
import request from 'supertest';
import { trainingServer } from '../../servers/training-server.js';
import { webServer } from '../../servers/web-server.js';
import type { FleetServer } from '../../servers/support/service.js';
import { eventually } from '../support/eventually.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';
import { describeWith, redisService } from '../support/services.js';

const TOKEN = 'a-control-token-of-the-test';
/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:9';

let fleet: TestFleet;
let training: FleetServer;
let web: FleetServer;

const get = (path: string) => request(web.app).get(path).set('Host', 'localhost');

async function start(env: Record<string, string> = {}): Promise<void> {
  training = await fleet.create(trainingServer, { env: { CONTROL_TOKEN: TOKEN, TRUST_PROXY: 'loopback' } });
  const clients = { training: await training.listen(0), meta: NOWHERE };
  web = await fleet.create(webServer, { env: { CONTROL_TOKEN: TOKEN, ...env }, clients });
}

beforeEach(() => {
  fleet = testFleet();
});

afterEach(() => fleet.close());

test('forwards a path to its service, and returns the response', async () => {
  await start();
  const direct = await request(training.app).get('/api/v1/training/overview').expect(200);
  expect((await get('/api/v1/training/overview').expect(200)).body).toEqual(direct.body);
});

test('a prefix matches whole segments only', async () => {
  await start();
  await get('/api/v1/trainingfoo').expect(404);
});

test('a path in other letter case is neither forwarded nor free of the limits of its service', async () => {
  await start({ RATE_LIMIT_SERVICE_CAPACITY: '2', RATE_LIMIT_SERVICE_REFILL_PER_SECOND: '0.001' });
  for (let i = 0; i < 2; i++) await get('/api/v1/training/overview').set('Cache-Control', 'no-cache').expect(200);
  await get('/api/v1/training/overview').set('Cache-Control', 'no-cache').expect(429);
  await get('/API/v1/Training/overview').expect(404);
});

test('names the service that is unavailable', async () => {
  await start();
  const away = await get('/api/v4/meta-learning/report');
  expect([502, 503]).toContain(away.status);
  expect(away.type).toBe('application/problem+json');
  expect(away.body).toMatchObject({ ok: false, status: away.status });
  expect(away.body.detail).toContain('meta');
});

test('rejects a client beyond its limit with 429, and reports the limit in every response', async () => {
  await start({ RATE_LIMIT_CAPACITY: '3', RATE_LIMIT_REFILL_PER_SECOND: '0.001' });
  const asked = () => get('/api/v1/system/routes').set('X-Forwarded-For', '203.0.113.9');
  for (let left = 2; left >= 0; left--) {
    const answer = await asked().expect(200);
    expect(answer.headers['ratelimit']).toContain(`"client";r=${left};`);
  }
  const refused = await asked().expect(429);
  expect(refused.type).toBe('application/problem+json');
  expect(refused.headers['ratelimit-policy']).toMatch(/^"client";q=3;w=\d+, "service";q=2000;w=2$/);
  expect(refused.headers['ratelimit']).toMatch(/^"client";r=0;t=\d+/);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect(refused.body).toMatchObject({ ok: false, code: 'QUOTA_EXCEEDED', 'violated-policies': ['client'] });
});

test('probes have no rate limit', async () => {
  await start({ RATE_LIMIT_CAPACITY: '1', RATE_LIMIT_REFILL_PER_SECOND: '0.001' });
  for (let i = 0; i < 5; i++) await get('/livez').expect(200);
});

test('authenticates local callers to the services, and no other callers', async () => {
  await start();
  const settings = (headers: Record<string, string> = {}) =>
    request(web.app).post('/api/v1/training/settings').set(headers).send({});
  await settings().expect(200);
  await settings({ 'X-Forwarded-For': '203.0.113.9' }).expect(401);
  await settings({ 'X-Forwarded-For': '203.0.113.9', 'X-Control-Token': 'guess' }).expect(403);
  await settings({ 'X-Forwarded-For': '203.0.113.9', Authorization: `Bearer ${TOKEN}` }).expect(200);
  await settings({ Host: 'rebound.example' }).expect(401);
});

test('lists its own routes and what it forwards where', async () => {
  await start();
  const { body } = await get('/api/v1/system/routes').expect(200);
  expect(body.forwards).toContainEqual({ prefix: '/api/v1/training', service: 'training' });
  expect(body.routes.map(({ path }: { path: string }) => path)).toContain('/api/v1/system/load-distribution');
});

test('reports the number of requests per instance', async () => {
  await start();
  for (let i = 0; i < 3; i++) await get('/api/v1/training/status').expect(200);
  const { body } = await get('/api/v1/system/load-distribution').expect(200);
  expect(body.services.training).toMatchObject({ requests: 3, failures: 0, inFlight: 0 });
});

test('serves the page with a policy that allows only its own files', async () => {
  await start();
  const page = await get('/').expect(200);
  expect(page.type).toBe('text/html');
  expect(page.headers['content-security-policy']).toContain("default-src 'self'");
  expect(page.text).not.toMatch(/<script(?![^>]*\ssrc=)|\son\w+=|style="/);
  for (const [, file] of page.text.matchAll(/(?:src|href)="(\/[^"]*\.(?:js|css))"/g)) await get(file!).expect(200);
});

test('counts its requests by the prefix they were forwarded under', async () => {
  await start();
  await get('/api/v1/training/progress?learner=a').expect(200);
  const { text } = await get('/metrics').expect(200);
  expect(text).toMatch(/http_route="\/api\/v1\/training\/\*path"/);
  expect(text).not.toContain('learner=a');
});

describeWith(redisService, 'with limits in Redis', (url) => {
  const env = {
    REDIS_URL: url,
    TRUST_PROXY: 'loopback',
    RATE_LIMIT_CAPACITY: '4',
    RATE_LIMIT_REFILL_PER_SECOND: '0.001',
  };
  let clients = 0;
  /** A new client address, which has a limit of its own. */
  const newClient = (): string => `2001:db8:${process.pid.toString(16)}:${(clients++).toString(16)}00::1`;

  afterEach(async () => {
    await fleet.close(); // an open server would write more keys
    const redis = new Redis(url);
    const keys = [...(await redis.keys('{tooloo:web}:*')), ...(await redis.keys('tooloo:cache-invalidations*'))];
    if (keys.length > 0) await redis.del(keys);
    await redis.quit();
  });

  const failures = (...servers: FleetServer[]): Promise<number[]> =>
    Promise.all(
      servers.map(async ({ app }) => {
        const { body } = await request(app).get('/api/v1/system/observability').set('X-Forwarded-For', newClient());
        return body.rateLimiter.store.failures as number;
      }),
    );

  /** Sends requests of a new client to both gateways in turn. `isShared` is true if Redis decided all of them. */
  async function askInTurn(other: FleetServer): Promise<{ statuses: number[]; isShared: boolean }> {
    const client = newClient();
    const before = await failures(web, other);
    const statuses: number[] = [];
    for (const { app } of [web, other, web, other, web, other]) {
      const answer = await request(app).get('/api/v1/system/routes').set('X-Forwarded-For', client);
      statuses.push(answer.status);
    }
    const after = await failures(web, other);
    return { statuses, isShared: after.every((count, i) => count === before[i]) };
  }

  test('two gateways share one limit', async () => {
    await start(env);
    const other = await fleet.create(webServer, { env });
    // On a busy machine Redis may exceed its 20 ms, and then each gateway counts separately.
    const { statuses } = await eventually(
      () => askInTurn(other),
      ({ isShared }) => isShared,
    );
    expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
  });
});
