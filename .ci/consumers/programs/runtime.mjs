// Every middleware on the runtime that runs this, over sockets. `proxyBalanced` forwards or, on Bun, says that it cannot.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import express from 'express';
import { cacheResponse, compose, healthEndpoints, proxyBalanced, rateLimit, trace, withSpan } from '@tooloo/resilience';

async function listen(listener) {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

async function ask(url, client = 'usual', options = {}) {
  const response = await fetch(url, { ...options, headers: { 'X-Client': client } });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const limits = { hurried: { rateLimit: 2, refillRate: 0.001 } };
const traced = trace({ serviceName: 'shop', samplingRate: 1 });
const parts = [
  traced,
  healthEndpoints(),
  rateLimit({ limits, key: (req) => String(req.headers['x-client']) }),
  cacheResponse(),
];
const app = express();
let made = 0;
app.use(express.json());
app.get('/cached/:id', (_req, res) => void res.set('Cache-Control', 'max-age=60').json({ made: ++made }));
app.get('/span', async (_req, res) => {
  const seen = await withSpan('work', async (span) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return span.traceId;
  });
  res.send(seen);
});
app.get('/stream', (_req, res) => {
  res.write('one, ');
  setTimeout(() => res.end('two'), 1);
});
app.get('/fails', async () => {
  throw new Error('failed');
});
app.set('env', 'test');

async function checkShop(url) {
  const first = await ask(`${url}/cached/1`);
  const second = await ask(`${url}/cached/1`);
  assert.match(first.headers.get('Cache-Status'), /fwd=uri-miss/);
  assert.match(second.headers.get('Cache-Status'), /; hit/);
  assert.equal(second.text, first.text);
  const { headers, text } = await ask(`${url}/span`);
  assert.equal(headers.get('traceresponse').split('-')[1], text);
  assert.equal((await ask(`${url}/stream`)).text, 'one, two');
  assert.equal((await ask(`${url}/fails`)).status, 500);
  assert.equal((await ask(`${url}/missing`)).status, 404);
  assert.equal((await ask(`${url}/cached/1`, 'usual', { method: 'HEAD' })).text, '');
  assert.equal((await ask(`${url}/livez`)).status, 200);
  const hurried = [];
  for (let i = 0; i < 3; i++) hurried.push((await ask(`${url}/stream`, 'hurried')).status);
  assert.deepEqual(hurried, [200, 200, 429]);
}

/** The end of a response is reported after the client has it. */
async function checkCounts() {
  const requestsOf = () => traced.tracer.requestSeries().reduce((sum, { count }) => sum + count, 0);
  while (requestsOf() < 11) await new Promise((resolve) => setTimeout(resolve, 1));
  const routes = new Set(traced.tracer.requestSeries().map(({ route }) => route));
  assert.ok(routes.has('/cached/:id') && routes.has('/span'), [...routes].join());
}

async function checkProxy(target) {
  if (process.versions.bun !== undefined)
    return assert.throws(() => proxyBalanced({ targets: [target] }), /does not run on Bun/);
  const proxy = proxyBalanced({ targets: [target] });
  const gateway = await listen(compose(proxy));
  assert.equal((await ask(`${gateway.url}/stream`)).text, 'one, two');
  gateway.server.close();
  await proxy.close();
}

const shop = await listen(compose(...parts, app));
await checkShop(shop.url);
await checkCounts();
await checkProxy(shop.url);
shop.server.close();
for (const part of parts) await part.close();
console.log('works');
process.exit();
