import type { CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { cacheRig, counting, type CacheRig, type Origin } from '../support/cache-rig.js';

let rig: CacheRig;
afterEach(() => rig?.close());

async function given(origin: Origin, options?: CacheResponseOptions): Promise<CacheRig> {
  rig = await cacheRig(origin, options);
  return rig;
}

const MINUTE = { 'Cache-Control': 'max-age=60' };

/** GETs are counted and cacheable; anything else is answered with these. */
function changing(status: number, headers: Record<string, string> = {}): Origin {
  const get = counting(MINUTE);
  return (req, res) => {
    if (req.method === 'GET') return get(req, res);
    res.writeHead(status, headers).end();
  };
}

describe('unsafe requests (RFC 9111 §4.4)', () => {
  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH'])('%s invalidates its target', async (method) => {
    const { ask } = await given(changing(204));
    await ask('/a');
    await ask('/a', { method });
    expect((await ask('/a')).body).toBe('answer 2');
  });

  test.each([
    ['POST', 500],
    ['POST', 404],
    ['OPTIONS', 200],
    ['PROPFIND', 200],
  ])('%s answered %i does not', async (method, status) => {
    const { ask } = await given(changing(status));
    await ask('/a');
    await ask('/a', { method });
    expect((await ask('/a')).body).toBe('answer 1');
  });

  test('what Location and Content-Location name, of this origin only', async () => {
    const { ask, port } = await given(changing(201, { Location: '/b?x', 'Content-Location': 'c' }));
    for (const path of ['/b?x', '/b', '/dir/c']) await ask(path);
    await ask('/dir/new', { method: 'POST' });
    expect((await ask('/b?x')).body).toBe('answer 4');
    expect((await ask('/dir/c')).body).toBe('answer 5');
    expect((await ask('/b')).body).toBe('answer 2');
    rig.origin = changing(201, { Location: `http://evil.example:${port}/b` });
    await ask('/dir/new', { method: 'POST' });
    expect((await ask('/b')).body).toBe('answer 2');
  });

  test('all variants, and before the answer arrives', async () => {
    const { ask } = await given((req, res) => {
      if (req.method === 'POST') return void res.writeHead(200).end();
      res.writeHead(200, { ...MINUTE, Vary: 'Foo' }).end(String(Math.random()));
    });
    const before = await Promise.all(['1', '2'].map((foo) => ask('/', { headers: { foo } })));
    await ask('/', { method: 'POST' });
    const after = await Promise.all(['1', '2'].map((foo) => ask('/', { headers: { foo } })));
    expect(after[0]!.body).not.toBe(before[0]!.body);
    expect(after[1]!.body).not.toBe(before[1]!.body);
  });
});

describe('cache groups (RFC 9875)', () => {
  test('an unsafe request invalidates the groups its answer names', async () => {
    const get = counting({ ...MINUTE, 'Cache-Groups': '"scores", "home"' });
    const { ask } = await given((req, res) => {
      if (req.method === 'GET') return get(req, res);
      res.writeHead(200, { 'Cache-Group-Invalidation': '"scores"' }).end();
    });
    await ask('/a');
    await ask('/a', { headers: { host: 'other.example' } });
    await ask('/other', { method: 'POST' });
    expect((await ask('/a')).body).toBe('answer 3');
    expect((await ask('/a', { headers: { host: 'other.example' } })).body).toBe('answer 2');
  });

  test('a safe request invalidates nothing', async () => {
    const { ask } = await given(counting({ ...MINUTE, 'Cache-Groups': '"g"', 'Cache-Group-Invalidation': '"g"' }));
    await ask('/a');
    await ask('/b');
    expect((await ask('/a')).body).toBe('answer 1');
  });
});

