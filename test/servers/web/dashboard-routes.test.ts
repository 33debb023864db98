import { setTimeout as pause } from 'node:timers/promises';
import request from 'supertest';
import { trainingServer } from '../../../servers/training-server.js';
import { webServer } from '../../../servers/web-server.js';
import type { FleetServer } from '../../../servers/support/service.js';
import type { Frame } from '../../../servers/web/fleet-sampler.js';
import { SseParser } from '../../../servers/dashboard/model/sse-parser.js';
import { eventually, until } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import { testFleet, type TestFleet } from '../../support/fleet-server.js';

const CONTROL = 'a-control-token-of-the-test';
const LOOK = 'a-dashboard-token-of-the-test';
const FROM_AFAR = { 'X-Forwarded-For': '203.0.113.9' };
/** Milliseconds between requests of a load, which would otherwise keep a processor busy for several frames. */
const PACE_MS = 50;
/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:9';

let fleet: TestFleet;
let training: FleetServer;
let web: FleetServer;
let url: string;

beforeEach(async () => {
  fleet = testFleet();
  const limits = { RATE_LIMIT_CAPACITY: '100000', RATE_LIMIT_REFILL_PER_SECOND: '100000' };
  const env = { CONTROL_TOKEN: CONTROL, TRACE_SAMPLING_RATE: '1', TRUST_PROXY: 'loopback', ...limits };
  training = await fleet.create(trainingServer, { env });
  const clients = { training: await training.listen(0), meta: NOWHERE };
  const ports = { BUDGET_PORT: '0', COACH_PORT: '0', SEGMENTATION_PORT: '0', REPORTS_PORT: '0' };
  // Without an orchestrator a gateway takes the addresses of all services, also its own, from the settings.
  const others = { CAPABILITIES_PORT: '0', ORCHESTRATOR_PORT: '0', WEB_PORT: String(await freePort()) };
  web = await fleet.create(webServer, { env: { ...env, ...ports, ...others, DASHBOARD_TOKEN: LOOK }, clients });
  url = await web.listen();
});

afterEach(() => fleet.close());

const get = (path: string, headers: Record<string, string> = {}) => request(url).get(path).set(headers);
const bearer = (token: string) => ({ ...FROM_AFAR, Authorization: `Bearer ${token}` });

describe('access', () => {
  test('a local program may read and control; for remote callers the token decides', async () => {
    const access = async (headers: Record<string, string> = {}) => {
      const { ok, read, control } = (await get('/api/v1/dashboard/access', headers).expect(200)).body;
      return { ok, read, control };
    };
    expect(await access()).toEqual({ ok: true, read: true, control: true });
    expect(await access(FROM_AFAR)).toEqual({ ok: true, read: false, control: false });
    expect(await access(bearer('a-token-that-is-guessed'))).toEqual({ ok: true, read: false, control: false });
    expect(await access(bearer(LOOK))).toEqual({ ok: true, read: true, control: false });
    expect(await access(bearer(CONTROL))).toEqual({ ok: true, read: true, control: true });
  });

  test.each(['/stream', '/traces', '/logs', '/caches', '/queries', `/traces/${'a'.repeat(32)}`, '/instances/web-1'])(
    '%s rejects a remote caller without a token',
    async (path) => {
      const asked = await get(`/api/v1/dashboard${path}`, FROM_AFAR).expect(401);
      expect(asked.body.code).toBe('CONTROL_TOKEN_REQUIRED');
      expect(asked.body.detail).toContain('DASHBOARD_TOKEN');
      await get(`/api/v1/dashboard${path}`, bearer('a-token-that-is-guessed')).expect(403);
    },
  );

  test('a caller that may only read cannot purge', async () => {
    const purge = (headers: Record<string, string>) =>
      request(url).post('/api/v1/dashboard/purge').set(headers).send({ tag: 'provider' });
    await purge(bearer(LOOK)).expect(403);
    await purge(FROM_AFAR).expect(401);
    await purge(bearer(CONTROL)).expect(200);
  });
});

