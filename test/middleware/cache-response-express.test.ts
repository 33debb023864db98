import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import express4 from 'express4';
import helmet from 'helmet';
import { CacheApp } from '../support/cache-app.js';
import { until } from '../support/cache-rig.js';

const MINUTE = 'max-age=60';

let rig: CacheApp;

beforeEach(() => {
  rig = new CacheApp();
});
afterEach(() => rig.close());

describe.each([
  ['Express 5', express],
  ['Express 4', express4],
])('under %s', (_name, framework) => {
  test('res.json, its tag and its 304', async () => {
    const app = framework();
    app.use(rig.newCache());
    let count = 0;
    app.get('/items', (_req, res) => void res.set('Cache-Control', MINUTE).json({ count: ++count }));
    const get = await rig.serve(app);
    const first = await get('/items');
    const second = await get('/items');
    expect(second.body).toBe('{"count":1}');
    expect(second.headers).toMatchObject({
      etag: first.headers.etag,
      'content-type': 'application/json; charset=utf-8',
    });
    const conditional = await get('/items', { headers: { 'If-None-Match': first.headers.etag! } });
    expect([conditional.status, conditional.body, conditional.cache]).toEqual([304, '', 'hit; ttl=60']);
    rig.clock.tick(61_000);
    expect((await get('/items', { headers: { 'If-None-Match': first.headers.etag! } })).body).toBe('{"count":2}');
  });

  test('a condition of the client goes to the handler where nothing is stored, and a 304 stores nothing', async () => {
    const app = framework();
    app.use(rig.newCache());
    app.get('/same', (_req, res) => void res.set('Cache-Control', MINUTE).send('same'));
    const get = await rig.serve(app);
    const tag = (await get('/same')).headers.etag!;
    await rig.cache.purge('/same');
    expect(await get('/same', { headers: { 'If-None-Match': tag } })).toMatchObject({ status: 304, body: '' });
    expect(await get('/same')).toMatchObject({ status: 200, body: 'same', cache: 'fwd=uri-miss; stored' });
    expect(await get('/same', { headers: { 'If-None-Match': tag } })).toMatchObject({
      status: 304,
      cache: 'hit; ttl=60',
    });
  });

  test('validation by a handler that knows nothing of it', async () => {
    const app = framework();
    app.use(rig.newCache());
    app.get('/nc', (_req, res) => void res.set('Cache-Control', 'no-cache').send('text'));
    const get = await rig.serve(app);
    await get('/nc');
    expect(await get('/nc')).toMatchObject({ status: 200, body: 'text', cache: 'fwd=stale; fwd-status=304' });
  });

  test('mounted under a path and in a router, by the whole target', async () => {
    const app = framework();
    const router = framework.Router();
    router.use(rig.newCache());
    router.get('/x', (_req, res) => void res.set('Cache-Control', MINUTE).send(_req.originalUrl));
    app.use('/a', router);
    app.use('/b', router);
    const get = await rig.serve(app);
    for (const path of ['/a/x', '/b/x']) await get(path);
    expect(await get('/a/x')).toMatchObject({ body: '/a/x', cache: 'hit; ttl=60' });
    expect(await get('/b/x')).toMatchObject({ body: '/b/x', cache: 'hit; ttl=60' });
  });

  test('sendFile and static, ranges included', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cache-response-'));
    rig.onClose(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'a.txt'), '0123456789'.repeat(20_000));
    const app = framework();
    app.use(rig.newCache());
    app.get('/file', (_req, res) => res.sendFile(join(folder, 'a.txt'), { maxAge: 60_000 }));
    app.use('/static', framework.static(folder, { maxAge: 60_000 }));
    const get = await rig.serve(app);
    for (const path of ['/file', '/static/a.txt']) {
      const first = await get(path);
      const hit = await get(path);
      expect([first.body.length, hit.body.length, hit.cache]).toEqual([200_000, 200_000, 'hit; ttl=60']);
      expect(hit.headers).toMatchObject({ etag: first.headers.etag, 'last-modified': first.headers['last-modified'] });
      expect(await get(path, { headers: { Range: 'bytes=3-5' } })).toMatchObject({ status: 206, body: '345' });
    }
    await rig.cache.invalidatePattern('/*');
    expect(await get('/file', { headers: { Range: 'bytes=3-5' } })).toMatchObject({
      status: 206,
      body: '345',
      cache: 'fwd=uri-miss; stored',
    });
    expect((await get('/file', { headers: { Range: 'bytes=4-4' } })).cache).toBe('hit; ttl=60');
  });

  test('a background refresh goes through the whole application', async () => {
    const app = framework();
    const seen: unknown[] = [];
    app.use((req, _res, next) => {
      seen.push([req.method, req.ip, req.get('cookie')]);
      (req as { user?: string }).user = 'from earlier middleware';
      next();
    });
    app.use(rig.newCache());
    let count = 0;
    app.get('/swr', (req, res) => {
      res.set('Cache-Control', 'public, max-age=1, stale-while-revalidate=60');
      res.json({ count: ++count, user: (req as { user?: string }).user });
    });
    const get = await rig.serve(app);
    await get('/swr', { headers: { Cookie: 'a=1' } });
    rig.clock.tick(2_000);
    expect(JSON.parse((await get('/swr', { headers: { Cookie: 'a=1' } })).body).count).toBe(1);
    await until(() => rig.cache.stats().stored === 2);
    expect(JSON.parse((await get('/swr')).body)).toEqual({ count: 2, user: 'from earlier middleware' });
    expect(seen[2]).toEqual(seen[1]);
  });

  test('stale-if-error covers a handler that throws', async () => {
    const app = framework();
    app.set('env', 'test');
    app.use(rig.newCache());
    let fails = false;
    app.get('/', (_req, res) => {
      if (fails) throw Object.assign(new Error('broken'), { status: 503 });
      res.set('Cache-Control', 'max-age=1, stale-if-error=60').send('good');
    });
    const get = await rig.serve(app);
    await get('/');
    rig.clock.tick(2_000);
    fails = true;
    const covered = await get('/');
    expect(covered).toMatchObject({
      status: 200,
      body: 'good',
      headers: { 'content-type': 'text/html; charset=utf-8' },
    });
    expect(covered.headers['content-security-policy']).toBeUndefined();
  });

  test('helmet before or after it', async () => {
    const app = framework();
    app.use(helmet());
    app.use(rig.newCache());
    app.use('/after', helmet({ xPoweredBy: true }));
    app.get(['/before', '/after'], (_req, res) => void res.set('Cache-Control', MINUTE).send('x'));
    const get = await rig.serve(app);
    for (const path of ['/before', '/after', '/before', '/after']) {
      const { headers } = await get(path);
      expect(headers['content-security-policy']).toContain("default-src 'self'");
      expect(headers['x-powered-by']).toBeUndefined();
    }
  });
});
