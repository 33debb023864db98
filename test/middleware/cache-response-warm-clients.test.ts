/** An empty cache in front of clients that all have the response: it must fill, or each of them costs the handler an answer. */
import express from 'express';
import express4 from 'express4';
import { cacheRig, until, type CacheRig, type Origin } from '../support/cache-rig.js';

let rig: CacheRig;
afterEach(() => rig?.close());

const MINUTE = { 'Cache-Control': 'max-age=60' };
const WARM = { headers: { 'If-None-Match': '"1"' } };

type Fields = Readonly<Record<string, string>>;

/** As applications answer: a 304 has the caching fields of the 200. */
const page =
  (fields: Fields): Origin =>
  (req, res) => {
    const isSame = req.headers['if-none-match'] === '"1"';
    res.writeHead(isSame ? 304 : 200, { ETag: '"1"', 'X-Own': 'yes', ...fields });
    res.end(isSame ? undefined : 'body');
  };

/** The server and the conditions that the handler received, request by request. */
async function given(origin: Origin): Promise<{ ask: CacheRig['ask']; received: unknown[] }> {
  const received: unknown[] = [];
  rig = await cacheRig((req, res) => {
    received.push(req.headers['if-none-match']);
    origin(req, res);
  });
  return { ask: rig.ask, received };
}

test('after the first 304, the whole response is asked for and stored, and each client gets a 304', async () => {
  const { ask, received } = await given(page(MINUTE));
  const answers = [];
  for (let i = 0; i < 4; i++) answers.push(await ask('/', WARM));
  expect(answers.map(({ status, body }) => `${status}${body}`)).toEqual(['304', '304', '304', '304']);
  expect(answers.map(({ cache }) => cache)).toEqual([
    'fwd=uri-miss; detail=status',
    'fwd=uri-miss; stored',
    'hit; ttl=60',
    'hit; ttl=60',
  ]);
  expect(answers[1]!.headers).toMatchObject({ etag: '"1"', 'x-own': 'yes' });
  expect(answers[1]!.headers['content-length']).toBeUndefined();
  expect(await ask('/')).toMatchObject({ status: 200, body: 'body', cache: 'hit; ttl=60' });
  expect(received).toEqual(['"1"', undefined]);
  // Middleware that reads the request afterwards, such as a logger, sees it as the client sent it.
  expect(rig.seen[1]!.headers['if-none-match']).toBe('"1"');
});

test('a client that has another response gets the whole one', async () => {
  const { ask } = await given(page(MINUTE));
  await ask('/', WARM);
  const other = await ask('/', { headers: { 'If-None-Match': '"0"' } });
  expect(other).toMatchObject({ status: 200, body: 'body', cache: 'fwd=uri-miss; stored' });
});

test('a date fills it as well as a tag', async () => {
  const at = 'Tue, 01 Dec 2026 00:00:00 GMT';
  const { ask } = await given((req, res) => {
    const isSame = req.headers['if-modified-since'] === at;
    res.writeHead(isSame ? 304 : 200, { ...MINUTE, 'Last-Modified': at }).end(isSame ? undefined : 'body');
  });
  const warm = { headers: { 'If-Modified-Since': at } };
  await ask('/', warm);
  expect(await ask('/', warm)).toMatchObject({ status: 304, body: '', cache: 'fwd=uri-miss; stored' });
  expect(await ask('/', warm)).toMatchObject({ status: 304, cache: 'hit; ttl=60' });
});

test('simultaneous requests share one request to the handler', async () => {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const { ask, received } = await given((req, res) => {
    if (received.length === 1) return page(MINUTE)(req, res);
    void released.then(() => page(MINUTE)(req, res));
  });
  await ask('/', WARM);
  const answers = Array.from({ length: 5 }, () => ask('/', WARM));
  await until(() => received.length === 2);
  release();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([304, 304, 304, 304, 304]);
  expect(received).toEqual(['"1"', undefined]);
});

test.each<[reason: string, fields: Fields, own: Fields]>([
  ['is private', { 'Cache-Control': 'private, max-age=60' }, {}],
  ['has no lifetime', {}, {}],
  ['sets a cookie', { ...MINUTE, 'Set-Cookie': 'a=1' }, {}],
  ['varies on everything', { ...MINUTE, Vary: '*' }, {}],
  ['is too large', { ...MINUTE, 'Content-Length': String(2 ** 40) }, {}],
  ['answers a cookie', MINUTE, { Cookie: 'a=1' }],
  ['answers credentials', MINUTE, { Authorization: 'Bearer x' }],
])('a response that %s cannot fill it, so that the conditions go on', async (_reason, fields, own) => {
  const { ask, received } = await given(page(fields));
  const warm = { headers: { ...WARM.headers, ...own } };
  for (let i = 0; i < 3; i++) expect(await ask('/', warm)).toMatchObject({ status: 304, body: '' });
  expect(received).toEqual(['"1"', '"1"', '"1"']);
});

test('a response that cannot be stored after all is asked for once', async () => {
  const { ask, received } = await given((req, res) => {
    page(req.headers['if-none-match'] === undefined ? { 'Cache-Control': 'no-store' } : MINUTE)(req, res);
  });
  for (let i = 0; i < 4; i++) await ask('/', WARM);
  expect(received).toEqual(['"1"', undefined, '"1"', '"1"']);
});

test.each([
  ['Express 5', express],
  ['Express 4', express4],
])('%s: the tag that it makes by itself', async (_name, framework) => {
  let renderings = 0;
  const app = framework().get('/', (_req, res) => {
    renderings++;
    res.set('Cache-Control', 'public, max-age=60').send('<p>page</p>');
  });
  rig = await cacheRig((req, res) => app(req, res));
  const { etag } = (await rig.ask('/')).headers;
  await rig.cache.invalidatePattern('/*');
  const warm = { headers: { 'If-None-Match': etag! } };
  const answers = [];
  for (let i = 0; i < 5; i++) answers.push(await rig.ask('/', warm));
  expect(answers.map(({ status }) => status)).toEqual([304, 304, 304, 304, 304]);
  expect(renderings).toBe(3);
});
