/** The values that callbacks return, the handler that answers, the address that counts, and the warnings. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express, { type Express, type Request } from 'express';
import { MemoryStore, headerKey, rateLimit, RateLimiter, type RateLimitOptions } from '../../src/index.js';

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

async function serve(app: Express): Promise<(headers?: Record<string, string>, path?: string) => Promise<Response>> {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.push(() => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  });
  const { port } = server.address() as AddressInfo;
  return (headers = {}, path = '/') => fetch(`http://127.0.0.1:${port}${path}`, { headers });
}

function limited(options: RateLimitOptions, prepare: (app: Express) => void = () => undefined) {
  const app = express();
  prepare(app);
  const limit = rateLimit({ refillRate: 0, warnings: false, ...options });
  app.use(limit);
  app.get('/', (_req, res) => void res.send('ok'));
  return { app, limit };
}

async function statuses(options: RateLimitOptions, count = 3): Promise<number[]> {
  const ask = await serve(limited(options).app);
  const seen: number[] = [];
  for (let i = 0; i < count; i++) seen.push((await ask()).status);
  return seen;
}

const policy = (key: () => Promise<string>) => [{ name: 'p', rateLimit: 1, refillRate: 0, key }];

test.each<[string, RateLimitOptions, number[]]>([
  ['skip: false', { rateLimit: 1, skip: async () => false }, [200, 429, 429]],
  ['skip: true', { rateLimit: 1, skip: async () => true }, [200, 200, 200]],
  ['key', { rateLimit: 1, key: async () => 'a' }, [200, 429, 429]],
  ['key that is not a string', { rateLimit: 1, key: (async () => 1) as never }, [500, 500, 500]],
  ['cost', { rateLimit: 4, cost: async () => 2 }, [200, 200, 429]],
  ['cost that rejects', { rateLimit: 4, cost: () => Promise.reject(new Error('no')) }, [500, 500, 500]],
  ['limits', { rateLimit: 9, limits: async () => ({ rateLimit: 1, refillRate: 0 }) }, [200, 429, 429]],
  ['limits that are undefined', { rateLimit: 2, limits: async () => undefined }, [200, 200, 429]],
  ['policies[].key', { policies: policy(async () => 'all') }, [200, 429, 429]],
  ['concurrency.key', { rateLimit: 2, concurrency: { limit: 1, key: async () => 'a' } }, [200, 200, 429]],
])('a promise from %s is awaited', async (_name, options, expected) => {
  jest.spyOn(console, 'error').mockImplementation(() => undefined);
  expect(await statuses(options)).toEqual(expected);
  jest.restoreAllMocks();
});

test('onLimited may answer after an await, and keeps Retry-After', async () => {
  const { app } = limited({
    rateLimit: 0,
    refillRate: 1,
    onLimited: async (_limited, _req, res) => {
      await Promise.resolve();
      res.writeHead(429, { 'Content-Type': 'text/plain' }).end('mine');
    },
  });
  const response = await (await serve(app))();
  expect([response.status, await response.text()]).toEqual([429, 'mine']);
});

test('a refusal has the form the client prefers, or goes to the error handler', async () => {
  const ask = await serve(limited({ rateLimit: 1, refillRate: 1, cost: () => 1 }, () => undefined).app);
  await ask();
  const types = async (accept: string): Promise<string | null> => (await ask({ accept })).headers.get('content-type');
  expect(await types('text/html,application/xhtml+xml,*/*;q=0.8')).toBe('text/html; charset=utf-8');
  expect(await types('text/plain')).toBe('text/plain; charset=utf-8');
  for (const accept of ['*/*', 'application/json', 'text/html;q=0.5, application/json', 'image/png', ',;q=x']) {
    expect(await types(accept)).toBe('application/problem+json');
  }
  const { app } = limited({ rateLimit: 1, refillRate: 1, handler: 'next' });
  app.use(((error, _req, res, _next) => {
    res.status(error.status).send(`page: ${String(error.code)}`);
  }) as express.ErrorRequestHandler);
  const own = await serve(app);
  await own();
  const refused = await own();
  expect([refused.status, await refused.text()]).toEqual([429, 'page: QUOTA_EXCEEDED']);
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
});

test("Express's trust proxy counts where trustProxy is not given, also behind headerKey", async () => {
  const visit = async (options: RateLimitOptions, setting: unknown): Promise<number[]> => {
    const ask = await serve(limited(options, (app) => app.set('trust proxy', setting)).app);
    const seen: number[] = [];
    for (const client of ['203.0.113.1', '203.0.113.2', '203.0.113.1']) {
      seen.push((await ask({ 'x-forwarded-for': client })).status);
    }
    return seen;
  };
  expect(await visit({ rateLimit: 1 }, 1)).toEqual([200, 200, 429]);
  expect(await visit({ rateLimit: 1, trustProxy: false }, 1)).toEqual([200, 429, 429]);
  expect(await visit({ rateLimit: 1 }, false)).toEqual([200, 429, 429]);
  expect(await visit({ rateLimit: 1, key: headerKey('x-api-key', { secret: 's' }) }, 1)).toEqual([200, 200, 429]);
  const own = headerKey('x-api-key', { secret: 's' });
  expect(await visit({ rateLimit: 1, trustProxy: 1, key: own }, false)).toEqual([200, 200, 429]);
});

