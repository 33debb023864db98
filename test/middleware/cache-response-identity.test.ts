/** Identities: a response is shared between them only if the response itself or an option allows it. */
import type { CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { cacheRig, counting, until, type CacheRig, type Origin } from '../support/cache-rig.js';

let rig: CacheRig;
afterEach(() => rig?.close());

async function given(origin: Origin, options?: CacheResponseOptions): Promise<CacheRig> {
  rig = await cacheRig(origin, options);
  return rig;
}

const as = (cookie: string) => ({ headers: { Cookie: cookie } });

/** A page that shows who asked. */
function page(fields: Readonly<Record<string, string>>): Origin {
  return (req, res) => {
    res.writeHead(200, fields);
    res.end(`page of ${req.headers.cookie ?? 'anonymous'}, ${req.headers.authorization ?? 'anonymous'}`);
  };
}

describe('by default', () => {
  test.each<[string, Record<string, string>, CacheResponseOptions]>([
    ['max-age', { 'Cache-Control': 'max-age=60' }, {}],
    ['must-revalidate', { 'Cache-Control': 'max-age=60, must-revalidate' }, {}],
    ['Vary: Authorization', { 'Cache-Control': 'max-age=60', Vary: 'Authorization, Cookie' }, {}],
    ['ttl', {}, { ttl: 60_000 }],
    ['heuristic', { 'Last-Modified': 'Thu, 01 Jan 2015 00:00:00 GMT' }, { heuristicFreshness: true }],
    ['public, max-age=0', { 'Cache-Control': 'public, max-age=0', ETag: 'W/"32-1"' }, { staleWhileRevalidate: 60_000 }],
    ['no-cache', { 'Cache-Control': 'no-cache', ETag: '"same"' }, {}],
  ])('no client gets the page of another: %s', async (_name, fields, options) => {
    const { ask } = await given(page(fields), options);
    for (let round = 0; round < 2; round++) {
      expect((await ask('/')).body).toBe('page of anonymous, anonymous');
      expect((await ask('/', as('sid=ada'))).body).toBe('page of sid=ada, anonymous');
      expect((await ask('/', as('sid=bob'))).body).toBe('page of sid=bob, anonymous');
      expect((await ask('/', { headers: { Authorization: 'Bearer x' } })).body).toBe('page of anonymous, Bearer x');
    }
  });

  test.each(['public, max-age=60', 's-maxage=60'])('a response that says it is for everyone is: %s', async (value) => {
    const { ask } = await given(counting({ 'Cache-Control': value }));
    await ask('/', as('sid=ada'));
    expect((await ask('/', as('sid=bob'))).cache).toBe('hit; ttl=60');
    expect((await ask('/')).cache).toBe('hit; ttl=60');
  });

  test('Vary: Cookie gives each cookie a copy of its own', async () => {
    const { ask } = await given(counting({ 'Cache-Control': 'max-age=60', Vary: 'Cookie' }));
    await ask('/', as('sid=ada'));
    expect((await ask('/', as('sid=bob'))).body).toBe('answer 2');
    expect((await ask('/', as('sid=ada'))).body).toBe('answer 1');
  });

  test('requests with credentials do not wait for one another', async () => {
    const waiting: (() => void)[] = [];
    const { ask } = await given((req, res) => {
      waiting.push(() => res.writeHead(200, { 'Cache-Control': 'private' }).end(req.headers.cookie));
    });
    const answers = ['sid=ada', 'sid=bob'].map((cookie) => ask('/', as(cookie)));
    await until(() => waiting.length === 2);
    for (const answer of waiting) answer();
    expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(['sid=ada', 'sid=bob']);
  });

  test('a lifetime of 0 is never made longer by a default', async () => {
    const { ask } = await given(counting({ 'Cache-Control': 'max-age=0', ETag: '"1"' }), {
      ttl: 60_000,
      staleWhileRevalidate: 60_000,
      staleIfError: 60_000,
    });
    await ask('/');
    expect((await ask('/')).body).toBe('answer 2');
    rig.origin = counting({}, 503);
    expect((await ask('/')).status).toBe(503);
  });
});

describe('cookies', () => {
  test('ignore: cookies do not separate clients, Authorization still does', async () => {
    const { ask } = await given(counting({ 'Cache-Control': 'max-age=60' }), { cookies: 'ignore' });
    await ask('/', as('_ga=1'));
    expect((await ask('/', as('_ga=2'))).cache).toBe('hit; ttl=60');
    expect((await ask('/', { headers: { Authorization: 'x' } })).body).toBe('answer 2');
  });

  test('names: each combination of their values has copies of its own', async () => {
    const { ask } = await given(page({ 'Cache-Control': 'max-age=60' }), { cookies: ['sid', 'lang'] });
    await ask('/', as('sid=ada; _ga=1'));
    expect((await ask('/', as('_ga=2; sid=ada'))).cache).toBe('hit; ttl=60');
    for (const cookie of ['sid=bob', 'sid=ada; lang=de', 'sid', 'sid=ada; sid=bob', 'xsid=ada']) {
      expect((await ask('/', as(cookie))).body).toBe(`page of ${cookie}, anonymous`);
    }
  });

  test('a function names the identity, for Authorization as well', async () => {
    const { ask } = await given(page({ 'Cache-Control': 'max-age=60' }), {
      cookies: (req) => req.headers.authorization ?? /sid=(\w+)/.exec(req.headers.cookie ?? '')?.[1],
    });
    await ask('/', as('sid=ada; _ga=1'));
    expect((await ask('/', as('sid=ada; _ga=2'))).cache).toBe('hit; ttl=60');
    expect((await ask('/', as('sid=bob'))).body).toBe('page of sid=bob, anonymous');
    expect((await ask('/', { headers: { Authorization: 'bob' } })).body).toContain('page of sid=bob');
    expect((await ask('/')).body).toBe('page of anonymous, anonymous');
  });

  test('one change is a change for every identity', async () => {
    const { ask } = await given(counting({ 'Cache-Control': 'max-age=60' }), { cookies: ['sid'] });
    for (const cookie of ['sid=a', 'sid=b', 'x=y']) await ask('/', as(cookie));
    rig.origin = (_req, res) => void res.writeHead(204).end();
    await ask('/', { method: 'POST', ...as('sid=a') });
    rig.origin = counting({ 'Cache-Control': 'max-age=60' });
    for (const cookie of ['sid=a', 'sid=b', 'x=y'])
      expect((await ask('/', as(cookie))).cache).toBe('fwd=uri-miss; stored');
  });

  test.each<[string, unknown]>([
    ['a promise', () => Promise.resolve('ada')],
    [
      'an error',
      () => {
        throw new Error('no session');
      },
    ],
  ])('a function that gives %s shares nothing', async (_name, cookies) => {
    const { ask, cache } = await given(page({ 'Cache-Control': 'max-age=60' }), { cookies: cookies as never });
    await ask('/', as('sid=ada'));
    expect((await ask('/', as('sid=bob'))).body).toBe('page of sid=bob, anonymous');
    expect(cache.stats().failures).toBe(2);
  });
});

describe('callbacks that fail make a request uncached, never an error', () => {
  const fail = (): never => {
    throw new Error('broken');
  };
  test.each<[string, CacheResponseOptions]>([
    ['key', { key: fail }],
    ['key with a promise', { key: (() => Promise.resolve('x')) as never }],
    ['bypass', { bypass: fail }],
  ])('%s', async (_name, options) => {
    const { ask, cache } = await given(counting({ 'Cache-Control': 'no-store' }), options);
    expect((await ask('/a')).body).toBe('answer 1');
    expect((await ask('/b')).body).toBe('answer 2');
    expect((await ask('/b', { method: 'POST' })).status).toBe(200);
    expect(cache.stats().failures).toBeGreaterThanOrEqual(2);
  });
});
