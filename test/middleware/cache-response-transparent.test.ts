/** An application behaves as it did before the cache was mounted: heads, arguments, methods, fields, protocols. */
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { MultiLayerCacheManager } from '../../src/caching/index.js';
import { cacheResponse } from '../../src/middleware/cache-response.js';
import { compose } from '../../src/middleware/compose.js';
import type { Middleware } from '../../src/shared/http.js';
import { ask, listen, portOf, shut, until, type Answer } from '../support/cache-rig.js';

type Handler = (req: IncomingMessage, res: ServerResponse) => unknown;

/** Lets the error of a handler become a 500, as Express does. */
const guarded = (handler: Handler): Handler => {
  return (req, res) => {
    try {
      return handler(req, res);
    } catch (error) {
      if (res.headersSent) return res.destroy();
      for (const name of res.getHeaderNames()) res.removeHeader(name);
      res.statusCode = 500;
      return res.end((error as { code?: string }).code);
    }
  };
};

const closers: (() => unknown)[] = [];
afterEach(async () => {
  while (closers.length > 0) await closers.pop()!();
});

function newCache(options = {}): ReturnType<typeof cacheResponse> {
  const cache = cacheResponse(options);
  closers.push(() => cache.close());
  return cache;
}

async function serve(listener: RequestListener): Promise<(path: string, method?: string) => Promise<Answer>> {
  const server = await listen(listener);
  closers.push(() => shut(server));
  return (path, method = 'GET') => ask(portOf(server), path, { method, headers: { Host: 'h' } });
}

const shown = ({ status, reason, rawHeaders, body, cache }: Answer, isCopy = cache.includes('hit')): unknown => {
  const lines: string[] = [];
  // A hit knows the length of a body that the handler wrote without stating it.
  const isApart = isCopy ? /^(date|age|cache-status|content-length)$/i : /^(date|age|cache-status)$/i;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (!isApart.test(rawHeaders[i]!)) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  }
  return { status, reason, lines: lines.sort(), body };
};

describe('heads and arguments are judged by Node before the cache looks at them', () => {
  const set =
    (status: unknown): Handler =>
    (_req, res) => {
      res.statusCode = status as number;
      res.end('x');
    };
  const head = (...args: unknown[]): Handler => {
    return (_req, res) => (res.writeHead as (...all: unknown[]) => ServerResponse)(...args).end('x');
  };
  const handlers: Record<string, Handler> = {
    'statusCode undefined': set(undefined),
    'statusCode NaN': set(NaN),
    'statusCode "abc"': set('abc'),
    'statusCode 99': set(99),
    'statusCode "404"': set('404'),
    'statusCode 200.9': set(200.9),
    'writeHead()': head(),
    'writeHead("abc")': head('abc'),
    'writeHead(1000)': head(1000),
    'writeHead with a reason': head(200, 'Fine'),
    'writeHead with a bad reason': head(200, 'Fi\nne'),
    'writeHead with an object': head(200, { 'X-A': '1', 'X-B': ['1', '2'] }),
    'writeHead with a bad value': head(200, { 'X-A': 'a\nb' }),
    'writeHead with undefined': head(200, { 'X-A': undefined }),
    'writeHead with a bad name': head(200, { 'X A': '1' }),
    'writeHead with pairs': head(200, [
      ['X-A', '1'],
      ['X-A', '2'],
    ]),
    'writeHead with a flat list': head(200, ['X-A', '1', 'x-a', '2']),
    'writeHead with an odd list': head(200, ['X-A']),
    'writeHead with a status line and a list': head(201, 'Made', ['X-A', '1']),
    'writeHead with a caching object': head(200, { 'Cache-Control': 'max-age=60', 'X-A': ['1', '2'] }),
    'end(42)': (_req, res) => res.end(42 as never),
    'end(null)': (_req, res) => res.end(null),
    'write({})': (_req, res) => void (res.write({}), res.end()),
    'write(null)': (_req, res) => void (res.write(null), res.end()),
    writes: (_req, res) => void (res.write('a'), res.write(Buffer.from('b')), res.end('c')),
    'end in another encoding': (_req, res) => res.end('616263', 'hex'),
    flushHeaders: (_req, res) => void (res.flushHeaders(), res.end('x')),
    '204': (_req, res) => res.writeHead(204).end(),
    trailers: (_req, res) => {
      res.writeHead(200, { Trailer: 'X-T' });
      res.write('x');
      res.addTrailers({ 'X-T': '1' });
      res.end();
    },
  };

  test.each(Object.keys(handlers))('%s', async (name) => {
    const handler = guarded(handlers[name]!);
    const before: Middleware = (_req, res, next) => (res.setHeader('X-Before', '1'), next());
    for (const first of [[], [before]]) {
      const bare = await serve(compose(...first, handler));
      const cached = await serve(compose(...first, newCache(), handler));
      for (const method of ['GET', 'HEAD', 'POST']) {
        expect(shown(await cached('/', method))).toEqual(shown(await bare('/', method)));
      }
    }
  });
});

describe('a hit has the lines of the miss', () => {
  test.each(['nothing set before', 'fields set before'])('%s', async (kind) => {
    const before: Middleware = (_req, res, next) => {
      if (kind !== 'nothing set before') {
        for (const name of ['X-Before', 'X-Removed', 'X-Changed']) res.setHeader(name, 'before');
      }
      next();
    };
    const get = await serve(
      compose(before, newCache(), (_req, res) => {
        res.removeHeader('X-Removed');
        res.setHeader('X-Changed', ['1', '2']);
        res.setHeader('Content-Security-Policy', ["default-src 'self'", "frame-ancestors 'none'"]);
        res.setHeader('Cache-Control', 'max-age=60');
        res.end('x');
      }),
    );
    const miss = await get('/');
    const hit = await get('/');
    expect(hit.cache).toContain('hit');
    expect(shown(hit)).toEqual(shown(miss, true));
    expect(hit.rawHeaders.filter((name) => name === 'Content-Security-Policy')).toHaveLength(2);
  });
});

