import http, { createServer } from 'node:http';
import net from 'node:net';
import { cacheResponse, type CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { ask, cacheRig, counting, portOf, settled, shut, type CacheRig, type Origin } from '../support/cache-rig.js';

let rig: CacheRig;
afterEach(() => rig?.close());

async function given(origin: Origin, options?: CacheResponseOptions): Promise<CacheRig> {
  rig = await cacheRig(origin, options);
  return rig;
}

const MINUTE = { 'Cache-Control': 'max-age=60' };

describe('Vary (RFC 9111 §4.1)', () => {
  const varying = (vary: string): Origin => {
    let count = 0;
    return (req, res) => {
      res.writeHead(200, { ...MINUTE, Vary: vary });
      res.end(`${++count} for ${String(req.headers.foo)}`);
    };
  };

  test('variants live side by side', async () => {
    const { ask } = await given(varying('Foo'));
    for (const foo of ['1', '2']) await ask('/', { headers: { foo } });
    expect((await ask('/', { headers: { foo: '1' } })).body).toBe('1 for 1');
    expect((await ask('/', { headers: { foo: '2' } })).body).toBe('2 for 2');
    expect(await ask('/')).toMatchObject({ body: '3 for undefined', cache: 'fwd=vary-miss; stored' });
    expect((await ask('/')).cache).toBe('hit; ttl=60');
  });

  test('fields compare by meaning, other fields do not count', async () => {
    const { ask } = await given(varying('Foo'));
    await ask('/', { headers: { foo: '1, 2', other: 'a' } });
    expect((await ask('/', { headers: { foo: ['1', '2'], other: 'b' } })).cache).toBe('hit; ttl=60');
  });

  test.each(['*', 'Foo, *'])('%s is never reused', async (vary) => {
    const { ask } = await given(varying(vary));
    await ask('/');
    expect((await ask('/')).body).toBe('2 for undefined');
  });

  test('the newest of several that match', async () => {
    const { ask, clock } = await given((req, res) => {
      res.writeHead(200, { 'Cache-Control': 'max-age=600', Vary: String(req.headers['x-vary']) });
      res.end(String(req.headers['x-body']));
    });
    await ask('/', { headers: { 'x-vary': 'foo', 'x-body': 'old', foo: '1' } });
    clock.tick(1_000);
    await ask('/', { headers: { 'x-vary': 'bar', 'x-body': 'new', foo: '2', bar: '1' } });
    expect((await ask('/', { headers: { foo: '1' } })).body).toBe('old');
    expect((await ask('/', { headers: { foo: '1', bar: '1' } })).body).toBe('new');
  });

  test('the option `vary` adds fields', async () => {
    const { ask } = await given(counting(MINUTE), { vary: ['X-Tenant'] });
    await ask('/', { headers: { 'x-tenant': 'a' } });
    expect((await ask('/', { headers: { 'x-tenant': 'b' } })).body).toBe('answer 2');
    expect((await ask('/', { headers: { 'x-tenant': 'a' } })).body).toBe('answer 1');
  });

  test('purging takes all variants, also those written before', async () => {
    const { ask, cache } = await given(varying('Foo'));
    for (const foo of ['1', '2']) await ask('/', { headers: { foo } });
    expect(await cache.purge('/')).toBeGreaterThan(0);
    expect((await ask('/', { headers: { foo: '1' } })).body).toBe('3 for 1');
    expect((await ask('/', { headers: { foo: '2' } })).body).toBe('4 for 2');
  });
});

describe('what is captured', () => {
  test('writes in pieces, of every kind, reach the client as they are made', async () => {
    let proceed = (): void => undefined;
    const { ask, port } = await given((_req, res) => {
      res.setHeader('Cache-Control', 'max-age=60');
      res.flushHeaders();
      res.write('636f', 'hex');
      res.write(Buffer.from('de '));
      res.write(new Uint8Array([0x61]), () => undefined);
      proceed = () => res.end('ü', 'latin1');
    });
    const first = await new Promise<string>((resolve) => {
      http.get({ host: '127.0.0.1', port, path: '/', agent: false }, (res) => {
        let text = '';
        res.on('data', (chunk: Buffer) => {
          text += chunk.toString('latin1');
          if (text === 'code a') proceed();
        });
        res.on('end', () => resolve(text));
      });
    });
    expect(first).toBe('code aü');
    expect((await ask('/')).headers['content-length']).toBe('7');
  });

  test.each<[string, Origin]>([
    ['an object', (_req, res) => void res.writeHead(200, { ...MINUTE, 'X-A': ['1', '2'] }).end('x')],
    [
      'pairs',
      (_req, res) =>
        void res
          .writeHead(200, [
            ['Cache-Control', 'max-age=60'],
            ['X-A', '1'],
            ['X-A', '2'],
          ] as never)
          .end('x'),
    ],
    [
      'a flat array',
      (_req, res) => void res.writeHead(200, ['Cache-Control', 'max-age=60', 'X-A', '1', 'X-A', '2']).end('x'),
    ],
    ['a reason too', (_req, res) => void res.writeHead(200, 'Fine', { ...MINUTE, 'x-a': ['1', '2'] }).end('x')],
  ])('fields given to writeHead as %s', async (_what, origin) => {
    const { ask } = await given(origin);
    for (const cache of ['fwd=uri-miss; stored', 'hit; ttl=60']) {
      expect(await ask('/')).toMatchObject({ cache, headers: { 'x-a': '1, 2' } });
    }
  });

  test('a body larger than allowed streams through and is not kept', async () => {
    const { ask, cache } = await given(
      (_req, res) => {
        res.writeHead(200, MINUTE);
        for (let i = 0; i < 10; i++) res.write('x'.repeat(100));
        res.end();
      },
      { maxBodySize: 999 },
    );
    expect((await ask('/')).body).toHaveLength(1000);
    expect(await ask('/')).toMatchObject({ cache: 'fwd=uri-miss; detail=too-large' });
    expect(cache.stats()).toMatchObject({ stored: 0, uncacheable: 2 });
  });

  test('a body that was too large is collected again after a while, however many requests come', async () => {
    let parts = 10;
    const { ask, clock } = await given(
      (_req, res) => {
        res.writeHead(200, MINUTE);
        for (let i = 0; i < parts; i++) res.write('x'.repeat(100));
        res.end();
      },
      { maxBodySize: 999 },
    );
    await ask('/');
    parts = 1;
    for (let i = 0; i < 3; i++) {
      clock.tick(50_000);
      await ask('/');
    }
    expect((await ask('/')).cache).toMatch(/^hit/);
  });

  test('a body shorter than its Content-Length is not stored', async () => {
    const { cache, port } = await given((_req, res) => {
      res.writeHead(200, { ...MINUTE, 'Content-Length': '10' });
      res.end('short');
    });
    await new Promise<void>((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n'));
      socket.once('data', () => socket.destroy());
      socket.once('close', () => resolve());
    });
    await settled();
    expect(cache.stats().stored).toBe(0);
  });

  test('a response destroyed in the middle is not stored', async () => {
    const { ask, cache } = await given((_req, res) => {
      res.writeHead(200, MINUTE);
      res.write('half');
      setImmediate(() => res.destroy());
    });
    await expect(ask('/')).rejects.toThrow();
    expect(cache.stats()).toMatchObject({ stored: 0, inFlight: 0 });
    rig.origin = counting(MINUTE);
    expect((await ask('/')).cache).toBe('fwd=uri-miss; stored');
  });

  test('chunks are copied: a handler may use its buffer again', async () => {
    const { ask } = await given((_req, res) => {
      const buffer = Buffer.from('first ');
      res.writeHead(200, MINUTE);
      res.write(buffer, () => {
        buffer.write('second');
        res.end(buffer);
      });
    });
    await ask('/');
    expect((await ask('/')).body).toBe('first second');
  });

  test('1xx pass', async () => {
    const { port } = await given((_req, res) => {
      res.writeEarlyHints({ link: '</a.css>; rel=preload' });
      res.writeHead(200, MINUTE);
      res.end('x');
    });
    const hints = await new Promise((resolve) => {
      const req = http.get({ port, agent: false });
      req.on('information', (info) => resolve(info.statusCode));
      req.on('response', (res) => res.resume());
    });
    expect(hints).toBe(103);
  });

  test('what middleware before it set is sent, not stored', async () => {
    let count = 0;
    const clockless = cacheResponse();
    const server = createServer((req, res) => {
      res.setHeader('RateLimit', `"default";r=${++count}`);
      res.setHeader('X-Outer', String(count));
      clockless(
        req,
        res,
        () => void res.writeHead(200, { ...MINUTE, 'X-Inner': String(count), 'X-Request-Id': 'one' }).end('x'),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, resolve));
    await ask(portOf(server), '/');
    const hit = await ask(portOf(server), '/');
    expect(hit.headers).toMatchObject({ ratelimit: '"default";r=2', 'x-outer': '2', 'x-inner': '1' });
    expect(hit.headers['x-request-id']).toBeUndefined();
    clockless.close();
    await shut(server);
  });
});
