import express, { type NextFunction, type Request, type Response } from 'express';
import request from 'supertest';
import { z } from 'zod';
import { ANSWERED, created, RouteTable } from '../../../servers/support/route-table.js';
import { ResilienceError, sendError } from '../../../src/index.js';

const TOKEN = 'a-control-token-of-the-test';

function appOf(table: RouteTable): express.Application {
  const app = express();
  app.use(express.json());
  app.use(table.seal().router);
  app.use((error: unknown, req: Request, res: Response, _next: NextFunction) => sendError(req, res, error));
  return app;
}

const items = new RouteTable('/api/items', TOKEN)
  .get(
    '/',
    {
      summary: 'All',
      query: z.object({ limit: z.coerce.number().int().max(10).default(5) }),
      cacheControl: 'public, max-age=5',
    },
    ({ query }) => ({
      limit: query.limit,
    }),
  )
  .get('/stream', { summary: 'A stream' }, ({ res }) => {
    res.type('text').end('by itself');
    return ANSWERED;
  })
  .get('/:id', { summary: 'One', params: z.object({ id: z.coerce.number() }) }, ({ params }) => {
    if (params.id === 404) throw new ResilienceError('NOT_FOUND', 'no such item');
    return { id: params.id };
  })
  .post(
    '/',
    { summary: 'New', body: z.strictObject({ name: z.string().min(1), tags: z.array(z.string()).default([]) }) },
    async ({ body }) => created({ item: body }),
  )
  .delete('/:id', { summary: 'Gone', control: true }, () => ({ gone: true }));

const app = appOf(items);

test('the object of a handler is sent as JSON with ok, and is not cached by default', async () => {
  const all = await request(app).get('/api/items').expect(200);
  expect(all.body).toEqual({ ok: true, limit: 5 });
  expect(all.headers['cache-control']).toBe('public, max-age=5');
  expect((await request(app).get('/api/items/7')).headers['cache-control']).toBe('no-store');
});

test('a handler receives its input as parsed by the schemas', async () => {
  expect((await request(app).get('/api/items?limit=3')).body.limit).toBe(3);
  const made = await request(app).post('/api/items').send({ name: 'a' }).expect(201);
  expect(made.body).toEqual({ ok: true, item: { name: 'a', tags: [] } });
});

test('a missing body is an empty object whose missing fields are named; another content type is a 415', async () => {
  const refused = await request(app).post('/api/items').expect(400);
  expect(refused.body.errors).toMatchObject([{ field: 'body.name' }]);
  const text = await request(app).post('/api/items').set('Content-Type', 'text/plain').send('name=a').expect(415);
  expect(text.body.code).toBe('UNSUPPORTED_MEDIA_TYPE');
});

test('every wrong field is named', async () => {
  const refused = await request(app)
    .post('/api/items')
    .send({ name: '', tags: [1], more: 1 })
    .expect(400);
  expect(refused.type).toBe('application/problem+json');
  expect(refused.body.errors.map(({ field }: { field: string }) => field).sort()).toEqual([
    'body',
    'body.name',
    'body.tags.0',
  ]);
  expect((await request(app).get('/api/items?limit=99').expect(400)).body.detail).toContain('query.limit');
  expect((await request(app).get('/api/items/x').expect(400)).body.detail).toContain('path.id');
});

test('no body, and a body that is not JSON, are a 400', async () => {
  await request(app).post('/api/items').expect(400);
  const broken = await request(app).post('/api/items').set('Content-Type', 'application/json').send('{').expect(400);
  expect(broken.body).toMatchObject({ ok: false, code: 'BAD_REQUEST' });
});

test('an error that a handler throws becomes a problem document', async () => {
  const missing = await request(app).get('/api/items/404').expect(404);
  expect(missing.body).toMatchObject({ ok: false, code: 'NOT_FOUND', detail: 'no such item' });
});

test('another method is a 405 that names the available ones', async () => {
  const refused = await request(app).put('/api/items').expect(405);
  expect(refused.headers['allow']).toBe('GET, POST, HEAD, OPTIONS');
  expect((await request(app).options('/api/items').expect(204)).headers['allow']).toBe('GET, POST, HEAD, OPTIONS');
});

test('a control route asks every caller for the token', async () => {
  const remote = (headers: Record<string, string> = {}) =>
    request(app)
      .delete('/api/items/1')
      .set({ 'X-Forwarded-For': '203.0.113.9', ...headers });
  await remote().expect(401);
  await remote({ Authorization: 'Bearer wrong' }).expect(403);
  await remote({ Authorization: `Bearer ${TOKEN}` }).expect(200);
  await request(app).delete('/api/items/1').expect(401);
});

test('a handler may send the response itself', async () => {
  expect((await request(app).get('/api/items/stream').expect(200)).text).toBe('by itself');
});

test('the table lists its routes', () => {
  expect(items.entries).toContainEqual({ method: 'DELETE', path: '/api/items/:id', summary: 'Gone', control: true });
  expect(items.entries).toHaveLength(5);
});

test('the signal of a handler is aborted when the client disconnects', async () => {
  let aborted!: () => void;
  const seen = new Promise<void>((resolve) => (aborted = resolve));
  const slow = new RouteTable('/slow').get('/', { summary: 'Waits' }, ({ signal }) => {
    client.abort();
    return new Promise((resolve) => signal.addEventListener('abort', () => (aborted(), resolve({}))));
  });
  const server = appOf(slow).listen(0);
  const { port } = server.address() as { port: number };
  const client = new AbortController();
  await expect(fetch(`http://127.0.0.1:${port}/slow`, { signal: client.signal })).rejects.toThrow();
  await seen;
  await new Promise((resolve) => server.close(resolve));
});
