/** `trace` and `cacheResponse` on one request: each must leave the other what it needs. */
import express from 'express';
import { createServer } from 'node:http';
import request from 'supertest';
import { cacheResponse } from '../../src/middleware/cache-response.js';
import { proxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { trace } from '../../src/middleware/trace.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { until } from '../support/eventually.js';
import { ask, createRig } from '../support/proxy-rig.js';

test('a request is counted under its route, though the cache hides fields of it from the handler', async () => {
  const traced = trace({ serviceName: 'shop' });
  const cached = cacheResponse();
  const app = express().use(traced, cached);
  app.get('/items/:id', (_req, res) => {
    res.set('Cache-Control', 'max-age=60').set('ETag', '"1"').json({});
  });
  const routes: string[] = [];
  traced.tracer.onRequest(({ route }) => routes.push(route));
  const get = () => request(app).get('/items/1').set({ Host: 'localhost', 'If-None-Match': '"0"' });
  expect((await get()).headers['cache-status']).toContain('fwd=');
  expect((await get()).headers['cache-status']).toContain('hit');
  await traced.close();
  cached.close();
  expect(routes).toEqual(['/items/:id', '/items/:id']);
});

test('a stale answer keeps its route while it is refreshed through the proxy behind', async () => {
  const rig = createRig();
  let asked = 0;
  const origin = await rig.origin((_req, res) => {
    asked++;
    res.setHeader('Cache-Control', 'max-age=10, stale-while-revalidate=60').end('answer');
  });
  const traced = trace({ serviceName: 'shop' });
  const clock = new FakeClock(Date.now());
  const cached = cacheResponse({ clock });
  const proxy = proxyBalanced({ targets: [origin] });
  const routes: string[] = [];
  traced.tracer.onRequest(({ route }) => routes.push(route));
  const app = express().use(traced, cached);
  app.all('/items/*path', proxy);
  const port = await rig.serveWith(createServer(app));
  const get = () => ask(port, { path: '/items/1' });
  try {
    await get();
    await until(() => routes.length === 1);
    for (const time of [2, 3]) {
      clock.tick(15_000);
      expect((await get()).headers['cache-status']).toContain('hit');
      await until(() => asked === time && routes.length === time);
    }
    expect(routes).toEqual(Array(3).fill('/items/*path'));
  } finally {
    cached.close();
    await proxy.close();
    await rig.close();
    await traced.close();
  }
});
