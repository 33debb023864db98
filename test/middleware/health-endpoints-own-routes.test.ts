/** A route of the application answers in place of a health endpoint at the same path, and the operator is warned. */
import express from 'express';
import express4 from 'express4';
import http from 'node:http';
import request from 'supertest';
import { compose } from '../../src/middleware/compose.js';
import {
  healthEndpoints,
  type HealthEndpoints,
  type HealthEndpointsOptions,
} from '../../src/middleware/health-endpoints.js';

const open: HealthEndpoints[] = [];
const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
afterEach(() => open.splice(0).forEach((health) => health.close()));

function health(options?: HealthEndpointsOptions): HealthEndpoints {
  const created = healthEndpoints(options);
  open.push(created);
  return created;
}

type App = express.Application;
const own: express.RequestHandler = (_req, res) => void res.status(500).json({ status: 'down' });
const statusOf = async (server: App | http.Server, path = '/health'): Promise<number> =>
  (await request(server).get(path)).status;

/** Each registers the application's routes. Their /health answers `down`, which the health endpoint does not. */
const SHADOWED: Array<[string, (app: App, framework: typeof express) => unknown]> = [
  ['a route', (app) => app.get('/health', own)],
  ['a route for all methods', (app) => app.all('/health', own)],
  ['one of several paths', (app) => app.get(['/up', '/health'], own)],
  ['an expression', (app) => app.get(/^\/health$/, own)],
  ['a router', (app, { Router }) => app.use(Router().get('/health', own))],
  ['a router mounted there', (app, { Router }) => app.use('/health', Router().get('/', own))],
  ['routers in routers', (app, { Router }) => app.use(Router().use('/health', Router().get('/', own)))],
  ['a handler mounted there', (app) => app.use('/health', own)],
  ['a catch-all before the route', (app) => app.get('/:page', (_q, _s, next) => next()).get('/health', own)],
];

const OURS: Array<[string, (app: App, framework: typeof express) => unknown]> = [
  ['nothing', () => undefined],
  ['a route for POST', (app) => app.post('/health', own)],
  ['a parameter', (app) => app.get('/:page', own)],
  ['a catch-all expression', (app) => app.get(/.*/, own)],
  ['a router of a parameter', (app, { Router }) => app.use('/:tenant', Router().get('/', own))],
  ['a fallback', (app) => app.use(own)],
  ['a longer route', (app) => app.get('/health/db', own)],
];

describe.each<[string, typeof express]>([
  ['Express 5', express],
  ['Express 4', express4],
])('under %s', (_name, framework) => {
  test.each(SHADOWED)('%s answers', async (_kind, register) => {
    const app = framework().use(health());
    register(app, framework);
    expect(await statusOf(app)).toBe(500);
    expect(await statusOf(app, '/readyz')).toBe(200);
  });

  test.each(OURS)('%s does not', async (_kind, register) => {
    const app = framework().use(health());
    register(app, framework);
    expect(await statusOf(app)).toBe(200);
  });

  test('a guard before the endpoints is not a route of the application', async () => {
    const app = framework().get('/health', (_req, _res, next) => next());
    app.use(health());
    expect(await statusOf(app)).toBe(200);
  });

  test('a path that is set is answered from the probes', async () => {
    const app = framework()
      .use(health({ paths: { health: '/health' } }))
      .get('/health', own);
    expect(await statusOf(app)).toBe(200);
  });

  test('a route that is registered after the first probe answers from then on', async () => {
    const app = framework().use(health());
    expect(await statusOf(app)).toBe(200);
    app.get('/health', own);
    expect(await statusOf(app)).toBe(500);
  });

  test('below a mount path, and in a nested application', async () => {
    const inner = framework().use('/ops', health()).get('/ops/health', own);
    expect(await statusOf(framework().use('/v1', inner), '/v1/ops/health')).toBe(500);
    expect(await statusOf(framework().use('/v1', inner), '/v1/ops/livez')).toBe(200);
  });

  test('under compose, before an application and within one', async () => {
    const app = framework().get('/health', own);
    expect(await statusOf(http.createServer(compose(health(), app)))).toBe(500);
    expect(await statusOf(http.createServer(compose(health(), app)), '/livez')).toBe(200);
    const within = framework().use(compose(health())).get('/health', own);
    expect(await statusOf(within)).toBe(500);
  });
});

test('the warning names the route and the option, and can be turned off', async () => {
  emitWarning.mockClear();
  const paths = { health: false } as const;
  expect(
    await statusOf(
      express()
        .use(health({ warnings: false }))
        .get('/readyz', own),
      '/readyz',
    ),
  ).toBe(500);
  expect(await statusOf(express().use(health({ paths })).get('/health', own))).toBe(500);
  expect(emitWarning).not.toHaveBeenCalled();
  expect(await statusOf(express().use(health()).get('/startupz', own), '/startupz')).toBe(500);
  expect(emitWarning).toHaveBeenCalledWith(
    expect.stringMatching(/^healthEndpoints: .*GET \/startupz.*'paths'/),
    expect.objectContaining({ code: 'TOOLOO_HEALTH_OWN_ROUTE' }),
  );
});
