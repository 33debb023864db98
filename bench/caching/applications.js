// The applications compared: one document of 2 KiB, made for each request, written as it is, or answered from a cache.
import { cacheResponse, compose } from '@tooloo/resilience';
import apicache from 'apicache';
import express from 'express';

const items = Array.from({ length: 20 }, (_, id) => ({
  id,
  name: `item ${id}`,
  price: id * 1.5,
  text: 'x'.repeat(60),
}));
const made = Buffer.from(JSON.stringify({ ok: true, items }));

/** Ten minutes: nothing expires while it is measured. */
const FRESH = 'public, max-age=600';

function handler(_req, res) {
  res.set('Cache-Control', FRESH).json({ ok: true, items });
}

/** The least that sends the same: what a cache can come near to. */
function writeBuffer(_req, res) {
  res.setHeader('Cache-Control', FRESH);
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.setHeader('Content-Length', made.length);
  res.end(made);
}

function application(...before) {
  const app = express();
  for (const one of before) app.use(one);
  app.get('/', handler);
  return app;
}

/** By name: makes the listener. */
export const applications = {
  'Express, bare handler': () => application(),
  'Express, raw buffer': () => {
    const app = express();
    app.get('/', writeBuffer);
    return app;
  },
  'Express, ours': () => application(cacheResponse()),
  'Express, apicache': () => application(apicache.options({ respectCacheControl: false }).middleware('10 minutes')),
  'compose, raw buffer': () => compose(writeBuffer),
  'compose, ours': () => compose(cacheResponse(), application()),
};