test('limits, setLimit and resetBucket take addresses as people write them', () => {
  const { limiter } = rateLimit({
    rateLimit: 5,
    refillRate: 0,
    limits: { '2001:DB8::1': { rateLimit: 1, refillRate: 0 } },
  });
  expect(limiter.quotaFor('2001:db8:0:0:ffff::2').rateLimit).toBe(1);
  limiter.setLimit('::ffff:192.0.2.1', 2, 0);
  expect(limiter.quotaFor('192.0.2.1').rateLimit).toBe(2);
  expect(limiter.unsetLimit('192.0.2.1')).toBe(true);
  expect(limiter.quotaFor('192.0.2.1').rateLimit).toBe(5);
  limiter.setLimit('2001:db8:1::/56', 3, 0);
  expect(limiter.quotaFor('2001:db8:1::9').rateLimit).toBe(3);
  expect(() => limiter.setLimit('10.0.0.0/8', 2, 0)).toThrow(RangeError);
  const { limiter: own } = rateLimit({ key: (req) => (req as Request).ip ?? '' });
  own.setLimit('2001:db8::1', 1, 0);
  expect(own.quotaFor('2001:db8::1').rateLimit).toBe(1);
});

test.each<[RateLimitOptions['refund'], number]>([
  ['successful', 2],
  ['failed', 4],
  [async (_req, res) => res.statusCode === 401, 4],
])('refund %s gives tokens back after the response, and of() reports what is left', async (refund, left) => {
  const app = express();
  const limit = rateLimit({ rateLimit: 5, refillRate: 0, refund });
  app.use(limit);
  app.get('/ok', (req, res) => void res.json(limit.of(req)?.limits));
  app.get('/wrong', (_req, res) => void res.sendStatus(401));
  const ask = await serve(app);
  const first = await ask({}, '/ok');
  expect(await first.json()).toEqual([{ name: 'default', limit: 5, remaining: 4, used: 1, resetAfter: null }]);
  for (let i = 0; i < 3; i++) await ask({}, '/wrong');
  while (limit.limiter.remaining('127.0.0.1') !== left) await new Promise((turn) => setImmediate(turn));
});

test('of() gives back only what was charged', async () => {
  const { app, limit } = limited({ rateLimit: 1 });
  const seen: unknown[] = [];
  app.use(((_error, _req, _res, next) => next()) as express.ErrorRequestHandler);
  const watch = express();
  watch.use((req, res, next) => {
    res.on('finish', () => {
      void limit.of(req)?.refund();
      seen.push(limit.of(req)?.key);
    });
    next();
  });
  watch.use(app);
  const ask = await serve(watch);
  expect((await ask()).status).toBe(200);
  expect((await ask()).status).toBe(200); // given back
  limit.limiter.getBucket('127.0.0.1').tokens = 0;
  expect((await ask()).status).toBe(429);
  while (seen.length < 3) await new Promise((turn) => setImmediate(turn));
  expect(limit.limiter.remaining('127.0.0.1')).toBe(0);
});

test('two limits of one name on one store are an error, until one is closed', async () => {
  const store = new MemoryStore();
  const first = new RateLimiter({ rateLimit: 10, store, name: 'same' });
  expect(() => new RateLimiter({ rateLimit: 5, store, name: 'same' })).toThrow(TypeError);
  await first.close();
  await new RateLimiter({ rateLimit: 5, store, name: 'same' }).close();
});

test('resetAll fills every bucket', () => {
  const limiter = new RateLimiter({ rateLimit: 1, refillRate: 0 });
  for (const client of ['a', 'b']) limiter.isAllowed(client);
  limiter.resetAll();
  expect([limiter.isAllowed('a'), limiter.isAllowed('b'), limiter.isAllowed('a')]).toEqual([true, true, false]);
});

test.each<[RateLimitOptions['headers'], Record<string, string | null>]>([
  ['draft-7', { 'ratelimit-policy': '10;w=5', ratelimit: 'limit=10, remaining=9, reset=1' }],
  [
    'draft-6',
    { 'ratelimit-policy': '10;w=5', 'ratelimit-limit': '10', 'ratelimit-remaining': '9', 'ratelimit-reset': '1' },
  ],
])('headers %s', async (headers, expected) => {
  const response = await (await serve(limited({ rateLimit: 10, refillRate: 2, headers }).app))();
  for (const [name, value] of Object.entries(expected)) expect(response.headers.get(name)).toBe(value);
});