describe('the purge calls', () => {
  test('by address', async () => {
    const { ask, cache, port } = await given(counting(MINUTE));
    for (const path of ['/a', '/a?x', '/b']) await ask(path);
    expect(await cache.purge('/a')).toBe(1);
    expect((await ask('/a')).body).toBe('answer 4');
    expect((await ask('/a?x')).body).toBe('answer 2');
    expect(await cache.purge(`http://127.0.0.1:${port}/b`)).toBe(1);
    expect((await ask('/b')).body).toBe('answer 5');
    expect(await cache.purge('http://elsewhere/b')).toBe(0);
    await expect(cache.purge('')).rejects.toThrow(RangeError);
  });

  test('by tag, hard and soft', async () => {
    const { ask, cache } = await given(counting({ ...MINUTE, ETag: '"1"' }), {
      tags: (req) => [`path:${req.url}`, 'all'],
    });
    await ask('/a');
    await ask('/b');
    await cache.purgeTag('path:/a');
    expect((await ask('/a')).body).toBe('answer 3');
    expect((await ask('/b')).body).toBe('answer 2');
    await cache.purgeTag('all', { soft: true });
    rig.origin = (req, res) =>
      void res.writeHead(req.headers['if-none-match'] === '"1"' ? 304 : 200, { ...MINUTE, ETag: '"1"' }).end();
    expect(await ask('/b')).toMatchObject({ body: 'answer 2', cache: 'fwd=stale; fwd-status=304' });
    expect((await ask('/b')).cache).toBe('hit; ttl=60');
  });

  test('by pattern', async () => {
    const { ask, cache, port } = await given(counting(MINUTE));
    for (const path of ['/api/1', '/api/2', '/other']) await ask(path);
    expect(await cache.invalidatePattern('/api/*')).toBe(2);
    expect((await ask('/api/1')).body).toBe('answer 4');
    expect((await ask('/other')).body).toBe('answer 3');
    expect(await cache.invalidatePattern(`http://127.0.0.1:${port}/*`)).toBe(2);
    expect((await ask('/other')).body).toBe('answer 5');
  });

  test('statistics count them', async () => {
    const { cache } = await given(counting(MINUTE));
    await cache.purge('/a');
    await cache.purgeTag('t');
    await cache.invalidatePattern('/x*');
    expect(cache.stats().invalidations).toBe(3);
  });
});

describe('PURGE', () => {
  test("is the application's own method until it is asked for", async () => {
    const { ask } = await given(counting(MINUTE));
    await ask('/a');
    expect((await ask('/a', { method: 'PURGE' })).body).toBe('answer 2');
  });

  test('without a token configured: refused, from this machine too', async () => {
    const { ask } = await given(counting(MINUTE), { purge: true });
    await ask('/a');
    expect((await ask('/a', { method: 'PURGE' })).status).toBe(403);
    expect((await ask('/a')).body).toBe('answer 1');
  });

  test('with a token configured: refused without it, from this machine too', async () => {
    const { ask } = await given(counting(MINUTE), { controlToken: 'secret' });
    expect((await ask('/a', { method: 'PURGE' })).status).toBe(401);
  });

  test('opened to loopback: from this machine directly, without a token', async () => {
    const { ask } = await given(counting(MINUTE), { control: 'loopback' });
    await ask('/a');
    const purged = await ask('/a', { method: 'PURGE' });
    expect([purged.status, JSON.parse(purged.body)]).toEqual([200, { ok: true, purged: 1 }]);
    expect((await ask('/a')).body).toBe('answer 2');
  });

  test('from elsewhere only with the token', async () => {
    const { ask } = await given(counting(MINUTE), { controlToken: 'secret' });
    await ask('/a');
    const proxied = { 'X-Forwarded-For': '1.2.3.4' };
    expect((await ask('/a', { method: 'PURGE', headers: proxied })).status).toBe(401);
    expect((await ask('/a', { method: 'PURGE', headers: { ...proxied, Authorization: 'Bearer wrong' } })).status).toBe(
      403,
    );
    expect((await ask('/a')).body).toBe('answer 1');
    expect((await ask('/a', { method: 'PURGE', headers: { ...proxied, Authorization: 'Bearer secret' } })).status).toBe(
      200,
    );
    expect((await ask('/a')).body).toBe('answer 2');
  });
});
