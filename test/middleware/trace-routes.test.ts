/** Which route a request is counted under: the registered template, in Express 4 and 5, however it ended. */
import express5 from 'express';
import express4 from 'express4';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { compose } from '../../src/middleware/compose.js';
import { trace } from '../../src/middleware/trace.js';
import type { RequestEnd } from '../../src/tracing/request-trace.js';
import { DistributedTracer } from '../../src/tracing/tracer.js';

type Handler = (req: express5.Request, res: express5.Response, next: express5.NextFunction) => unknown;

/** Answers a request through a real socket and gives what was counted for it. */
async function request(app: http.RequestListener, tracer: DistributedTracer, path: string, init: RequestInit = {}) {
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const ended = new Promise<RequestEnd>((resolve) => tracer.onRequest(resolve));
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', ...init });
  await response.text();
  const end = await ended;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return end;
}

const ok: Handler = (_req, res) => res.json({ ok: true });

describe.each([
  ['Express 5', express5],
  ['Express 4', express4],
])('%s', (version, express) => {
  const isFive = version === 'Express 5';

  /** The method, route and status as which a request to `path` counts in an application that `setUp` prepares. */
  async function label(setUp: (app: express5.Express) => void, path: string, init?: RequestInit): Promise<string> {
    const tracer = new DistributedTracer({ samplingRate: 1 });
    const app = express();
    app.set('env', 'test');
    app.use(trace({ tracer }));
    setUp(app);
    const { method, route, status } = await request(app, tracer, path, init);
    const [summary] = tracer.listTraces();
    expect(summary?.operation).toBe(`${method} ${route}`);
    await tracer.close();
    return `${method} ${route} ${status}`;
  }

  test('a route with parameters', async () => {
    expect(await label((app) => app.get('/api/:id/items', ok), '/api/7/items?x=1')).toBe('GET /api/:id/items 200');
  });

  test('the root route', async () => {
    expect(await label((app) => app.get('/', ok), '/')).toBe('GET / 200');
  });

  test('HEAD answered by a GET route', async () => {
    expect(await label((app) => app.get('/a', ok), '/a', { method: 'HEAD' })).toBe('HEAD /a 200');
  });

  test('a mounted router', async () => {
    const router = express.Router().get('/items/:id', ok);
    expect(await label((app) => app.use('/api', router), '/api/items/1')).toBe('GET /api/items/:id 200');
  });

  test('the root of a mounted router', async () => {
    const router = express.Router().get('/', ok);
    expect(await label((app) => app.use('/api', router), '/api')).toBe('GET /api 200');
  });

  test('routers mounted in routers, with parameters in the mount paths', async () => {
    const inner = express.Router().get('/items/:id', ok);
    const outer = express.Router().use('/lists/:list', inner);
    const setUp = (app: express5.Express): unknown => app.use('/users/:user', outer);
    expect(await label(setUp, '/users/users/lists/2/items/3')).toBe('GET /users/:user/lists/:list/items/:id 200');
  });

  test('one router mounted at two paths', async () => {
    const router = express.Router().get('/x', ok);
    const setUp = (app: express5.Express): unknown => app.use('/a', router).use('/b', router);
    expect(await label(setUp, '/b/x')).toBe('GET /b/x 200');
  });

  test('a mounted application', async () => {
    const sub = express();
    sub.get('/deep/:x', ok);
    expect(await label((app) => app.use('/sub', sub), '/sub/deep/1')).toBe('GET /sub/deep/:x 200');
  });

  test('a mount path in another case', async () => {
    const router = express.Router().get('/items', ok);
    expect(await label((app) => app.use('/api', router), '/API/items')).toBe('GET /api/items 200');
  });

  test('middleware on the way at the same and other mount paths', async () => {
    const pass: Handler = (_req, _res, next) => next();
    const router = express.Router().use('/:any', pass).get('/items', ok);
    const setUp = (app: express5.Express): unknown => app.use('/api', pass).use('/:tenant', pass).use('/api', router);
    expect(await label(setUp, '/api/items')).toBe('GET /api/items 200');
  });

  test('an array of paths: the one that matched', async () => {
    const setUp = (app: express5.Express): unknown => app.get(['/a', '/b/:id'], ok);
    expect(await label(setUp, '/b/5')).toBe('GET /b/:id 200');
    expect(await label(setUp, '/a')).toBe('GET /a 200');
  });

  test('an array of mount paths', async () => {
    const router = express.Router().get('/x', ok);
    expect(await label((app) => app.use(['/v1', '/v2'], router), '/v2/x')).toBe('GET /v2/x 200');
  });

  test('an expression', async () => {
    expect(await label((app) => app.get(/^\/v(\d+)$/, ok), '/v12')).toBe('GET /^\\/v(\\d+)$/ 200');
  });

  test('a router mounted at an expression', async () => {
    const router = express.Router().get('/x', ok);
    expect(await label((app) => app.use(/^\/v\d+/, router), '/v12/x')).toBe('GET /^\\/v\\d+/x 200');
  });

  test('a wildcard', async () => {
    const path = isFive ? '/files/*path' : '/files/*';
    expect(await label((app) => app.get(path, ok), '/files/a/b')).toBe(`GET ${path} 200`);
  });

  test("next('route') hands the request to the next route", async () => {
    const setUp = (app: express5.Express): unknown =>
      app.get('/:first', (_req, _res, next) => next('route')).get('/:second', ok);
    expect(await label(setUp, '/x')).toBe('GET /:second 200');
  });

  test("next('router') leaves the router", async () => {
    const router = express.Router().get('/x', (_req, _res, next) => next('router'));
    expect(await label((app) => app.use('/a', router).get('/a/:x', ok), '/a/x')).toBe('GET /a/:x 200');
  });

  test('a route that passes on to a 404 handler is not counted for it', async () => {
    const setUp = (app: express5.Express): unknown =>
      app.get('/:any', (_req, _res, next) => next()).use((_req, res) => res.status(404).json({}));
    expect(await label(setUp, '/x')).toBe('GET (unmatched) 404');
  });

  test('a route that answers and then passes on keeps the request', async () => {
    const setUp = (app: express5.Express): unknown =>
      app
        .get('/:any', (_req, res, next) => {
          res.json({});
          next();
        })
        .use((_req, _res) => undefined);
    expect(await label(setUp, '/x')).toBe('GET /:any 200');
  });

  test('unmatched requests share one label', async () => {
    const setUp = (app: express5.Express): unknown => app.get('/a', ok);
    expect(await label(setUp, '/nothing/here')).toBe('GET (unmatched) 404');
    expect(await label(setUp, '/%ff', { method: 'POST' })).toBe('POST (unmatched) 404');
  });

  test('a route that throws is the route of the error page', async () => {
    const fail: Handler = () => {
      throw new Error('no');
    };
    const onError = (_error: unknown, _req: express5.Request, res: express5.Response, _next: express5.NextFunction) =>
      res.status(503).end();
    expect(await label((app) => app.get('/fail/:id', fail), '/fail/1')).toBe('GET /fail/:id 500');
    expect(await label((app) => app.get('/fail/:id', fail).use(onError), '/fail/1')).toBe('GET /fail/:id 503');
  });

  test('route() with several methods, and all()', async () => {
    const setUp = (app: express5.Express): unknown => app.route('/r/:id').get(ok).post(ok);
    expect(await label(setUp, '/r/1', { method: 'POST' })).toBe('POST /r/:id 200');
    expect(await label((app) => app.all('/any/:id', ok), '/any/1', { method: 'PUT' })).toBe('PUT /any/:id 200');
  });

  test('under compose, from the first request on', async () => {
    const tracer = new DistributedTracer();
    const app = express();
    app.get('/early/:id', ok);
    const { route } = await request(compose(trace({ tracer }), app as never), tracer, '/early/1');
    expect(route).toBe('/early/:id');
    await tracer.close();
  });
});

test('in an Express that does not keep registered paths, the template is derived from the parameters', async () => {
  const tracer = new DistributedTracer();
  const app = express5();
  app.use(trace({ tracer }));
  const router = express5.Router().get('/x', ok);
  app.use('/users/:user/lists/:list', router);
  for (const layer of app.router.stack) delete (layer as { rawPath?: unknown }).rawPath;
  const { route } = await request(app, tracer, '/users/users/lists/a%20b/x');
  expect(route).toBe('/users/:user/lists/:list/x');
  await tracer.close();
});