/** The codes of the warnings from now on, which are not printed. */
function spyOnWarnings(): { codes: string[]; restore: () => void } {
  const codes: string[] = [];
  const spy = jest.spyOn(process, 'emitWarning').mockImplementation(((_text: string, { code }: { code: string }) => {
    codes.push(code);
  }) as never);
  return { codes, restore: () => spy.mockRestore() };
}

test('mistakes are warned of once, with a code', async () => {
  const { codes, restore } = spyOnWarnings();
  const app = express();
  const limit = rateLimit({ name: 'w', ipv6Prefix: 128 });
  app.use(limit, limit);
  app.use(rateLimit({ name: 'w2', key: () => '2001:db8::1' }));
  app.get('/', (_req, res) => {
    void rateLimit({ name: 'w3' }).close();
    res.send('ok');
  });
  const ask = await serve(app);
  for (let i = 0; i < 2; i++) await ask({ 'x-forwarded-for': '203.0.113.1' });
  restore();
  expect(codes.sort()).toEqual([
    'TOOLOO_LIMIT_IN_HANDLER',
    'TOOLOO_LIMIT_IPV6_KEY',
    'TOOLOO_LIMIT_IPV6_PREFIX',
    'TOOLOO_LIMIT_MOUNTED_TWICE',
    'TOOLOO_LIMIT_UNTRUSTED_FORWARDED',
  ]);
});

test('a limiter that is created behind an await of a handler is noticed at the tenth request', async () => {
  const { codes, restore } = spyOnWarnings();
  const app = express();
  app.use(async (req, res, next) => {
    await Promise.resolve();
    rateLimit({ name: 'behind an await' })(req, res, next);
  });
  app.get('/', (_req, res) => void res.send('ok'));
  const ask = await serve(app);
  for (let i = 0; i < 9; i++) await ask();
  expect(codes).toEqual([]);
  for (let i = 0; i < 3; i++) await ask();
  restore();
  expect(codes).toEqual(['TOOLOO_LIMIT_IN_HANDLER']);
});

test('limiter.of() reports the same state for the first request that it is called with as for later ones', async () => {
  const limit = rateLimit({ rateLimit: 10, refillRate: 0 });
  const app = express();
  app.use(limit);
  app.get('/', (req, res) => {
    const state = limit.of(req)!;
    res.json({ ...state, again: limit.of(req)!.limits });
  });
  const ask = await serve(app);
  for (const remaining of [9, 8]) {
    const limits = [{ name: 'default', limit: 10, remaining, used: 10 - remaining, resetAfter: null }];
    expect(await (await ask()).json()).toEqual({ key: '127.0.0.1', limits, again: limits });
  }
});

test('the first request that is asked for gives its token back once', async () => {
  const limit = rateLimit({ rateLimit: 10, refillRate: 0 });
  const app = express();
  app.use(limit);
  app.get('/', async (req, res) => {
    await limit.of(req)!.refund();
    await limit.of(req)!.refund();
    res.send('ok');
  });
  const ask = await serve(app);
  void limit.limiter.isAllowed('127.0.0.1', 3);
  await ask();
  expect(limit.limiter.remaining('127.0.0.1')).toBe(7);
});

test('partition keys show which requests share a bucket, and not the key', async () => {
  const limit = rateLimit({
    rateLimit: 10,
    refillRate: 1,
    policies: [{ name: 'tenant', rateLimit: 20, refillRate: 1, key: () => 'tenant-1' }],
    key: (req) => String(req.headers['x-user']),
    partitionKeys: { secret: 'shown' },
  });
  const app = express();
  app.use(limit);
  app.get('/', (_req, res) => void res.send('ok'));
  const ask = await serve(app);
  const keysOf = async (user: string): Promise<{ policy: string[]; state: string[] }> => {
    const { headers } = await ask({ 'x-user': user });
    const members = (field: string): string[] =>
      headers
        .get(field)!
        .split(', ')
        .map((member) => /^"[^"]+";.*;pk=(:[A-Za-z0-9+/]{16}:)$/.exec(member)![1]!);
    return { policy: members('RateLimit-Policy'), state: members('RateLimit') };
  };
  const [ada, again, bob] = [await keysOf('ada'), await keysOf('ada'), await keysOf('bob')];
  expect(ada.state).toEqual(ada.policy);
  expect(again).toEqual(ada);
  expect(bob.policy[0]).not.toBe(ada.policy[0]);
  expect(bob.policy[1]).toBe(ada.policy[1]);
  expect(() => rateLimit({ partitionKeys: {} as never })).toThrow("option 'secret' is required");
});