test('a page can ask which of its traces a service keeps', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const unsampled = '5bf92f3577b34da6a3ce929d0e0e4736';
  await get('/api/v1/training/status', { traceparent: `00-${traceId}-00f067aa0ba902b7-01` }).expect(200);
  await get('/api/v1/training/status', { traceparent: `00-${unsampled}-00f067aa0ba902b7-00` }).expect(200);
  const hold = async (...traceIds: string[]) =>
    (await request(url).post('/api/v1/dashboard/traces/hold').send({ traceIds })).body;
  const told = await eventually(
    () => hold(traceId, unsampled),
    ({ held }) => held.length > 0,
  );
  expect(told).toMatchObject({ ok: true, held: [traceId] });
  expect(await hold('not an id')).toMatchObject({ status: 400, code: 'VALIDATION_FAILED' });
  expect(await hold(...Array.from({ length: 201 }, () => traceId))).toMatchObject({ status: 400 });
});

test('a trace is found by its attributes, and holds the spans of every service', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  await get('/api/v1/training/overview', { traceparent: `00-${traceId}-00f067aa0ba902b7-01` }).expect(200);
  await get('/api/v1/training/nowhere').expect(404);
  const search = async (query: string) => (await get(`/api/v1/dashboard/traces?${query}`).expect(200)).body;

  const all = await eventually(
    () => search(''),
    ({ traces }) => traces.length >= 2 && traces.some((one: { services: string[] }) => one.services.length === 2),
  );
  expect(all.traces[0].startTime).toBeGreaterThanOrEqual(all.traces[1].startTime);
  const found = all.traces.find((one: { traceId: string }) => one.traceId === traceId);
  expect(found).toMatchObject({ service: 'web', operation: 'GET /api/v1/training/overview', status: 'success' });
  expect(new Set(found.services)).toEqual(new Set(['web', 'training']));

  expect((await search('route=/api/v1/training/overview')).traces).toMatchObject([{ traceId }]);
  expect((await search('service=meta')).traces).toEqual([]);
  expect((await search('status=error')).traces).toEqual([]);
  expect((await search(`to=${found.startTime - 1}`)).traces).toEqual([]);
  expect((await search('minDuration=60000')).traces).toEqual([]);
  const ofAttribute = (line: string) => search(new URLSearchParams({ q: line }).toString());
  const byMethod = await ofAttribute(
    'service:training http.request.method:GET route:/api/v1/training/overview duration<60s',
  );
  expect(byMethod.traces).toMatchObject([{ traceId }]);
  expect(
    (await search('attribute=http.request.method:GET&attribute=http.response.status_code:404')).traces,
  ).toMatchObject([{ statusCode: 404 }]);
  expect((await ofAttribute('status:404')).traces).toMatchObject([{ statusCode: 404 }]);
  expect((await ofAttribute('http.request.method:DELETE')).traces).toEqual([]);
  expect((await search('maxDuration=0')).traces).toEqual([]);
  await get('/api/v1/dashboard/traces?limit=0').expect(400);
  for (const wrong of ['q=slow', 'q=duration:5', 'attribute=method', 'status=teapot', `q=${'a'.repeat(501)}`]) {
    const { body } = await get(`/api/v1/dashboard/traces?${wrong}`).expect(400);
    expect(JSON.stringify(body)).toMatch(/expected/);
  }

  const { trace } = (await get(`/api/v1/dashboard/traces/${traceId}`).expect(200)).body;
  const spanOf = (service: string) =>
    trace.spans.find((span: { service: string; kind: string }) => span.service === service && span.kind === 'server');
  const attempt = trace.spans.find(({ operation }: { operation: string }) => operation === 'proxy.attempt');
  expect(attempt.parentSpanId).toBe(spanOf('web').spanId);
  expect(spanOf('training').parentSpanId).toBe(attempt.spanId);
  expect(trace.spans.map((span: { operation: string }) => span.operation)).toContain('db.query');
  await get(`/api/v1/dashboard/traces/${'0'.repeat(31)}1`).expect(404);
});

test('a caller that may purge gets the number of entries that a purge would remove', async () => {
  const preview = async (target: object, headers = {}) =>
    request(url).post('/api/v1/dashboard/purge/preview').set(headers).send(target);
  const told = (await preview({ tag: 'of nothing' })).body;
  expect(told).toMatchObject({ ok: true, services: {}, entries: 0 });
  expect(told.silent).not.toContain(`web 127.0.0.1:${new URL(url).port}`);
  expect((await preview({})).body.silent).toContain(`web 127.0.0.1:${new URL(url).port}`);
  expect((await preview({ pattern: '*' }, bearer(LOOK))).status).toBe(403);
});

