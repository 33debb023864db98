import type { CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { cacheRig, counting, settled, type CacheRig, type Origin } from '../support/cache-rig.js';

let rig: CacheRig;
afterEach(() => rig?.close());

async function given(origin: Origin, options?: CacheResponseOptions): Promise<CacheRig> {
  rig = await cacheRig(origin, options);
  return rig;
}

const MINUTE = { 'Cache-Control': 'max-age=60' };

describe('conditions of the client (RFC 9111 §4.3.2)', () => {
  const tagged =
    (etag = '"1"'): Origin =>
    (req, res) => {
      if (req.headers['if-none-match'] === etag) {
        res.writeHead(304, { ETag: etag });
        return void res.end();
      }
      res.writeHead(200, { ...MINUTE, ETag: etag, 'Content-Type': 'text/plain' });
      res.end('body');
    };

  test('go to the handler unchanged where nothing is stored, and a 304 stores nothing', async () => {
    const { ask, seen } = await given(tagged());
    await ask('/', { headers: { 'If-None-Match': '"1"', 'If-Modified-Since': 'x' } });
    expect(seen[0]!.headers).toMatchObject({ 'if-none-match': '"1"', 'if-modified-since': 'x' });
    await rig.cache.invalidatePattern('/*');
    rig.origin = (_req, res) => void res.writeHead(304, { ETag: '"1"', 'Cache-Control': 'max-age=60' }).end();
    const first = await ask('/', { headers: { 'If-None-Match': '"1"' } });
    expect([first.status, first.body, first.headers.etag, first.cache]).toEqual([
      304,
      '',
      '"1"',
      'fwd=uri-miss; detail=status',
    ]);
    rig.origin = tagged();
    expect(await ask('/')).toMatchObject({ status: 200, body: 'body', cache: 'fwd=uri-miss; stored' });
  });

  test('are answered from what is stored', async () => {
    const { ask } = await given(tagged());
    await ask('/');
    const same = await ask('/', { headers: { 'If-None-Match': 'W/"1", "2"', 'If-Modified-Since': 'x' } });
    expect([same.status, same.headers.etag, same.headers.age, same.cache]).toEqual([304, '"1"', '0', 'hit; ttl=60']);
    expect((await ask('/', { headers: { 'If-None-Match': '"2"' } })).status).toBe(200);
    expect((await ask('/', { headers: { 'If-Match': '"2"' } })).status).toBe(200);
  });

  test('are the handler’s where nothing is going to be stored', async () => {
    const { ask, seen } = await given((_req, res) => res.end('x'));
    await ask('/');
    await ask('/', { headers: { 'If-None-Match': '"1"' } });
    expect(seen.map((req) => req.headers['if-none-match'])).toEqual([undefined, '"1"']);
  });

  test('are put back on the request once it is answered', async () => {
    const { ask, seen } = await given(tagged());
    await ask('/', { headers: { 'If-None-Match': '"9"' } });
    expect(seen[0]!.headers['if-none-match']).toBe('"9"');
    expect(seen[0]!.rawHeaders).toContain('If-None-Match');
  });
});

describe('validation (RFC 9111 §4.3)', () => {
  /** Answers 304 to its current tag. */
  function validated(state: { etag: string; extra?: Record<string, string> }): Origin {
    return (req, res) => {
      const headers = { 'Cache-Control': 'max-age=10', ETag: state.etag, ...state.extra };
      const isSame = req.headers['if-none-match'] === state.etag;
      res.writeHead(isSame ? 304 : 200, headers);
      res.end(isSame ? undefined : `body of ${state.etag}`);
    };
  }

  test('a 304 becomes the full 200 for a client that sent no such tag, and a new lease of life', async () => {
    const state = { etag: '"1"', extra: { 'X-Version': 'a' } };
    const { ask, clock, seen } = await given(validated(state));
    await ask('/');
    clock.tick(11_000);
    state.extra = { 'X-Version': 'b' };
    const validating = await ask('/', { headers: { 'If-None-Match': '"other"' } });
    expect(validating).toMatchObject({ status: 200, body: 'body of "1"', cache: 'fwd=stale; fwd-status=304' });
    expect(validating.headers).toMatchObject({ 'x-version': 'b', age: '0', 'content-length': '11' });
    expect(seen[1]!.method).toBe('GET');
    clock.tick(9_000);
    expect(await ask('/')).toMatchObject({ cache: 'hit; ttl=1', headers: { 'x-version': 'b' } });
    expect(seen).toHaveLength(2);
  });

  test('a client that has it gets its 304 after validation', async () => {
    const { ask, clock } = await given(validated({ etag: '"1"' }));
    await ask('/');
    clock.tick(11_000);
    expect((await ask('/', { headers: { 'If-None-Match': '"1"' } })).status).toBe(304);
  });

  test('a changed representation replaces the stored one', async () => {
    const state = { etag: '"1"' };
    const { ask, clock } = await given(validated(state));
    await ask('/');
    clock.tick(11_000);
    state.etag = '"2"';
    expect(await ask('/')).toMatchObject({ body: 'body of "2"', cache: 'fwd=stale; stored' });
    expect((await ask('/')).body).toBe('body of "2"');
  });

  test('no-cache is stored and validated every time', async () => {
    const { ask } = await given(validated({ etag: '"1"', extra: { 'Cache-Control': 'no-cache' } }));
    await ask('/');
    expect(await ask('/')).toMatchObject({ body: 'body of "1"', cache: 'fwd=stale; fwd-status=304' });
  });

  test('a 304 that confirms something else is not believed: the whole is fetched, once', async () => {
    const { ask, clock, seen } = await given(validated({ etag: '"1"' }));
    await ask('/');
    clock.tick(11_000);
    rig.origin = (req, res) => {
      const isConditional = req.headers['if-none-match'] !== undefined;
      res.writeHead(isConditional ? 304 : 200, { ETag: '"2"', 'Cache-Control': 'max-age=10' });
      res.end(isConditional ? undefined : 'second');
    };
    expect(await ask('/')).toMatchObject({ status: 200, body: 'second', cache: 'fwd=uri-miss; stored' });
    expect(await ask('/')).toMatchObject({ body: 'second', cache: 'hit; ttl=10' });
    expect(seen).toHaveLength(3);
  });

  test.each([
    ['no-cache', 'fwd=request; fwd-status=304'],
    ['max-age=0', 'fwd=request; fwd-status=304'],
    ['min-fresh=11', 'fwd=request; fwd-status=304'],
    ['max-age=5', 'hit; ttl=10'],
  ])('a request with Cache-Control: %s → %s', async (value, cache) => {
    const { ask } = await given(validated({ etag: '"1"' }));
    await ask('/');
    expect((await ask('/', { headers: { 'Cache-Control': value } })).cache).toBe(cache);
  });

  test('no-store is neither answered from the cache nor stored; Pragma asks for validation', async () => {
    const { ask } = await given(counting(MINUTE));
    await ask('/', { headers: { 'Cache-Control': 'no-store' } });
    expect((await ask('/')).body).toBe('answer 2');
    expect(await ask('/', { headers: { 'Cache-Control': 'no-store' } })).toMatchObject({
      body: 'answer 3',
      cache: 'fwd=request',
    });
    expect((await ask('/', { headers: { Pragma: 'no-cache' } })).body).toBe('answer 4');
  });

  test('max-stale accepts what is stale', async () => {
    const { ask, clock } = await given(counting({ 'Cache-Control': 'max-age=10' }));
    await ask('/');
    clock.tick(15_000);
    const stale = await ask('/', { headers: { 'Cache-Control': 'max-stale=5' } });
    expect([stale.body, stale.cache]).toEqual(['answer 1', 'hit; ttl=-5']);
  });

  test('only-if-cached never reaches the origin', async () => {
    const { ask, seen } = await given(counting(MINUTE));
    const miss = await ask('/', { headers: { 'Cache-Control': 'only-if-cached' } });
    expect([miss.status, JSON.parse(miss.body).code, seen.length]).toEqual([504, 'CACHE_ONLY_MISS', 0]);
    await ask('/');
    expect((await ask('/', { headers: { 'Cache-Control': 'only-if-cached' } })).status).toBe(200);
  });

  test('HEAD updates or refutes what GET stored (§4.3.5)', async () => {
    const { ask, clock } = await given(counting({ 'Cache-Control': 'max-age=10', 'X-Version': 'a' }));
    await ask('/');
    clock.tick(11_000);
    rig.origin = counting({ 'Cache-Control': 'max-age=100', 'X-Version': 'b' });
    expect((await ask('/', { method: 'HEAD' })).cache).toBe('fwd=stale');
    await settled();
    expect(await ask('/')).toMatchObject({ body: 'answer 1', cache: 'hit; ttl=100', headers: { 'x-version': 'b' } });
    clock.tick(101_000);
    rig.origin = counting({ 'Cache-Control': 'max-age=100', 'Content-Length': '99' });
    await ask('/', { method: 'HEAD' });
    rig.origin = counting(MINUTE);
    expect((await ask('/', { headers: { 'Cache-Control': 'max-stale' } })).cache).toBe('fwd=uri-miss; stored');
  });
});
