/** The response to a POST as the representation of its target, for later GETs (RFC 9110 §9.3.3). */
import type { ServerResponse } from 'node:http';
import { cacheRig, type CacheRig, type Origin } from '../support/cache-rig.js';

let rig: CacheRig;
afterEach(() => rig?.close());

const FRESH = { 'Cache-Control': 'max-age=60', 'Content-Location': '/items' };

/** GET answers what was posted last; a POST answers as the headers say. */
async function given(headers: Record<string, string>, status = 200): Promise<CacheRig> {
  let posts = 0;
  rig = await cacheRig((req, res) => {
    if (req.method === 'POST') res.writeHead(status, headers).end(`posted ${++posts}`);
    else res.writeHead(200, { 'Cache-Control': 'max-age=60' }).end(`got ${posts}`);
  });
  return rig;
}

const post = (path = '/items', headers = {}): Promise<{ cache: string }> =>
  rig.ask(path, { method: 'POST', body: 'x', headers });

test('with Content-Location and a freshness it answers the GETs that follow', async () => {
  const { ask } = await given(FRESH);
  expect((await ask('/items')).body).toBe('got 0');
  expect((await post()).cache).toBe('fwd=method; stored');
  expect(await ask('/items')).toMatchObject({ body: 'posted 1', cache: 'hit; ttl=60' });
  await post();
  expect((await ask('/items')).body).toBe('posted 2');
  expect((await ask('/items', { method: 'HEAD' })).cache).toBe('hit; ttl=60');
  rig.clock.tick(60_000);
  expect((await ask('/items')).body).toBe('got 2');
});

test.each<[string, Record<string, string>, number, Record<string, string>]>([
  ['without Content-Location', { 'Cache-Control': 'max-age=60' }, 200, {}],
  ['of another target', { ...FRESH, 'Content-Location': '/items/1' }, 200, {}],
  ['of another origin', { ...FRESH, 'Content-Location': 'http://other.example/items' }, 200, {}],
  ['without a freshness', { 'Content-Location': '/items' }, 200, {}],
  ['that is stale at once', { ...FRESH, 'Cache-Control': 'max-age=0' }, 200, {}],
  ['that must be validated', { ...FRESH, 'Cache-Control': 'no-cache, max-age=60', ETag: '"a"' }, 200, {}],
  ['with another status', FRESH, 201, {}],
  ['that sets a cookie', { ...FRESH, 'Set-Cookie': 'a=b' }, 200, {}],
  ['of one user', FRESH, 200, { Cookie: 'sid=ada' }],
])('%s it is not stored', async (_name, headers, status, sent) => {
  const { ask } = await given(headers, status);
  await post('/items', sent);
  expect((await ask('/items')).body).toBe('got 1');
});

test('it varies on the fields of the POST', async () => {
  const { ask } = await given({ ...FRESH, Vary: 'Accept-Language' });
  await post('/items', { 'Accept-Language': 'de' });
  expect((await ask('/items', { headers: { 'Accept-Language': 'de' } })).body).toBe('posted 1');
  expect((await ask('/items', { headers: { 'Accept-Language': 'fr' } })).body).toBe('got 1');
});

test('a change in the meantime keeps it from being stored', async () => {
  const held: ServerResponse[] = [];
  const origin: Origin = (req, res) => {
    if (req.headers['x-held'] !== undefined) held.push(res);
    else res.writeHead(req.method === 'POST' ? 204 : 200, { 'Cache-Control': 'max-age=60' }).end();
  };
  rig = await cacheRig(origin);
  const early = post('/items', { 'X-Held': '1' });
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await post();
  held[0]!.writeHead(200, FRESH).end('older than the other POST');
  await early;
  expect((await rig.ask('/items')).body).toBe('');
});

test('after responses that do not name their target, the first one that does is sent, and the next one is stored', async () => {
  const headers: Record<string, string> = { 'Cache-Control': 'max-age=60' };
  const { ask } = await given(headers);
  await post();
  await post();
  expect((await ask('/items')).body).toBe('got 2');
  headers['Content-Location'] = '/items';
  expect((await post()).cache).toBe('');
  expect((await ask('/items')).body).toBe('got 3'); // it was invalidated
  expect((await post()).cache).toBe('fwd=method; stored');
  expect((await ask('/items')).body).toBe('posted 4');
});

test('an error does not show that later responses name no target', async () => {
  let status = 500;
  rig = await cacheRig((req, res) => {
    res.writeHead(req.method === 'POST' ? status : 200, req.method === 'POST' && status === 200 ? FRESH : {});
    res.end(req.method);
  });
  await post();
  status = 200;
  expect((await post()).cache).toBe('fwd=method; stored');
  expect((await rig.ask('/items')).body).toBe('POST');
});
