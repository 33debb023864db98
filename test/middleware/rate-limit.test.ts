import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fc from '../support/fast-check.js';
import express4 from 'express4';
import request from 'supertest';
import { compose, rateLimit, type RateLimitOptions } from '../../src/middleware/index.js';
import { retryAfterSeconds } from '../../src/middleware/rate-limit-refusal.js';
import { headerKey, MemoryStore, type Charge, type RateLimitStore } from '../../src/rate-limiting/index.js';
import { FakeClock } from '../../src/testing.js';

const hosts: Record<string, (limit: ReturnType<typeof rateLimit>) => RequestListener> = {
  'Express 5': (limit) => {
    const app = express();
    app.use(limit);
    app.get('/', (_req, res) => void res.json({ ok: true }));
    return app;
  },
  'Express 4': (limit) => {
    const app = express4();
    app.use(limit);
    app.get('/', (_req, res) => void res.json({ ok: true }));
    return app;
  },
  'bare http': (limit) =>
    compose(limit, (_req, res) => {
      res.setHeader('Content-Type', 'application/json');
      res.end('{"ok":true}');
    }),
};

const servers: Server[] = [];
const opened: ReturnType<typeof rateLimit>[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  for (const limit of opened.splice(0)) await limit.close();
});

async function listen(listener: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** A server on Express 5 behind a limit, and its clock. */
async function limited(
  options: RateLimitOptions = {},
  handler: RequestListener = (_req, res) => void res.end('served'),
): Promise<{ server: Server; port: number; clock: FakeClock; limit: ReturnType<typeof rateLimit> }> {
  const clock = new FakeClock();
  const limit = rateLimit({ clock, ...options });
  opened.push(limit);
  const app = express();
  app.use(limit);
  app.use(handler as express.RequestHandler);
  return { ...(await listen(app)), clock, limit };
}

/** Lets the requests that were sent reach the server: real sockets, so by asking it something that is not limited. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe.each(Object.keys(hosts))('under %s', (host) => {
  test('admits the burst, then refuses with 429 until a token returns', async () => {
    const clock = new FakeClock();
    const limit = rateLimit({ rateLimit: 2, refillRate: 0.1, clock });
    const { server } = await listen(hosts[host]!(limit));
    const first = await request(server).get('/').expect(200, { ok: true });
    expect(first.headers).toMatchObject({ 'ratelimit-policy': '"default";q=2;w=20', ratelimit: '"default";r=1;t=10' });
    await request(server).get('/').expect(200);
    const refused = await request(server).get('/').expect(429);
    expect(refused.headers['content-type']).toBe('application/problem+json');
    expect(refused.headers.ratelimit).toBe('"default";r=0;t=10');
    const retryAfter = Number(refused.headers['retry-after']);
    expect(retryAfter).toBeGreaterThanOrEqual(10);
    expect(retryAfter).toBeLessThanOrEqual(11);
    expect(JSON.parse(refused.text)).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'The request quota is exceeded',
      status: 429,
      detail: `the quota is spent; retry in ${retryAfter} s`,
      code: 'QUOTA_EXCEEDED',
      ok: false,
      'violated-policies': ['default'],
    });
    clock.tick(10_000);
    await request(server).get('/').expect(200);
    await request(server).get('/').expect(429);
  });
});

test('is a named function with its engine as a property', async () => {
  const limit = rateLimit();
  expect([limit.name, limit.length]).toEqual(['rateLimit', 3]);
  expect(limit.limiter.quota).toMatchObject({ name: 'default', rateLimit: 100, refillRate: 10 });
  await limit.close();
  await limit.close();
});

describe('keys', () => {
  test('X-Forwarded-For counts only from a trusted proxy', async () => {
    const { server } = await limited({ rateLimit: 1, refillRate: 0 });
    await request(server).get('/').set('X-Forwarded-For', '192.0.2.1').expect(200);
    await request(server).get('/').set('X-Forwarded-For', '192.0.2.2').expect(429);
    const behind = await limited({ rateLimit: 1, refillRate: 0, trustProxy: 'loopback' });
    await request(behind.server).get('/').set('X-Forwarded-For', '192.0.2.1').expect(200);
    await request(behind.server).get('/').set('X-Forwarded-For', '6.6.6.6, ::ffff:192.0.2.1').expect(429);
    await request(behind.server).get('/').set('X-Forwarded-For', '192.0.2.2:99').expect(200);
  });

  test('an attacker who rotates through an IPv6 network gets one client’s quota for each prefix it owns', async () => {
    const admittedFrom = async (ipv6Prefix: number): Promise<number> => {
      const { server } = await limited({ rateLimit: 2, refillRate: 0, trustProxy: 'loopback', ipv6Prefix });
      let admitted = 0;
      for (let i = 0; i < 40; i++) {
        const address = `2001:db8:1:${(i << 4).toString(16)}::${((i * 7919) & 0xffff).toString(16)}`; // within one /48
        const { status } = await request(server).get('/').set('X-Forwarded-For', address);
        if (status === 200) admitted++;
      }
      return admitted;
    };
    expect(await admittedFrom(48)).toBe(2);
    expect(await admittedFrom(56)).toBe(2 * 3); // 40 addresses 16 networks apart lie in three /56
  });

  test('a header may name the client; its value is nowhere to be seen', async () => {
    const keys: string[] = [];
    class Watched extends MemoryStore {
      override take(charges: readonly Charge[]): boolean {
        keys.push(...charges.map(({ key }) => key));
        return super.take(charges);
      }
    }
    const { server, limit } = await limited({
      rateLimit: 1,
      refillRate: 0,
      key: headerKey('X-API-Key', { secret: 's' }),
      store: new Watched(),
    });
    await request(server).get('/').set('x-api-key', 'topsecret').expect(200);
    await request(server).get('/').set('x-api-key', 'topsecret').expect(429);
    await request(server).get('/').set('x-api-key', 'another').expect(200);
    await request(server).get('/').expect(200);
    expect(JSON.stringify([keys, limit.limiter.getStats()])).not.toMatch(/topsecret|another/);
    expect(new Set(keys).size).toBe(3);
  });

  test.each<[string, RateLimitOptions]>([
    ['key', { key: () => undefined as never }],
    ['cost', { cost: () => Number.NaN }],
    [
      'a callback',
      {
        skip: () => {
          throw new Error('thrown');
        },
      },
    ],
    ['limits', { limits: () => ({ rateLimit: -1, refillRate: 1 }) }],
  ])('%s that fails is a 500, once, and never an admission', async (_, options) => {
    jest.spyOn(console, 'error').mockImplementation(() => undefined);
    const served = jest.fn();
    const { server } = await limited(options, served);
    await request(server).get('/').expect(500);
    expect(served).not.toHaveBeenCalled();
    jest.restoreAllMocks();
  });
});

describe('what is limited', () => {
  test('cost, skip and limits by client', async () => {
    const { server } = await limited({
      rateLimit: 4,
      refillRate: 0,
      key: (req) => String(req.headers['x-client']),
      cost: (req) => (req.method === 'POST' ? 3 : 1),
      skip: (req) => req.url === '/health',
      limits: { big: { rateLimit: 10, refillRate: 0 } },
    });
    const as = (client: string, method: 'get' | 'post' = 'get', path = '/') =>
      request(server)[method](path).set('x-client', client);
    await as('a', 'post').expect(200);
    await as('a', 'post').expect(429);
    await as('a').expect(200);
    await as('a').expect(429);
    const skipped = await as('a', 'get', '/health').expect(200);
    expect(skipped.headers.ratelimit).toBeUndefined();
    for (let i = 0; i < 3; i++) await as('big', 'post').expect(200);
    await as('big', 'post').expect(429);
  });

  test('limits by function, and a limit set at run time before both', async () => {
    const { server, limit } = await limited({
      rateLimit: 1,
      refillRate: 0,
      key: (req) => String(req.headers['x-client']),
      limits: (key, req) => (key === 'pro' && req.method === 'GET' ? { rateLimit: 3, refillRate: 0 } : undefined),
    });
    const count = async (client: string): Promise<number> => {
      let admitted = 0;
      for (let i = 0; i < 6; i++)
        if ((await request(server).get('/').set('x-client', client)).status === 200) admitted++;
      return admitted;
    };
    expect([await count('a'), await count('pro')]).toEqual([1, 3]);
    limit.limiter.setLimit('pro', 5, 0);
    expect(await count('pro')).toBe(2);
  });

  test('several policies are charged together or not at all', async () => {
    const { server, limit } = await limited({
      rateLimit: 3,
      refillRate: 0.5,
      name: 'client',
      key: (req) => String(req.headers['x-client']),
      policies: [{ name: 'service', rateLimit: 4, refillRate: 1, key: () => 'all' }],
    });
    const as = (client: string) => request(server).get('/').set('x-client', client);
    for (let i = 0; i < 3; i++) await as('a').expect(200);
    const own = await as('a').expect(429);
    expect(own.body).toMatchObject({ 'violated-policies': ['client'] });
    expect(own.headers.ratelimit).toBe('"client";r=0;t=2, "service";r=1;t=3');
    await as('b').expect(200);
    const shared = await as('b').expect(429);
    expect(shared.body).toMatchObject({ 'violated-policies': ['service'] });
    expect(await limit.limiter.remaining('b')).toBe(2); // the refusal was not charged
  });

  test('policies alone are the only limits', async () => {
    const { server } = await limited({ policies: [{ name: 'burst', rateLimit: 1, refillRate: 0 }] });
    const { headers } = await request(server).get('/').expect(200);
    expect(headers['ratelimit-policy']).toBe('"burst";q=1');
    await request(server).get('/').expect(429);
  });

  test('a cost above the capacity is refused at once, with its own error and without Retry-After', async () => {
    const { server } = await limited({ rateLimit: 5, cost: () => 6, queue: {} });
    const { headers, body } = await request(server).get('/').expect(429);
    expect(body).toMatchObject({ code: 'COST_ABOVE_CAPACITY', 'violated-policies': ['default'] });
    expect(headers['retry-after']).toBeUndefined();
  });

  test('a limit of 0 refuses everything, without Retry-After', async () => {
    const { server } = await limited({ rateLimit: 0, refillRate: 0 });
    const { headers, body } = await request(server).get('/').expect(429);
    expect(body.code).toBe('QUOTA_EXCEEDED');
    expect(headers['retry-after']).toBeUndefined();
  });

  test('header fields by choice', async () => {
    const legacy = await limited({ headers: 'legacy' });
    const { headers } = await request(legacy.server).get('/');
    expect(headers).toMatchObject({ 'x-ratelimit-limit': '100', 'x-ratelimit-remaining': '99' });
    expect(headers.ratelimit).toBeUndefined();
    const none = await limited({ headers: 'none', rateLimit: 1, refillRate: 0.1 });
    await request(none.server).get('/').expect(200);
    const refused = await request(none.server).get('/').expect(429);
    expect(Object.keys(refused.headers).filter((name) => /ratelimit/.test(name))).toEqual([]);
    expect(refused.headers['retry-after']).toBeDefined();
  });

  test('two limiters on one route both speak', async () => {
    const app = express();
    app.use(rateLimit({ name: 'outer' }), rateLimit({ name: 'inner', rateLimit: 10, refillRate: 1 }));
    const { headers } = await request((await listen(app)).server).get('/');
    expect(headers['ratelimit-policy']).toBe('"outer";q=100;w=10, "inner";q=10;w=10');
    expect(headers.ratelimit).toBe('"outer";r=99;t=1, "inner";r=9;t=1');
  });
});

describe('onLimited and dryRun', () => {
  test('onLimited receives every refusal, and may answer itself', async () => {
    const told: unknown[] = [];
    const { server } = await limited({
      rateLimit: 1,
      refillRate: 0,
      onLimited: (limited, _req, res) => {
        told.push({ ...limited, error: limited.error.code });
        res.statusCode = 420;
        res.end('calm down');
      },
    });
    await request(server).get('/').expect(200);
    await request(server).get('/').expect(420, 'calm down');
    expect(told).toEqual([{ key: '127.0.0.1', error: 'QUOTA_EXCEEDED', policies: ['default'], dryRun: false }]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
  ])('onLimited that %s changes nothing', async (_, onLimited) => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const { server } = await limited({ rateLimit: 0, onLimited: onLimited });
    await request(server).get('/').expect(429);
    expect(warned).toHaveBeenCalledTimes(1);
    warned.mockRestore();
  });

  test('a dry run counts and reports, and the client notices nothing', async () => {
    const onLimited = jest.fn();
    const { server, limit } = await limited({ rateLimit: 1, refillRate: 0, dryRun: true, onLimited, queue: {} });
    for (let i = 0; i < 3; i++) {
      const { headers } = await request(server).get('/').expect(200);
      expect(headers.ratelimit).toBeUndefined();
    }
    expect(onLimited).toHaveBeenCalledTimes(2);
    expect(onLimited.mock.calls[0][0]).toMatchObject({ dryRun: true, policies: ['default'] });
    expect(limit.limiter.getStats()).toMatchObject({ allowedRequests: 1, deniedRequests: 2 });
  });
});

describe('waiting for tokens', () => {
  test('a request waits and is then served', async () => {
    const { server, clock, limit } = await limited({ rateLimit: 1, refillRate: 1, queue: { maxWaitTime: 5_000 } });
    await request(server).get('/').expect(200);
    const waiting = request(server)
      .get('/')
      .then((res) => res);
    await until(() => limit.limiter.getStats().waitingRequests === 1);
    await clock.advance(1_000);
    const { status, headers } = await waiting;
    expect([status, headers.ratelimit]).toEqual([200, '"default";r=0;t=1']);
  });

  test('a wait in vain is 429', async () => {
    const { server, clock, limit } = await limited({ rateLimit: 1, refillRate: 1, queue: { maxWaitTime: 1_500 } });
    await request(server).get('/').expect(200);
    const waiting = [1, 2].map(() =>
      request(server)
        .get('/')
        .then((res) => res),
    );
    await until(() => limit.limiter.getStats().waitingRequests === 2);
    await clock.advance(1_500);
    const [served, refused] = (await Promise.all(waiting)).sort((a, b) => a.status - b.status);
    expect([served!.status, refused!.status]).toEqual([200, 429]);
    expect(refused!.body).toMatchObject({ code: 'QUOTA_EXCEEDED', 'violated-policies': ['default'] });
    expect(Number(refused!.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  });

  test('a wait that cannot end in time does not begin', async () => {
    const { server, limit } = await limited({ rateLimit: 1, refillRate: 0.001, queue: { maxWaitTime: 5_000 } });
    await request(server).get('/').expect(200);
    const { headers } = await request(server).get('/').expect(429);
    expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1_000);
    expect(limit.limiter.getStats()).toMatchObject({ deniedRequests: 1, queuedRequests: 0 });
  });

  test('a full queue is 429, and shutting down 503', async () => {
    const { server, limit } = await limited({ rateLimit: 1, refillRate: 1, queue: { maxQueue: 1 } });
    await request(server).get('/').expect(200);
    const waiting = request(server)
      .get('/')
      .then((res) => res);
    await until(() => limit.limiter.getStats().waitingRequests === 1);
    await request(server).get('/').expect(429);
    await limit.close();
    const { status, body } = await waiting;
    expect([status, body.code]).toEqual([503, 'SHUTTING_DOWN']);
  });

  test('a client that disconnects leaves the queue, uncharged', async () => {
    const served = jest.fn((_req: IncomingMessage, res: { end: () => void }) => res.end());
    const { port, clock, limit } = await limited({ rateLimit: 1, refillRate: 1, queue: {} }, served as never);
    await fetch(`http://127.0.0.1:${port}/`);
    const client = httpRequest({ port, host: '127.0.0.1' }).on('error', () => undefined);
    client.end();
    await until(() => limit.limiter.getStats().waitingRequests === 1);
    client.destroy();
    await until(() => limit.limiter.getStats().waitingRequests === 0);
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(1_000);
    expect(limit.limiter.remaining('127.0.0.1')).toBe(1);
    expect(served).toHaveBeenCalledTimes(1);
  });
});

describe('requests in flight', () => {
  test('one too many is 503 and not charged; a slot is free again after finish, and after an abort', async () => {
    const held: (() => void)[] = [];
    const { port, limit } = await limited(
      { rateLimit: 10, refillRate: 0, concurrency: { limit: 2, release: 'response' } },
      (_req, res) => {
        held.push(() => void res.end('done'));
      },
    );
    const url = `http://127.0.0.1:${port}/`;
    const first = fetch(url);
    const aborted = new AbortController();
    const second = fetch(url, { signal: aborted.signal }).catch(() => undefined);
    await until(() => held.length === 2);
    const refused = await fetch(url);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await refused.json()).toMatchObject({ code: 'CONCURRENCY_EXCEEDED', ok: false });
    expect(limit.limiter.remaining('127.0.0.1')).toBe(8);
    aborted.abort();
    await second;
    await until(() => limit.concurrency!.getStats().inFlight === 1);
    held[0]!();
    expect((await first).status).toBe(200);
    await until(() => limit.concurrency!.getStats().inFlight === 0);
    held[1]!(); // the end of an aborted response is not a second release
    expect(limit.concurrency!.getStats()).toMatchObject({ inFlight: 0, waiting: 0, refused: 1 });
  });

  test('each provider has its own, and those who wait are served in turn', async () => {
    const held: (() => void)[] = [];
    const { port, limit } = await limited(
      { concurrency: { limit: 1, maxQueue: 5, key: (req) => req.url! } },
      (req, res) => void held.push(() => void res.end(req.url)),
    );
    const get = (path: string): Promise<string> => fetch(`http://127.0.0.1:${port}${path}`).then((res) => res.text());
    const answers = [get('/a'), get('/b')];
    await until(() => held.length === 2);
    const third = get('/a');
    await until(() => limit.concurrency!.getStats().waiting === 1);
    held.forEach((end) => end());
    await until(() => held.length === 3);
    held[2]!();
    expect((await Promise.all([...answers, third])).sort()).toEqual(['/a', '/a', '/b']);
  });

  test('what has no key needs no slot', async () => {
    const held: (() => void)[] = [];
    const { port, limit } = await limited(
      { concurrency: { limit: 1, key: (req) => (req.url === '/stream' ? undefined : 'all') } },
      (req, res) => void held.push(() => void res.end(req.url)),
    );
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).then(({ status }) => status);
    const streams = [get('/stream'), get('/stream'), get('/page')];
    await until(() => held.length === 3);
    expect(limit.concurrency!.getStats().keys).toEqual({ all: { limit: 1, inFlight: 1, waiting: 0 } });
    expect(await get('/page')).toBe(503);
    held.forEach((end) => end());
    expect(await Promise.all(streams)).toEqual([200, 200, 200]);
  });

  test('a client that disconnects while it waits for a slot gets its tokens back', async () => {
    const held: (() => void)[] = [];
    const { port, limit } = await limited(
      { rateLimit: 5, refillRate: 0, concurrency: { limit: 1, maxQueue: 1, key: 'client' } },
      (_req, res) => void held.push(() => void res.end()),
    );
    const first = fetch(`http://127.0.0.1:${port}/`);
    await until(() => held.length === 1);
    const client = httpRequest({ port, host: '127.0.0.1' }).on('error', () => undefined);
    client.end();
    await until(() => limit.concurrency!.getStats().waiting === 1);
    client.destroy();
    await until(() => limit.concurrency!.getStats().waiting === 0);
    expect(limit.limiter.remaining('127.0.0.1')).toBe(4);
    held[0]!();
    await first;
    await until(() => limit.concurrency!.getStats().inFlight === 0);
  });
});

describe('an asynchronous store', () => {
  function remote(failure?: Error): RateLimitStore {
    const memory = new MemoryStore({ clock: new FakeClock() });
    return {
      take: (charges) => (failure ? Promise.reject(failure) : Promise.resolve(memory.take(charges))),
      refund: (charges) => Promise.resolve(memory.refund(charges)),
      read: (key, quota) => Promise.resolve(memory.read(key, quota)),
      write: (key, quota, tokens) => Promise.resolve(memory.write(key, quota, tokens)),
      reset: (key, quota) => Promise.resolve(memory.reset(key, quota)),
      close: () => undefined,
    };
  }

  test('decides, and concurrent requests do not disturb each other', async () => {
    const { port } = await limited({ rateLimit: 5, refillRate: 0, store: remote() });
    const responses = await Promise.all(Array.from({ length: 12 }, () => fetch(`http://127.0.0.1:${port}/`)));
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(5);
    const left = responses.filter(({ status }) => status === 200).map((res) => res.headers.get('ratelimit'));
    expect(new Set(left)).toEqual(
      new Set(['"default";r=4', '"default";r=3', '"default";r=2', '"default";r=1', '"default";r=0']),
    );
  });

  test('away: local limits, or everybody, or 503 with a code of its own', async () => {
    const away = remote(new Error('away'));
    const statuses = async (onStoreError: 'local' | 'allow' | 'deny'): Promise<number[]> => {
      const { server } = await limited({ rateLimit: 1, refillRate: 0, store: away, onStoreError });
      return [(await request(server).get('/')).status, (await request(server).get('/')).status];
    };
    expect(await statuses('local')).toEqual([200, 429]);
    expect(await statuses('allow')).toEqual([200, 200]);
    expect(await statuses('deny')).toEqual([503, 503]);
  });
});

test.each<[unknown, RegExp]>([
  [{ ratelimit: 5 }, /unknown option 'ratelimit'; did you mean 'rateLimit'/],
  [{ rateLimit: '5' }, /'rateLimit'/],
  [{ refillRate: -1 }, /'refillRate'/],
  [{ headers: 'standard' }, /'headers'/],
  [{ trustProxy: '10.0.0.0/' }, /trustProxy/],
  [{ trustProxy: -1 }, /'trustProxy'/],
  [{ ipv6Prefix: 0 }, /'ipv6Prefix'/],
  [{ store: { take: () => true } }, /'store'/],
  [{ queue: { maxWait: 5 } }, /queue: unknown option 'maxWait'/],
  [{ concurrency: { limit: 0 } }, /'limit'/],
  [{ concurrency: {} }, /'limit' is required/],
  [{ concurrency: { limit: 1, key: 'ip' } }, /'key'/],
  [{ policies: [{ name: 'a', rateLimit: 1 }] }, /policies\[0\]: 'refillRate'/],
  [
    {
      policies: [
        { name: 'a', rateLimit: 1, refillRate: 1 },
        { name: 'a', rateLimit: 1, refillRate: 1 },
      ],
    },
    /'a' is taken/,
  ],
  [{ policies: [{ name: 'default', rateLimit: 1, refillRate: 1 }], rateLimit: 5 }, /'default' is taken/],
  [{ policies: [{ name: 'a', rateLimit: 1, refillRate: 1 }], limits: {} }, /'limits'/],
  [{ limits: { a: { rateLimit: 1 } } }, /refillRate/],
])('refuses the options %j', (options, message) => {
  expect(() => rateLimit(options as RateLimitOptions)).toThrow(message);
});

test('Retry-After is never before the wait is over, and spread by a tenth or a second', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (wait, random) => {
        const seconds = retryAfterSeconds(wait, () => random)!;
        expect(Number.isInteger(seconds)).toBe(true);
        expect(seconds * 1000).toBeGreaterThanOrEqual(wait);
        expect(seconds).toBeLessThanOrEqual(Math.max(1, Math.ceil(wait / 1000)) * 1.1 + 1.5);
      },
    ),
  );
  expect(retryAfterSeconds(Infinity)).toBeUndefined();
});

test('trusting everybody is warned of, once', () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  rateLimit({ trustProxy: true });
  rateLimit({ trustProxy: true });
  expect(warned).toHaveBeenCalledTimes(1);
  expect(warned.mock.calls[0]![1]).toMatchObject({ code: 'TOOLOO_LIMIT_TRUST_ALL' });
  warned.mockRestore();
});

test('the fast path makes no promise and starts no timer', () => {
  const clock = new FakeClock();
  const limit = rateLimit({ clock });
  const promises = jest.spyOn(global, 'Promise');
  const req = { socket: { remoteAddress: '192.0.2.1' }, headers: {}, method: 'GET' } as unknown as IncomingMessage;
  const res = { getHeader: () => undefined, setHeader: () => undefined };
  const next = jest.fn();
  limit(req, res as never, next);
  expect(next).toHaveBeenCalledTimes(1);
  expect(promises).not.toHaveBeenCalled();
  expect(clock.pendingTimers).toBe(0);
  promises.mockRestore();
});
