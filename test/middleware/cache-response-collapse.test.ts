import http, { type ServerResponse } from 'node:http';
import { MultiLayerCacheManager } from '../../src/caching/index.js';
import type { CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { cacheRig, counting, settled, until, type CacheRig, type Origin } from '../support/cache-rig.js';

let rig: CacheRig;
afterEach(() => rig?.close());

async function given(origin: Origin, options?: CacheResponseOptions): Promise<CacheRig> {
  rig = await cacheRig(origin, options);
  return rig;
}

const MINUTE = { 'Cache-Control': 'max-age=60' };

/** An origin whose answers the test gives. */
function held(): { origin: Origin; waiting: ServerResponse[] } {
  const waiting: ServerResponse[] = [];
  return { waiting, origin: (_req, res) => void waiting.push(res) };
}

test('concurrent misses are one request to the handler', async () => {
  const { origin, waiting } = held();
  const { ask, cache } = await given(origin);
  const answers = Array.from({ length: 100 }, () => ask('/'));
  await until(() => cache.stats().waiting === 99);
  waiting[0]!.writeHead(200, MINUTE).end('one');
  const all = await Promise.all(answers);
  expect(waiting).toHaveLength(1);
  expect(new Set(all.map(({ body }) => body))).toEqual(new Set(['one']));
  expect(all.filter(({ cache: status }) => status === 'fwd=miss; collapsed')).toHaveLength(99);
  expect(cache.stats()).toMatchObject({ collapsed: 99, waiting: 0, inFlight: 0 });
});

test('an answer that is not to be stored lets everyone go at once, and is remembered', async () => {
  const { origin, waiting } = held();
  const { ask, cache, clock } = await given(origin);
  const answers = Array.from({ length: 5 }, () => ask('/'));
  await until(() => cache.stats().waiting === 4);
  waiting[0]!.writeHead(200, { 'Set-Cookie': 'mine', ...MINUTE });
  waiting[0]!.flushHeaders(); // the head decides: no request waits for the body of a stream
  await until(() => waiting.length === 5);
  waiting.forEach((res) => res.end('own'));
  await Promise.all(answers);
  const later = [ask('/'), ask('/')];
  await until(() => waiting.length === 7);
  waiting.slice(5).forEach((res) => res.end('own'));
  await Promise.all(later);
  clock.tick(120_001);
  const again = [ask('/'), ask('/')];
  await until(() => cache.stats().waiting === 1);
  waiting[7]!.writeHead(200, MINUTE).end('shared');
  await Promise.all(again);
  expect(waiting).toHaveLength(8);
});

test('a resource that becomes cacheable is stored from the second response on', async () => {
  const { ask } = await given(counting({}));
  await ask('/');
  rig.origin = counting(MINUTE);
  // The body of the first one is not collected, as it most likely could not be stored.
  for (const cache of ['fwd=uri-miss', 'fwd=uri-miss; stored', 'hit; ttl=60']) {
    expect((await ask('/')).cache).toBe(cache);
  }
});

test('a response to HEAD does not decide that the one to GET can be stored', async () => {
  const { ask } = await given(counting({}));
  await ask('/');
  rig.origin = counting(MINUTE);
  expect((await ask('/', { method: 'HEAD' })).cache).toBe('fwd=uri-miss');
  expect((await ask('/')).cache).toBe('fwd=uri-miss');
});

test('each waiter looks for its own variant', async () => {
  const { origin, waiting } = held();
  const { ask, cache } = await given(origin);
  const answers = ['1', '1', '2', '2'].map((foo) => ask('/', { headers: { foo } }));
  await until(() => cache.stats().waiting === 3);
  waiting[0]!.writeHead(200, { ...MINUTE, Vary: 'Foo' }).end(String(waiting[0]!.req.headers.foo));
  await until(() => waiting.length === 2);
  waiting[1]!.writeHead(200, { ...MINUTE, Vary: 'Foo' }).end(String(waiting[1]!.req.headers.foo));
  expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(['1', '1', '2', '2']);
  expect(waiting).toHaveLength(2);
});

test('a leader whose client leaves hands over', async () => {
  const { origin, waiting } = held();
  const { ask, cache, port } = await given(origin);
  const leader = http.get({ host: '127.0.0.1', port, path: '/', agent: false });
  leader.on('error', () => undefined);
  await until(() => waiting.length === 1);
  const answers = [ask('/'), ask('/')];
  await until(() => cache.stats().waiting === 2);
  leader.destroy();
  await until(() => waiting.length === 2);
  expect(cache.stats().waiting).toBe(1);
  waiting[1]!.writeHead(200, MINUTE).end('two');
  expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(['two', 'two']);
});

test('a leader that fails hands over, and its truncated body reaches no other client', async () => {
  const { origin, waiting } = held();
  const { ask, cache } = await given(origin);
  const leader = ask('/').catch(() => 'failed');
  await until(() => waiting.length === 1);
  const answer = ask('/');
  await until(() => cache.stats().waiting === 1);
  waiting[0]!.writeHead(200, { ...MINUTE, 'Content-Length': '10' });
  waiting[0]!.write('half');
  waiting[0]!.destroy();
  await until(() => waiting.length === 2);
  waiting[1]!.writeHead(200, MINUTE).end('whole');
  expect((await answer).body).toBe('whole');
  expect(await leader).toBe('failed');
});

test('a waiter goes alone when its time is up, and leaves when its client does', async () => {
  const { origin, waiting } = held();
  const { ask, cache, clock, port } = await given(origin, { lockTimeout: 1_000 });
  const leader = ask('/');
  await until(() => waiting.length === 1);
  const patient = ask('/');
  const leaving = http.get({ host: '127.0.0.1', port, path: '/', agent: false });
  leaving.on('error', () => undefined);
  await until(() => cache.stats().waiting === 2);
  leaving.destroy();
  await until(() => cache.stats().waiting === 1);
  await clock.advance(1_000);
  await until(() => waiting.length === 2);
  waiting[1]!.writeHead(200, MINUTE).end('own');
  expect((await patient).body).toBe('own');
  waiting[0]!.writeHead(200, MINUTE).end('late');
  expect((await leader).body).toBe('late');
  expect(clock.pendingTimers).toBe(0);
});

test('an invalidation during the load wins', async () => {
  const { origin, waiting } = held();
  const { ask, cache } = await given(origin, { tags: ['t'] });
  const answer = ask('/a');
  await until(() => waiting.length === 1);
  rig.origin = (_req, res) => void res.writeHead(204).end();
  await ask('/a', { method: 'POST' });
  waiting[0]!.writeHead(200, MINUTE).end('old');
  expect((await answer).body).toBe('old');
  rig.origin = counting(MINUTE);
  expect((await ask('/a')).body).toBe('answer 1');
  const tagged = held();
  rig.origin = tagged.origin;
  const second = ask('/varies', { headers: { foo: '1' } });
  await until(() => tagged.waiting.length === 1);
  await cache.purgeTag('t');
  tagged.waiting[0]!.writeHead(200, { ...MINUTE, Vary: 'Foo' }).end('old');
  await second;
  rig.origin = counting(MINUTE);
  expect((await ask('/varies', { headers: { foo: '1' } })).body).toBe('answer 1');
});

test('requests that ask for validation are not made to wait', async () => {
  const { origin, waiting } = held();
  const { ask } = await given(origin);
  const answers = [ask('/'), ask('/', { headers: { 'Cache-Control': 'no-cache' } })];
  await until(() => waiting.length === 2);
  waiting.forEach((res) => res.writeHead(200, MINUTE).end('x'));
  await Promise.all(answers);
});

test('what must be validated each time is not queued up for', async () => {
  const { ask } = await given(counting({ 'Cache-Control': 'no-cache', ETag: '"1"' }));
  await ask('/');
  const { origin, waiting } = held();
  rig.origin = origin;
  const answers = [ask('/'), ask('/'), ask('/')];
  await until(() => waiting.length === 3);
  waiting.forEach((res) => res.writeHead(304, { ETag: '"1"' }).end());
  expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(Array(3).fill('answer 1'));
});

test('collecting is bounded over all responses', async () => {
  const { origin, waiting } = held();
  const { ask, cache } = await given(origin, { maxBodySize: 48 * 2 ** 20 });
  const answers = [ask('/1'), ask('/2')];
  await until(() => waiting.length === 2);
  for (const res of waiting) {
    res.writeHead(200, MINUTE);
    res.write(Buffer.alloc(40 * 2 ** 20));
  }
  waiting.forEach((res) => res.end());
  await Promise.all(answers);
  await settled();
  expect(cache.stats()).toMatchObject({ uncacheable: 1 });
});

test('servers that share a layer make one request between them', async () => {
  const { mkdtemp, rm } = await import('node:fs/promises');
  const folder = await mkdtemp('/tmp/cache-response-');
  const dbPath = `${folder}/cache.db`;
  const managers = [1, 2, 3].map(() => new MultiLayerCacheManager({ disk: { dbPath } }));
  const { origin, waiting } = held();
  const rigs = await Promise.all(managers.map((cache) => cacheRig(origin, { cache, key: () => '/same' })));
  // The key holds the host, and so the port: what these servers share, they share under one name.
  const answers = rigs.flatMap(({ ask }) => [1, 2, 3, 4, 5].map(() => ask('/same', { headers: { host: 'fleet' } })));
  await until(() => waiting.length === 1 && rigs.every(({ cache }) => cache.stats().inFlight === 1));
  await until(() => rigs.every(({ cache }) => cache.stats().waiting === 4));
  waiting[0]!.writeHead(200, MINUTE).end('shared');
  const turn = setInterval(() => rigs.forEach(({ clock }) => clock.tick(1)), 1);
  const all = await Promise.all(answers);
  clearInterval(turn);
  expect(new Set(all.map(({ body }) => body))).toEqual(new Set(['shared']));
  expect(waiting).toHaveLength(1);
  await Promise.all(rigs.map(({ close }) => close()));
  managers.forEach((manager) => manager.destroy());
  await rm(folder, { recursive: true });
});
