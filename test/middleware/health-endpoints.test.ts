import express from 'express';
import express4 from 'express4';
import http from 'node:http';
import request from 'supertest';
import { ReadinessProbe } from '../../src/health/index.js';
import { compose } from '../../src/middleware/compose.js';
import { healthEndpoints, type HealthEndpointsOptions } from '../../src/middleware/health-endpoints.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const open: Array<{ close(): void }> = [];
afterEach(() => open.splice(0).forEach((health) => health.close()));

function setUp(options: HealthEndpointsOptions = {}) {
  const health = healthEndpoints({ serviceName: 'reports', details: 'local', ...options });
  open.push(health);
  const server = http.createServer(compose(health, (_req, res) => res.end('application')));
  return { health, server, get: (path: string) => request(server).get(path) };
}

const never = (): Promise<never> => new Promise(() => undefined);

describe.each([
  ['Express 5', (middleware: ReturnType<typeof healthEndpoints>) => express().use(middleware)],
  ['Express 4', (middleware: ReturnType<typeof healthEndpoints>) => express4().use(middleware)],
  ['bare http', (middleware: ReturnType<typeof healthEndpoints>) => http.createServer(compose(middleware))],
])('under %s', (_, mount) => {
  test('answers all four and leaves the rest alone', async () => {
    const { health } = setUp();
    const server = mount(health);
    for (const path of ['/health', '/livez', '/readyz', '/startupz', '/livez?verbose']) {
      const response = await request(server).get(path);
      expect([path, response.status, response.body.status]).toEqual([path, 200, 'pass']);
      expect(response.headers).toMatchObject({
        'content-type': 'application/health+json',
        'cache-control': 'no-store',
      });
    }
    expect((await request(server).get('/healthy')).status).toBe(404);
    expect((await request(server).get('/livez/')).status).toBe(404);
  });
});

describe('verdicts', () => {
  test.each([
    ['startup', '503', '200', '503', '503'],
    ['liveness', '503', '503', '503', '200'],
    ['readiness', '503', '200', '503', '200'],
  ] as const)('a failing %s probe: health %s, live %s, ready %s, startup %s', async (kind, ...expected) => {
    const { health, get } = setUp();
    const register = {
      startup: 'registerStartupProbe',
      liveness: 'registerLivenessProbe',
      readiness: 'registerReadinessProbe',
    } as const;
    health.probes[register[kind]]('it', () => false);
    const statuses = [];
    for (const path of ['/health', '/livez', '/readyz', '/startupz']) statuses.push(String((await get(path)).status));
    expect(statuses).toEqual(expected);
  });

  test('while draining: not ready, alive, and every client sees the reason', async () => {
    const { health, get } = setUp();
    health.probes.startDraining();
    expect((await get('/readyz').set('Via', '1.1 edge')).body).toEqual({ status: 'fail', notes: ['draining'] });
    expect((await get('/health')).body).toMatchObject({ status: 'fail', draining: true, notes: ['draining'] });
    expect((await get('/livez')).body).toEqual({ status: 'pass' });
  });

  test('a warning is 200', async () => {
    const { health, get } = setUp();
    health.probes.registerResourceProbe('disk', () => false);
    const response = await get('/health');
    expect([response.status, response.body.status]).toEqual([200, 'warn']);
  });

  test('a probe that throws or hangs is 503, not 500, and the others are unharmed', async () => {
    const clock = new FakeClock();
    const { health, server } = setUp({ clock });
    health.probes.registerReadinessProbe('throws', () => {
      throw new Error('database password is hunter2');
    });
    health.probes.registerReadinessProbe('hangs', never, { timeout: 200 });
    health.probes.registerReadinessProbe('fine', () => true);
    const agent = request(server.listen(0, '127.0.0.1'));
    const answered = agent.get('/readyz?verbose').then((response) => response);
    while (clock.pendingTimers === 0) await new Promise((resolve) => setImmediate(resolve));
    clock.tick(200);
    const response = await answered;
    server.close();
    expect(response.status).toBe(503);
    expect(response.body.checks).toMatchObject({
      throws: [{ status: 'fail' }],
      hangs: [{ status: 'fail', output: 'no answer within 200 ms' }],
      fine: [{ status: 'pass' }],
    });
  });
});