test('the caches list their hottest keys and their invalidations, without values from client URLs', async () => {
  for (let i = 0; i < 3; i++) await get('/api/v1/training/overview?learner=s3cret').expect(200);
  await request(url).post('/api/v1/dashboard/purge').send({ tag: 'provider' }).expect(200);
  const { body } = await get('/api/v1/dashboard/caches').expect(200);
  const [ofWeb] = body.hottest;
  expect(ofWeb.keys[0]).toMatchObject({
    key: expect.stringMatching(/^GET \/api\/v1\/training\/overview\?#[0-9a-f]+ http/),
  });
  // Once the cache knows that the responses must not be stored, it does not look them up.
  expect(ofWeb.keys[0].lookups).toBeGreaterThanOrEqual(1);
  expect(JSON.stringify(body)).not.toContain('s3cret');
  // An earlier invalidation is that of an instance which starts alone and empties its disk cache.
  expect(body.invalidations[0]).toMatchObject({
    kind: 'tag',
    name: 'provider',
    by: 'by hand',
    applied: [{ removed: null }],
    told: 0,
    waitingFor: [],
  });
});

test('queries of every service, and advice on a statement that was sent', async () => {
  await get('/api/v1/training/overview').expect(200);
  const { services } = (await get('/api/v1/dashboard/queries').expect(200)).body;
  const told = services.find(({ service }: { service: string }) => service === 'training');
  const { fingerprint } = told.statements.find((one: { fingerprint: string }) =>
    one.fingerprint.includes('from sessions'),
  );
  const advice = (instance: string, statement: string) =>
    get(`/api/v1/dashboard/queries/advice?${new URLSearchParams({ instance, statement }).toString()}`);
  const { body } = await advice(told.instance, fingerprint).expect(200);
  expect(body.advice.plan.join('\n')).toMatch(/sessions/);
  await advice(told.instance, 'select * from secrets').expect(404);
  await advice('nobody', fingerprint).expect(404);
});

test('the details of an instance have its probes, and no log if it has printed nothing', async () => {
  const { instance, health, log } = (
    await get(`/api/v1/dashboard/instances/${encodeURIComponent(trainingId())}`).expect(200)
  ).body;
  expect(instance).toMatchObject({ service: 'training', routing: { state: 'usable' } });
  expect(health.checks.database[0]).toMatchObject({ status: 'pass' });
  expect(log).toBeNull();
  await get('/api/v1/dashboard/instances/nobody').expect(404);
});

/** Without an orchestrator the id of an instance is its address. */
function trainingId(): string {
  const [target] = web.context.peers.router.getRoutingStats()['training']!.instances;
  return `training ${target!.host}:${target!.port}`;
}

test('the stream reports requests and calls between services, and nothing is recorded without a reader', async () => {
  expect([web, training].map(({ context }) => context.pulse.isRecording)).toEqual([false, false]);
  const abort = new AbortController();
  const answer = await fetch(`${url}/api/v1/dashboard/stream`, {
    headers: { Accept: 'text/event-stream' },
    signal: abort.signal,
  });
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  const chunks = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new SseParser();
  const next = async (passes: (frame: Frame) => boolean): Promise<Frame> => {
    for (;;) {
      const { value } = await chunks.read();
      for (const { event, data } of parser.push(value!)) {
        if (event === 'current') continue; // between the stored frames and the new ones
        const frame = JSON.parse(data) as Frame;
        if (passes(frame)) return frame;
      }
    }
  };
  const first = await next(() => true);
  expect(first.isOrchestrated).toBe(false);
  expect(first.instances.find(({ service }) => service === 'training')!.figures).toMatchObject({ inFlight: 0 });
  expect(first.instances.find(({ service }) => service === 'meta')!.figures).toBeNull();
  await until(() => training.context.pulse.isRecording);

  let isLooking = true;
  const traffic = (async () => {
    while (isLooking) {
      await get('/api/v1/training/status');
      await pause(PACE_MS);
    }
  })();
  const busy = await next(({ points }) => points.some(({ services }) => services['training'] !== undefined));
  const point = busy.points.find(({ services }) => services['training'] !== undefined)!;
  const route = point.services['training']!.routes['GET /api/v1/training/status']!;
  expect(route.count).toBeGreaterThan(0);
  expect(route.p95).toBeGreaterThan(0);
  const called = await next(({ points }) => points.some(({ calls }) => calls.length > 0));
  expect(called.points.flatMap(({ calls }) => calls)).toContainEqual(
    expect.objectContaining({ from: 'web', to: 'training', errors: 0 }),
  );
  isLooking = false;
  await traffic;
  abort.abort();
});
