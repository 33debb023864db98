// What every consumer does with the package: a small shop behind all five middleware, real requests, and a clean end.
import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Express } from 'express';
import type * as Package from '@tooloo/resilience';

/** What a consumer imports, each in its own way. */
export type Kit = Pick<
  typeof Package,
  | 'cacheResponse'
  | 'ConnectionPool'
  | 'DiskCacheLayer'
  | 'healthEndpoints'
  | 'MultiLayerCacheManager'
  | 'proxyBalanced'
  | 'rateLimit'
  | 'trace'
>;

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

async function listen(handler: RequestListener): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function ask(url: string, client = 'usual'): Promise<Answer> {
  const response = await fetch(url, { headers: { 'X-Client': client } });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function checkShop(url: string): Promise<void> {
  const health = await ask(`${url}/health`);
  assert.equal(health.status, 200);
  assert.match(health.headers.get('Content-Type') ?? '', /^application\/health\+json/);
  assert.equal((await ask(`${url}/livez`)).status, 200);

  const first = await ask(`${url}/time`);
  const second = await ask(`${url}/time`);
  assert.match(first.headers.get('traceresponse') ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-/);
  assert.match(first.headers.get('Cache-Status') ?? '', /fwd=uri-miss/);
  assert.match(second.headers.get('Cache-Status') ?? '', /; hit/);
  assert.equal(second.text, first.text);

  const names = new Set<string>();
  for (let i = 0; i < 8; i++) names.add((await ask(`${url}/api/name`)).text);
  assert.deepEqual([...names].sort(), ['one', 'two']);

  const hurried = [];
  for (let i = 0; i < 4; i++) hurried.push((await ask(`${url}/time`, 'hurried')).status);
  assert.deepEqual(hurried, [200, 200, 200, 429]);
}

async function checkSqlite(kit: Kit, folder: string): Promise<void> {
  const dbPath = join(folder, 'kept.db');
  const before = new kit.DiskCacheLayer({ dbPath });
  before.set('when', new Date(0));
  before.destroy();
  const after = new kit.DiskCacheLayer({ dbPath });
  assert.deepEqual(after.get('when'), new Date(0));
  after.destroy();

  const pool = new kit.ConnectionPool();
  const { rows } = await pool.use((connection) => connection.query<{ sum: number }>('SELECT 1 + 1 AS sum'));
  assert.deepEqual(rows, [{ sum: 2 }]);
  await pool.drain();
}

/** Resolves when everything was as it should be and is closed: the process then ends by itself. */
export async function exercise(kit: Kit, express: () => Express): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'consumer-'));
  const upstreams = await Promise.all(['one', 'two'].map((name) => listen((_req, res) => res.end(name))));
  const cache = new kit.MultiLayerCacheManager({ memory: {}, disk: { dbPath: join(folder, 'cache.db') } });
  const app = express();
  const limits: Readonly<Record<string, { rateLimit: number; refillRate: number }>> = {
    hurried: { rateLimit: 3, refillRate: 0.001 },
  };
  const handlers = [
    kit.trace({ serviceName: 'shop', samplingRate: 1 }),
    kit.healthEndpoints({ serviceName: 'shop' }),
    kit.rateLimit({ limits, key: (req) => String(req.headers['x-client']) }),
    kit.cacheResponse({ cache }),
  ];
  const proxy = kit.proxyBalanced({ targets: upstreams.map(({ url }) => url), algorithm: 'round-robin' });
  assert.deepEqual(
    [...handlers, proxy].map(({ name }) => name),
    ['trace', 'healthEndpoints', 'rateLimit', 'cacheResponse', 'proxyBalanced'],
  );
  app.use(...handlers);
  app.get(
    '/time',
    (_req, res) => void res.set('Cache-Control', 'max-age=60').json({ at: process.hrtime.bigint().toString() }),
  );
  app.use('/api', proxy);
  const shop = await listen(app);
  try {
    await checkShop(shop.url);
    assert.ok(cache.getStats().disk !== undefined);
    await checkSqlite(kit, folder);
  } finally {
    for (const { server } of [shop, ...upstreams]) server.close();
    for (const handler of [proxy, ...handlers]) await handler.close();
    await cache.destroy();
    rmSync(folder, { recursive: true, force: true });
  }
}
