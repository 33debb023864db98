import { formatHttpDate } from '../../src/caching/http/http-date.js';
import { MemoryCacheLayer } from '../../src/caching/memory-cache-layer.js';
import { cacheResponse, type CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { installInstrumentation } from '../../src/shared/instrumentation.js';
import { cacheRig, counting, type CacheRig, type Origin } from '../support/cache-rig.js';

let rig: CacheRig;
afterEach(() => rig?.close());

async function given(origin: Origin, options?: CacheResponseOptions): Promise<CacheRig> {
  rig = await cacheRig(origin, options);
  return rig;
}

const MINUTE = { 'Cache-Control': 'max-age=60' };

describe('what is reused', () => {
  test('a fresh response, with Age, its own Date and Cache-Status', async () => {
    const { ask, clock } = await given(counting({ ...MINUTE, 'X-Own': 'a', 'Content-Type': 'text/plain' }));
    const first = await ask('/');
    clock.tick(30_000);
    const second = await ask('/');
    expect([first.body, first.cache, first.headers.age]).toEqual(['answer 1', 'fwd=uri-miss; stored', undefined]);
    expect([second.body, second.cache, second.headers.age]).toEqual(['answer 1', 'hit; ttl=30', '30']);
    expect(second.headers).toMatchObject({ 'x-own': 'a', 'content-length': '8', 'content-type': 'text/plain' });
    expect(second.headers.date).toBe('Thu, 01 Jan 2026 00:00:00 GMT');
  });

  test('until its lifetime ends', async () => {
    const { ask, clock } = await given(counting(MINUTE));
    await ask('/');
    clock.tick(59_999);
    expect((await ask('/')).body).toBe('answer 1');
    clock.tick(1);
    expect((await ask('/')).body).toBe('answer 2');
  });

  test.each([
    ['max-age="60"', true],
    ['MAX-AGE=60', true],
    ['s-maxage=60, max-age=0', true],
    ['no-store, max-age=60', false],
    ['private, max-age=60', false],
    ['no-cache, max-age=60', false],
    ['max-age=0', false],
    ["max-age='60'", false],
    ['extension="max-age=60"', false],
    ['public', false],
  ])('Cache-Control: %s → %s', async (value, isReused) => {
    const { ask } = await given(counting({ 'Cache-Control': value }));
    await ask('/');
    expect((await ask('/')).body).toBe(isReused ? 'answer 1' : 'answer 2');
  });

  test('Expires, and an invalid one not', async () => {
    const date = Date.parse('2026-01-01T00:00:00Z');
    const { ask } = await given(counting({ Date: formatHttpDate(date), Expires: formatHttpDate(date + 60_000) }));
    await ask('/');
    expect((await ask('/')).body).toBe('answer 1');
    rig.origin = counting({ Expires: '0' });
    await ask('/invalid');
    expect((await ask('/invalid')).body).toBe('answer 2');
  });

  test('a response without stated freshness only with `ttl`, or by a tenth of its time unchanged', async () => {
    const { ask, clock } = await given(counting({}));
    await ask('/');
    expect((await ask('/')).body).toBe('answer 2');
    rig.origin = counting({ 'Last-Modified': formatHttpDate(clock.now() - 100_000) });
    await ask('/heuristic');
    expect((await ask('/heuristic')).cache).toBe('fwd=uri-miss; detail=no-freshness');
    await rig.close();
    await given(counting({ 'Last-Modified': formatHttpDate(clock.now() - 100_000) }), { heuristicFreshness: true });
    await rig.ask('/heuristic');
    rig.clock.tick(9_000);
    expect((await rig.ask('/heuristic')).cache).toBe('hit; ttl=1');
    await rig.close();
    await given(counting({}), { ttl: 5_000 });
    await rig.ask('/');
    expect((await rig.ask('/')).cache).toBe('hit; ttl=5');
  });

  test('the lifetime in the response takes precedence over `ttl`, which may depend on the request', async () => {
    const { ask } = await given(counting({ 'Cache-Control': 'max-age=10' }), { ttl: 5_000 });
    await ask('/');
    expect((await ask('/')).cache).toBe('hit; ttl=10');
    await rig.close();
    await given(counting({}), { ttl: (req) => (req.url === '/a' ? 7_000 : undefined) });
    await rig.ask('/a');
    await rig.ask('/b');
    expect((await rig.ask('/a')).cache).toBe('hit; ttl=7');
    expect((await rig.ask('/b')).body).toBe('answer 3');
  });

  test.each([201, 302, 404, 410, 500, 503, 599])(
    '%i with stated freshness, its reason phrase included',
    async (status) => {
      const { ask } = await given((_req, res) => {
        res.writeHead(status, 'My Reason', MINUTE);
        res.end('x');
      });
      await ask('/');
      expect(await ask('/')).toMatchObject({ status, reason: 'My Reason', cache: 'hit; ttl=60', body: 'x' });
    },
  );

  test('HEAD from what GET stored, without a body', async () => {
    const { ask, seen } = await given(counting(MINUTE));
    await ask('/');
    const head = await ask('/', { method: 'HEAD' });
    expect([head.body, head.headers['content-length'], seen.length]).toEqual(['', '8', 1]);
  });

  test('204 stays without a length, trailers stay trailers', async () => {
    const { ask } = await given((_req, res) => {
      res.writeHead(204, MINUTE);
      res.end();
    });
    await ask('/');
    const empty = await ask('/');
    expect([empty.status, empty.headers['content-length'], empty.cache]).toEqual([204, undefined, 'hit; ttl=60']);
    rig.origin = (_req, res) => {
      res.writeHead(200, { ...MINUTE, Trailer: 'X-Sum' });
      res.write('a');
      res.addTrailers({ 'X-Sum': '1' });
      res.end('b');
    };
    for (const cache of ['fwd=uri-miss; stored', 'hit; ttl=60']) {
      expect(await ask('/trailers')).toMatchObject({ body: 'ab', trailers: { 'x-sum': '1' }, cache });
    }
    expect((await ask('/trailers', { method: 'HEAD' })).status).toBe(200);
  });

  test('each scheme, host and target on its own', async () => {
    const { ask } = await given(counting(MINUTE));
    await ask('/a');
    expect((await ask('/a?x')).body).toBe('answer 2');
    expect((await ask('/a', { headers: { host: 'other' } })).body).toBe('answer 3');
    expect((await ask('/a')).body).toBe('answer 1');
  });
});

describe('targeted fields, Cache-Status and groups', () => {
  test('CDN-Cache-Control wins over no-store (RFC 9213)', async () => {
    const { ask } = await given(counting({ 'Cache-Control': 'no-store', 'CDN-Cache-Control': 'max-age=60' }));
    await ask('/');
    expect((await ask('/')).headers).toMatchObject({ 'cache-control': 'no-store', 'cdn-cache-control': 'max-age=60' });
  });

  test.each<[string, Record<string, string>, number?, Record<string, string>?]>([
    ['status', MINUTE, 429],
    ['status', { 'Cache-Control': 'max-age=60, must-understand' }, 299],
    ['no-store', { 'Cache-Control': 'no-store, max-age=60' }],
    ['private', { 'Cache-Control': 'private, max-age=60' }],
    ['set-cookie', { ...MINUTE, 'Set-Cookie': 'a=b' }],
    ['vary', { ...MINUTE, Vary: 'Accept, *' }],
    ['no-freshness', {}],
    ['no-freshness', { 'Cache-Control': 'max-age=0' }],
    ['request-authorization', MINUTE, 200, { Authorization: 'Basic YTpi' }],
  ])('detail=%s of what is not stored: %j, %s', async (detail, headers, status = 200, asked = {}) => {
    const { ask, cache } = await given(counting(headers, status));
    for (let i = 1; i <= 2; i++) {
      const answer = await ask('/', { headers: asked });
      expect(answer).toMatchObject({ body: `answer ${i}`, cache: `fwd=uri-miss; detail=${detail}` });
    }
    expect(cache.stats()).toMatchObject({ uncacheable: 2, stored: 0 });
  });

  test('detail=too-large of what declares more than is kept', async () => {
    const { ask } = await given(
      (_req, res) => void res.writeHead(200, { ...MINUTE, 'Content-Length': 9 }).end('123456789'),
      {
        maxBodySize: 8,
      },
    );
    for (let i = 0; i < 2; i++)
      expect(await ask('/')).toMatchObject({ body: '123456789', cache: 'fwd=uri-miss; detail=too-large' });
  });

  test('members of caches nearer to the origin come first (RFC 9211)', async () => {
    const { ask } = await given(counting({ ...MINUTE, 'Cache-Status': 'origin; hit' }), {
      name: 'edge',
      exposeKey: true,
    });
    expect((await ask('/a')).headers['cache-status']).toMatch(
      /^origin; hit, edge; fwd=uri-miss; stored; key="http:GET \/a /,
    );
    expect((await ask('/a')).headers['cache-status']).toMatch(/^origin; hit, edge; hit; ttl=60; key="http:GET \/a /);
  });
});

describe('options', () => {
  test.each<[CacheResponseOptions, RegExp]>([
    [{ tll: 5 } as never, /did you mean 'ttl'/],
    [{ ttl: -1 }, /option 'ttl'/],
    [{ cache: {} as never }, /option 'cache'/],
    [{ methods: ['QUERY'] }, /QUERY needs the option 'key'/],
    [{ lockTimeout: 'x' as never }, /option 'lockTimeout'/],
    [{ trustProxy: 'nonsense' }, /trustProxy/],
  ])('%j', (options, message) => {
    expect(() => cacheResponse(options)).toThrow(message);
  });

  test('a MemoryCacheLayer alone is a cache, and stays its owner’s', async () => {
    const layer = new MemoryCacheLayer();
    const { ask, cache } = await given(counting(MINUTE), { cache: layer });
    await ask('/');
    expect((await ask('/')).cache).toBe('hit; ttl=60');
    expect(cache.cache).toBe(layer);
    cache.close();
    expect(layer.getStats().size).toBe(1);
  });

  test('`key` replaces the target, `bypass` leaves alone, other methods need a key', async () => {
    const { ask } = await given(counting(MINUTE), {
      key: (req) => `${req.url!.split('?')[0]!}#${String(req.headers['x-query'])}`,
      bypass: (req) => req.url === '/never',
      methods: ['GET', 'HEAD', 'QUERY'],
    });
    await ask('/a?utm=1');
    expect((await ask('/a?utm=2')).body).toBe('answer 1');
    await ask('/never');
    expect((await ask('/never')).cache).toBe('fwd=bypass');
    await ask('/q', { method: 'QUERY', headers: { 'x-query': '1' }, body: '1' });
    expect((await ask('/q', { method: 'QUERY', headers: { 'x-query': '1' }, body: '1' })).cache).toBe('hit; ttl=60');
    expect((await ask('/q', { method: 'QUERY', headers: { 'x-query': '2' }, body: '2' })).cache).toBe(
      'fwd=uri-miss; stored',
    );
  });

  test('lookups are spans of the request’s trace, and hits are counted under the route that made them', async () => {
    const spans: [string, unknown][] = [];
    const named: string[] = [];
    installInstrumentation({
      startSpan: (operation, attributes) => {
        const all: Record<string, unknown> = { ...attributes };
        return {
          setAttribute: (name, value) => void (all[name] = value),
          inject: () => undefined,
          end: () => void spans.push([operation, all]),
        };
      },
      inject: () => undefined,
      current: () => undefined,
      currentRoute: () => '/items/:id',
      nameRoute: (template) => void named.push(template),
      bind: (callback) => callback,
    });
    try {
      const { ask } = await given(counting(MINUTE));
      await ask('/');
      await ask('/');
    } finally {
      installInstrumentation(undefined);
    }
    expect(named).toEqual(['/items/:id']);
    expect(spans).toEqual([
      ['cache.lookup', { 'cache.hit': false }],
      ['cache.lookup', { 'cache.hit': true }],
    ]);
  });

  test('statistics', async () => {
    const { ask, cache } = await given(counting(MINUTE));
    for (let i = 0; i < 4; i++) await ask('/');
    expect(cache.stats()).toMatchObject({ hits: 3, misses: 1, stored: 1, hitRate: 0.75, waiting: 0, inFlight: 0 });
  });

  test('close is idempotent, and disposal is close', async () => {
    const cache = cacheResponse();
    cache.close();
    cache.close();
    await cache[Symbol.asyncDispose]();
  });
});
