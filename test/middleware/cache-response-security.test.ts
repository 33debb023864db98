import net from 'node:net';
import fc from '../support/fast-check.js';
import type { CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { cacheRig, counting, type CacheRig, type Origin } from '../support/cache-rig.js';

let rig: CacheRig;
afterEach(() => rig?.close());

async function given(origin: Origin, options?: CacheResponseOptions): Promise<CacheRig> {
  rig = await cacheRig(origin, options);
  return rig;
}

const MINUTE = { 'Cache-Control': 'max-age=60' };

/** What the server says to these bytes, until it closes. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
    socket.write(text);
  });
}

describe('one client’s answer is not another’s', () => {
  test('credentials: stored only with permission, then everyone’s (RFC 9111 §3.5)', async () => {
    const { ask } = await given(counting(MINUTE));
    await ask('/', { headers: { Authorization: 'Bearer a' } });
    expect((await ask('/')).body).toBe('answer 2');
    rig.origin = counting({ 'Cache-Control': 's-maxage=60' });
    await ask('/shared', { headers: { Authorization: 'Bearer a' } });
    expect((await ask('/shared')).body).toBe('answer 1');
  });

  test('Set-Cookie is neither stored nor replayed', async () => {
    const { ask } = await given(counting({ ...MINUTE, 'Set-Cookie': 'id=1' }));
    expect((await ask('/')).headers['set-cookie']).toEqual(['id=1']);
    expect((await ask('/')).body).toBe('answer 2');
    rig.origin = counting({ 'Cache-Control': 'public, max-age=60', 'Set-Cookie': 'id=1' });
    expect((await ask('/public')).headers['set-cookie']).toEqual(['id=1']);
    const hit = await ask('/public');
    expect([hit.body, hit.headers['set-cookie']]).toEqual(['answer 1', undefined]);
  });

  test('fields of one request or one connection, and those named, are not replayed', async () => {
    const once = {
      RateLimit: '"default";r=1',
      'RateLimit-Policy': '"default";q=1',
      'X-RateLimit-Remaining': '1',
      'X-Request-Id': '1',
      Traceresponse: '00-1',
      'Server-Timing': 'a',
      'Proxy-Authenticate': 'Basic',
      A: '1',
      B: '2',
    };
    const { ask } = await given(
      counting({ ...once, Connection: 'a, close', 'Cache-Control': 'max-age=60, no-cache="b"', 'X-Kept': '1' }),
    );
    await ask('/');
    const hit = await ask('/');
    expect(hit.cache).toBe('hit; ttl=60');
    for (const name of Object.keys(once)) expect(hit.headers[name.toLowerCase()]).toBeUndefined();
    expect(hit.headers['x-kept']).toBe('1');
  });
});

describe('cache poisoning', () => {
  test.each(['X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Original-URL', 'X-HTTP-Method-Override', 'Forwarded'])(
    'by %s, which the application may believe',
    async (name) => {
      const { ask } = await given((req, res) => {
        res.writeHead(200, MINUTE).end(`made for ${String(req.headers[name.toLowerCase()])}`);
      });
      const value = name === 'Forwarded' ? 'host=evil' : 'evil';
      await ask('/', { headers: { [name]: value } });
      expect((await ask('/')).body).toBe('made for undefined');
      expect((await ask('/', { headers: { [name]: value } })).cache).toBe('hit; ttl=60');
    },
  );

  test('by the content of a GET, which no key covers', async () => {
    const { ask } = await given(counting(MINUTE));
    expect((await ask('/', { body: 'evil', headers: { 'Content-Length': '4' } })).cache).toBe('fwd=bypass');
    expect((await ask('/')).body).toBe('answer 2');
  });

  test('by a condition or a range that makes the answer another', async () => {
    const { ask } = await given((req, res) => {
      const status = req.headers['if-match'] !== undefined ? 412 : req.headers.range === 'bytes=99-' ? 416 : 200;
      res.writeHead(status, MINUTE).end(String(status));
    });
    await ask('/', { headers: { 'If-Match': '"x"' } });
    await ask('/', { headers: { Range: 'bytes=99-' } });
    expect((await ask('/')).body).toBe('200');
  });

  test('from a trusted proxy scheme and host are part of the key', async () => {
    const { ask, cache } = await given(counting(MINUTE), { trustProxy: 'loopback' });
    await ask('/', { headers: { 'X-Forwarded-Host': 'a.example', 'X-Forwarded-Proto': 'https' } });
    expect((await ask('/', { headers: { 'X-Forwarded-Host': 'b.example', 'X-Forwarded-Proto': 'https' } })).body).toBe(
      'answer 2',
    );
    expect(await cache.purge('https://a.example/')).toBe(1);
  });
});

describe('raw requests', () => {
  test('the absolute form names its own host', async () => {
    const { port, seen } = await given(counting(MINUTE));
    await raw(port, 'GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n');
    expect(await raw(port, 'GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n')).toContain('tooloo; hit');
    expect(await raw(port, 'GET /x HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n')).toContain(
      'fwd=uri-miss',
    );
    expect(seen).toHaveLength(2);
  });

  test('HTTP/1.0, without a host', async () => {
    const { port } = await given(counting(MINUTE));
    expect(await raw(port, 'GET / HTTP/1.0\r\n\r\n')).toContain('fwd=uri-miss; stored');
    const hit = await raw(port, 'GET / HTTP/1.0\r\n\r\n');
    expect(hit).toContain('tooloo; hit; ttl=60');
    expect(hit.endsWith('\r\n\r\nanswer 1')).toBe(true);
  });

  test('HTTP/1.0 takes no chunks, and so no trailers', async () => {
    const { port, ask } = await given((_req, res) => {
      res.writeHead(200, { ...MINUTE, Trailer: 'X-Sum' });
      res.write('body');
      res.addTrailers({ 'X-Sum': '1' });
      res.end();
    });
    expect((await ask('/', { headers: { host: 'h' } })).trailers).toEqual({ 'x-sum': '1' });
    const hit = await raw(port, 'GET / HTTP/1.0\r\nHost: h\r\n\r\n');
    expect(hit).toContain('tooloo; hit');
    expect(hit).not.toMatch(/trailer|chunked/i);
    expect(hit.endsWith('\r\n\r\nbody')).toBe(true);
  });

  test('pipelined hits keep their order and their framing', async () => {
    const { port, ask } = await given((req, res) => void res.writeHead(200, MINUTE).end(req.url));
    for (const path of ['/a', '/b']) await ask(path, { headers: { host: 'h' } });
    const answer = await raw(
      port,
      ['/a', '/b', '/a'].map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join('') +
        'HEAD /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
    );
    expect(
      answer
        .split('HTTP/1.1 200 OK')
        .slice(1)
        .map((one) => one.split('\r\n\r\n')[1]),
    ).toEqual(['/a', '/b', '/a', '']);
    expect(answer.match(/tooloo; hit/g)).toHaveLength(4);
  });

  test('arbitrary header fields get a well-formed answer, and spoil no answer for other clients', async () => {
    const { ask } = await given(counting({ 'Cache-Control': 'max-age=6000', ETag: '"1"', Vary: 'Accept-Encoding' }));
    const name = fc.constantFrom(
      ...['Range', 'If-Range', 'If-None-Match', 'If-Modified-Since', 'Cache-Control', 'Pragma', 'Accept-Encoding'],
      ...['Forwarded', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'Authorization', 'Cookie', 'Host'],
    );
    const value = fc.oneof(
      fc.stringMatching(/^[\x21-\x7e]([\x20-\x7e]{0,40}[\x21-\x7e])?$/),
      fc.constantFrom(
        'bytes=0-',
        'bytes=-1,0-0',
        'bytes=9-1',
        '"1"',
        '*',
        'no-cache',
        'max-age=0',
        'no-store',
        'max-stale',
      ),
      fc.constantFrom('only-if-cached', 'gzip;q=0, br', 'Thu, 01 Jan 2026 00:00:00 GMT', 'for=a;host="b";proto=https'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 5 }), async (fields) => {
        const answer = await ask('/', { headers: Object.fromEntries(fields) });
        expect([200, 206, 304, 400, 416, 504]).toContain(answer.status);
        if (answer.status !== 400)
          expect(answer.headers['cache-status']).toMatch(/^tooloo; (hit; ttl=-?\d+|fwd=[a-z-]+)/);
        expect((await ask('/')).body).toMatch(/^answer \d+$/);
      }),
      { numRuns: 150 },
    );
  });
});

test('what one client stores under names of its own is bounded', async () => {
  const { ask, cache } = await given(counting(MINUTE));
  for (let i = 0; i < 30; i++) await ask('/', { headers: { 'X-Forwarded-Host': 'x'.repeat(i * 100) } });
  const { memory } = cache.stats().store as { memory: { bytes: number; size: number } };
  expect(memory.size).toBe(31); // and the index of them
  expect(memory.bytes).toBeLessThan(60_000);
});