describe('two caches in one application', () => {
  test('a purge of the outer one reaches the inner one', async () => {
    const outer = newCache({ name: 'outer' });
    let count = 0;
    const get = await serve(
      compose(outer, newCache({ name: 'inner' }), (_req, res) => {
        res.writeHead(200, { 'Cache-Control': 'max-age=60' }).end(String(++count));
      }),
    );
    await get('/');
    await outer.purge('/');
    expect((await get('/')).body).toBe('2');
    await get('/', 'POST');
    expect((await get('/')).body).toBe('4');
  });

  test('with one store the inner one stands aside', async () => {
    const cache = new MultiLayerCacheManager({ disk: { dbPath: ':memory:' } });
    closers.push(() => cache.destroy());
    const get = await serve(
      compose(newCache({ cache, name: 'outer' }), newCache({ cache, name: 'inner' }), (_req, res) => {
        res.writeHead(200, { 'Cache-Control': 'max-age=60' }).end('x');
      }),
    );
    expect((await get('/')).headers['cache-status']).toBe('outer; fwd=uri-miss; stored');
    expect((await get('/')).headers['cache-status']).toBe('outer; hit; ttl=60');
  });
});

test('a change to another resource does not keep a response from being stored', async () => {
  const cache = newCache();
  const held: ServerResponse[] = [];
  const get = await serve(
    compose(cache, (req, res) => {
      if (req.method === 'POST') return void res.writeHead(204).end();
      held.push(res);
    }),
  );
  const answer = get('/page');
  await until(() => held.length === 1);
  await get('/log', 'POST');
  held[0]!.writeHead(200, { 'Cache-Control': 'max-age=60', Vary: 'Accept-Language' }).end('x');
  await answer;
  expect((await get('/page')).cache).toContain('hit');
});

test('simultaneous demands for a new answer are one request to the handler', async () => {
  const cache = newCache();
  const held: ServerResponse[] = [];
  const server = await listen(compose(cache, (_req, res) => void held.push(res)));
  closers.push(() => shut(server));
  const fields = { 'Cache-Control': 'max-age=60' };
  const first = ask(portOf(server), '/');
  await until(() => held.length === 1);
  held[0]!.writeHead(200, fields).end('old');
  await first;
  const demands = Array.from({ length: 5 }, () =>
    ask(portOf(server), '/', { headers: { 'Cache-Control': 'no-cache' } }),
  );
  await until(() => cache.stats().waiting === 4 || held.length > 2);
  held[1]!.writeHead(200, fields).end('new');
  expect((await Promise.all(demands)).map(({ body }) => body)).toEqual(Array(5).fill('new'));
  expect(held).toHaveLength(2);
});

test.each([
  ['ignore', 'hit; ttl=60', 'hit; ttl=60'],
  ['validators-only', 'hit; ttl=60', 'fwd=request; stored'],
])('clientDirectives: %s', async (clientDirectives, without, withValidator) => {
  const server = await listen(
    compose(newCache({ clientDirectives }), (req, res) => {
      if (req.url === '/tagged') res.setHeader('ETag', '"1"');
      res.writeHead(200, { 'Cache-Control': 'max-age=60' }).end('x');
    }),
  );
  closers.push(() => shut(server));
  const reload = (path: string) => ask(portOf(server), path, { headers: { 'Cache-Control': 'no-cache' } });
  for (const path of ['/plain', '/tagged']) await ask(portOf(server), path);
  expect([(await reload('/plain')).cache, (await reload('/tagged')).cache]).toEqual([without, withValidator]);
});

test('HTTP/2: stored by authority, invalidated, without a warning', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  let count = 0;
  const server = http2.createServer(
    compose(newCache(), (req, res) => {
      res.setHeader('Cache-Control', 'max-age=60');
      res.setHeader('X-Lines', ['a', 'b']);
      res.end(`${++count} of ${req.headers.host}`);
    }) as never,
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const get = async (authority: string, method = 'GET'): Promise<string> => {
    const stream = client.request({ ':path': '/', ':authority': authority, ':method': method });
    let body = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    await once(stream, 'end');
    return `${body}, lines ${String(headers['x-lines'])}`;
  };
  expect([await get('a'), await get('a'), await get('b')]).toEqual([
    '1 of a, lines a, b',
    '1 of a, lines a, b',
    '2 of b, lines a, b',
  ]);
  await get('a', 'POST');
  expect(await get('a')).toBe('4 of a, lines a, b');
  client.destroy();
  server.close();
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});

test('pipelined requests whose handler fails leave no flight behind', async () => {
  const cache = newCache();
  const handler: RequestListener = (_req, res) => void setImmediate(() => res.destroy());
  const server = await listen(compose(cache, handler));
  closers.push(() => shut(server));
  const socket = http.request({ port: portOf(server), agent: false }).on('error', () => undefined);
  socket.end();
  const { connect } = await import('node:net');
  const client = connect(portOf(server), '127.0.0.1').on('error', () => undefined);
  client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3));
  await once(client.resume(), 'close');
  await until(() => cache.stats().inFlight === 0);
  expect(cache.stats()).toMatchObject({ inFlight: 0, waiting: 0 });
});