describe('details', () => {
  const withSecret = (options: HealthEndpointsOptions = {}) => {
    const all = setUp(options);
    all.health.probes.registerReadinessProbe('db', () => ({ output: 'postgres://internal:5432', observedValue: 3 }));
    return all;
  };

  test('/health returns the details to a direct local caller, and to others with ?verbose', async () => {
    const { get } = withSecret();
    expect((await get('/health')).body).toMatchObject({
      status: 'pass',
      serviceId: 'reports',
      ready: true,
      checks: { db: [{ componentType: 'readiness', status: 'pass', observedValue: 3 }] },
    });
    expect((await get('/readyz')).body).toEqual({ status: 'pass' });
    expect((await get('/readyz?x=1&verbose')).body.checks.db).toHaveLength(1);
    expect((await get('/readyz?verbosely')).body).toEqual({ status: 'pass' });
  });

  test.each([
    ['through a proxy', { 'X-Forwarded-For': '203.0.113.9' }],
    ['through a proxy that says Via', { Via: '1.1 edge' }],
    ['a foreign web page', { Origin: 'https://evil.example' }],
  ])('%s only the verdict', async (_, headers) => {
    const { get } = withSecret();
    for (const path of ['/health', '/readyz?verbose']) {
      const response = await get(path).set(headers);
      expect(response.body).toEqual({ status: 'pass' });
    }
  });

  test('always, never, or for requests that a function admits; a function that throws admits none', async () => {
    const told = async (details: HealthEndpointsOptions['details'], token = ''): Promise<boolean> => {
      const { get } = withSecret({ details });
      return 'checks' in (await get('/health').set('Via', '1.1 edge').set('X-Token', token)).body;
    };
    expect(await told('always')).toBe(true);
    expect(await told('never')).toBe(false);
    const byToken = (req: http.IncomingMessage): boolean => req.headers['x-token'] === 'ours';
    expect(await told(byToken, 'ours')).toBe(true);
    expect(await told(byToken, 'theirs')).toBe(false);
    expect(await told(() => { throw new Error('broken'); })).toBe(false); // prettier-ignore
    const { get } = withSecret({ details: 'never' });
    expect((await get('/health')).body).toEqual({ status: 'pass' });
  });
});

describe('requests', () => {
  test('HEAD has the header fields of GET and no body', async () => {
    const { server } = setUp();
    const response = await request(server).head('/readyz');
    expect(response.status).toBe(200);
    expect(response.headers['content-length']).toBe(String(JSON.stringify({ status: 'pass' }).length));
    expect(response.text ?? '').toBe('');
  });

  test('other methods are passed on', async () => {
    const { server } = setUp();
    for (const method of ['post', 'options'] as const)
      expect((await request(server)[method]('/health')).text).toBe('application');
  });

  test('other paths, paths left out, and a mount path', async () => {
    const { get, health } = setUp({ paths: { health: '/status', startup: false } });
    expect((await get('/status')).body.serviceId).toBe('reports');
    expect((await get('/health')).text).toBe('application');
    expect((await get('/startupz')).text).toBe('application');
    expect((await get('/livez')).body).toEqual({ status: 'pass' });
    const mounted = express().use('/internal', health);
    expect((await request(mounted).get('/internal/livez')).status).toBe(200);
  });

  test('many at once run each probe once', async () => {
    const { health, server } = setUp();
    const probe = jest.fn(async () => true);
    health.probes.registerReadinessProbe('db', probe, { interval: 60_000 });
    server.listen(0, '127.0.0.1');
    const responses = await Promise.all(Array.from({ length: 50 }, () => request(server).get('/readyz')));
    server.close();
    expect(responses.every((response) => response.status === 200)).toBe(true);
    expect(probe).toHaveBeenCalledTimes(1);
  });
});

describe('options and closing', () => {
  test('wrong options are named', () => {
    expect(() => healthEndpoints({ detail: 'local' } as never)).toThrow(/did you mean 'details'/);
    expect(() => healthEndpoints({ details: 'everyone' as never })).toThrow(/details/);
    expect(() => healthEndpoints({ paths: { health: '' } })).toThrow(/paths: option 'health'/);
    expect(() => healthEndpoints({ paths: { liveness: '/x' } as never })).toThrow(/paths: unknown option 'liveness'/);
    expect(() => healthEndpoints({ probes: {} as never })).toThrow(/ReadinessProbe/);
    expect(() => healthEndpoints({ drainDelay: -1 })).toThrow(RangeError);
  });

  test('closes its own probes, and not those it was given', async () => {
    const own = healthEndpoints();
    const held = Object.assign(() => true, { close: jest.fn() });
    own.probes.registerReadinessProbe('held', held);
    own.close();
    await own[Symbol.asyncDispose]();
    expect(held.close).toHaveBeenCalledTimes(1);
    const probes = new ReadinessProbe();
    const lent = Object.assign(() => true, { close: jest.fn() });
    probes.registerReadinessProbe('lent', lent);
    healthEndpoints({ probes }).close();
    expect(lent.close).not.toHaveBeenCalled();
    expect((await probes.check()).ready).toBe(true);
    probes.close();
  });
});
