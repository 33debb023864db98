/** `trace` and `cacheResponse` on one request: each must leave the other what it needs. */
import express from 'express';
import request from 'supertest';
import { cacheResponse } from '../../src/middleware/cache-response.js';
import { trace } from '../../src/middleware/trace.js';

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
