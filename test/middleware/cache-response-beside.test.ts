import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGzip, gunzipSync, type Gzip } from 'node:zlib';
import express from 'express';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { cacheResponse, type CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { proxyBalanced } from '../../src/middleware/proxy-balanced.js';
import type { NextFunction } from '../../src/shared/http.js';
import { CacheApp } from '../support/cache-app.js';
import { listen, portOf, shut, until } from '../support/cache-rig.js';

const MINUTE = 'max-age=60';

let rig: CacheApp;

beforeEach(() => {
  rig = new CacheApp();
});
afterEach(() => rig.close());

/**
 * Imitates `compression`: once the head is decided, it encodes the body, removes the length and adds Vary. It wraps the
 * same methods in the same order.
 */
function gzip(req: IncomingMessage, res: ServerResponse, next: NextFunction): void {
  const { writeHead, write, end } = res as unknown as Record<string, (...args: unknown[]) => unknown>;
  let encoder: Gzip | undefined;
  Object.assign(res, {
    writeHead(...args: unknown[]) {
      res.writeHead = writeHead as never;
      res.appendHeader('Vary', 'Accept-Encoding');
      if (
        /gzip/.test(String(req.headers['accept-encoding'])) &&
        !res.hasHeader('content-encoding') &&
        req.method !== 'HEAD'
      ) {
        encoder = createGzip();
        encoder.on('data', (chunk) => write!.call(res, chunk));
        encoder.on('end', () => end!.call(res));
        res.setHeader('Content-Encoding', 'gzip');
        res.removeHeader('Content-Length');
      }
      return writeHead!.apply(res, args);
    },
    write(chunk: never, ...rest: unknown[]) {
      if (!res.headersSent) res.writeHead(res.statusCode);
      return encoder === undefined ? write!.call(res, chunk, ...rest) : encoder.write(chunk);
    },
    end(chunk: never, ...rest: unknown[]) {
      if (!res.headersSent) res.writeHead(res.statusCode);
      if (encoder === undefined) return end!.call(res, chunk, ...rest);
      encoder.end(chunk);
      return res;
    },
  });
  next();
}

/** Imitates `express-session`, which adds its cookie when the head is written. */
function session(_req: IncomingMessage, res: ServerResponse, next: NextFunction): void {
  const { writeHead } = res as unknown as Record<string, (...args: unknown[]) => unknown>;
  res.writeHead = ((...args: unknown[]) => {
    res.writeHead = writeHead as never;
    res.appendHeader('Set-Cookie', 'session=1');
    return writeHead!.apply(res, args);
  }) as never;
  next();
}

describe('compression', () => {
  const text = 'compressible '.repeat(500);
  const accepts = { 'Accept-Encoding': 'gzip' };

  /** The body a client decodes, from a request of its own. */
  async function decoded(path: string, headers: Record<string, string>): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${rig.port}${path}`, { headers });
    return response.text();
  }

  test('mounted before: what is stored is plain, each client gets what it accepts', async () => {
    const app = express();
    app.use(gzip);
    app.use(rig.newCache());
    app.get('/', (_req, res) => void res.set('Cache-Control', MINUTE).send(text));
    const get = await rig.serve(app);
    for (const cached of ['fwd=uri-miss; stored', 'hit; ttl=60']) {
      const { headers, cache: status } = await get('/', { headers: accepts });
      expect([headers['content-encoding'], headers.vary, status]).toEqual(['gzip', 'Accept-Encoding', cached]);
    }
    expect(await decoded('/', accepts)).toBe(text);
    expect(await get('/')).toMatchObject({ body: text, cache: 'hit; ttl=60' });
  });

  test('mounted after: what is stored is encoded, one variant for each coding', async () => {
    const app = express();
    app.use(rig.newCache());
    app.use(gzip);
    app.get('/', (_req, res) => void res.set('Cache-Control', MINUTE).send(text));
    const get = await rig.serve(app);
    expect((await get('/', { headers: accepts })).cache).toBe('fwd=uri-miss; stored');
    await until(() => rig.cache.stats().stored === 1);
    expect(await get('/')).toMatchObject({ body: text, cache: 'fwd=vary-miss; stored' });
    const hit = await get('/', { headers: { 'Accept-Encoding': 'gzip;q=1.0' } });
    expect([hit.cache, hit.headers['content-encoding'], hit.headers['transfer-encoding']]).toEqual([
      'hit; ttl=60',
      'gzip',
      undefined,
    ]);
    expect(await decoded('/', accepts)).toBe(text);
    expect(gunzipSync(Buffer.from(await (await fetchRaw('/')).arrayBuffer())).toString()).toBe(text);
  });

  /** Without decoding: Node's own client leaves the coding alone when it is asked for bytes. */
  async function fetchRaw(path: string): Promise<Response> {
    const http = await import('node:http');
    return new Promise((resolve) => {
      http.get({ host: '127.0.0.1', port: rig.port, path, headers: accepts, agent: false }, (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () => resolve(new Response(Buffer.concat(chunks))));
      });
    });
  }
});

describe('sessions', () => {
  test('mounted before: every client gets its cookie, none is stored', async () => {
    const app = express();
    app.use(session);
    app.use(rig.newCache());
    app.get('/', (_req, res) => void res.set('Cache-Control', MINUTE).send('x'));
    const get = await rig.serve(app);
    for (const status of ['fwd=uri-miss; stored', 'hit; ttl=60']) {
      expect(await get('/')).toMatchObject({ cache: status, headers: { 'set-cookie': ['session=1'] } });
    }
  });

  test('mounted after: a response that sets a cookie is not stored', async () => {
    const app = express();
    app.use(rig.newCache());
    app.use(session);
    app.get('/', (_req, res) => void res.set('Cache-Control', MINUTE).send('x'));
    const get = await rig.serve(app);
    await get('/');
    expect((await get('/')).cache).toBe('fwd=uri-miss; detail=set-cookie');
  });

  test('a handler that appends a cookie to those set before it has set one', async () => {
    const app = express();
    app.use((_req, res, next) => {
      res.setHeader('Set-Cookie', ['visit=1']); // a list, to which Node adds in place
      next();
    });
    app.use(rig.newCache());
    app.get('/', (_req, res) => {
      res.appendHeader('Set-Cookie', 'session=1');
      res.set('Cache-Control', MINUTE).send('x');
    });
    const get = await rig.serve(app);
    await get('/');
    expect((await get('/')).cache).toBe('fwd=uri-miss; detail=set-cookie');
  });
});

describe('in front of proxyBalanced', () => {
  async function fleet(origin: RequestListener, options: CacheResponseOptions = {}) {
    const upstream = await listen(origin);
    rig.onClose(() => shut(upstream));
    const proxy = proxyBalanced({ targets: [`http://127.0.0.1:${portOf(upstream)}`], health: false });
    rig.onClose(() => proxy.close());
    const app = express();
    app.use(rig.newCache(options));
    app.use(proxy as never);
    return { get: await rig.serve(app), upstream };
  }

  test('hits, validation and trailers of an upstream', async () => {
    let count = 0;
    const conditions: unknown[] = [];
    const { get } = await fleet((req, res) => {
      conditions.push(req.headers['if-none-match']);
      const isSame = req.headers['if-none-match'] === '"1"';
      res.writeHead(isSame ? 304 : 200, { 'Cache-Control': MINUTE, ETag: '"1"', ...(!isSame && { Trailer: 'X-Sum' }) });
      if (!isSame) {
        res.write(`answer ${++count}`);
        res.addTrailers({ 'X-Sum': '1' });
      }
      res.end();
    });
    await get('/');
    expect(await get('/')).toMatchObject({ body: 'answer 1', cache: 'hit; ttl=60', trailers: { 'x-sum': '1' } });
    rig.clock.tick(61_000);
    expect(await get('/')).toMatchObject({ body: 'answer 1', cache: 'fwd=stale; fwd-status=304' });
    expect(conditions).toEqual([undefined, '"1"']);
  });

  test('an upstream that dies in the middle leaves nothing behind', async () => {
    let dies = true;
    const { get } = await fleet((_req, res) => {
      res.writeHead(200, { 'Cache-Control': MINUTE });
      res.write('half');
      if (dies) setImmediate(() => res.socket!.destroy());
      else res.end(' and half');
    });
    await expect(get('/')).rejects.toThrow();
    dies = false;
    expect(await get('/')).toMatchObject({ body: 'half and half', cache: 'fwd=uri-miss; stored' });
  });

  test('an upstream that is gone is covered by stale-if-error, or is a 504 under must-revalidate', async () => {
    const { get, upstream } = await fleet((req, res) => {
      const more = req.url === '/must' ? 'must-revalidate' : 'stale-if-error=600';
      res.writeHead(200, { 'Cache-Control': `max-age=1, ${more}` }).end('x');
    });
    for (const path of ['/must', '/covered']) await get(path);
    await shut(upstream);
    rig.clock.tick(2_000);
    expect((await get('/must')).status).toBe(504);
    expect((await get('/covered')).body).toBe('x');
  });
});

test('several caches in one chain, each with its own member', async () => {
  const outer = cacheResponse({ name: 'outer' });
  rig.onClose(() => outer.close());
  const inner = rig.newCache({ name: 'inner' });
  const get = await rig.serve((req: IncomingMessage, res: ServerResponse) =>
    outer(req, res, () => inner(req, res, () => void res.writeHead(200, { 'Cache-Control': MINUTE }).end('x'))),
  );
  const first = await get('/');
  expect(first.headers['cache-status']).toBe('inner; fwd=uri-miss; stored, outer; fwd=uri-miss; stored');
  const second = await get('/');
  expect(second.headers['cache-status']).toBe('inner; fwd=uri-miss; stored, outer; hit; ttl=60');
});

test.each([false, true])(
  'two caches over one file: the inner one does not wait for the claim of the outer one (async handler between: %s)',
  async (isAsync) => {
    const folder = mkdtempSync(join(tmpdir(), 'two-caches-'));
    rig.onClose(() => rmSync(folder, { recursive: true }));
    const newManager = (): MultiLayerCacheManager => {
      const { clock } = rig;
      const manager = new MultiLayerCacheManager({ disk: { dbPath: join(folder, 'cache.db') }, clock });
      rig.onClose(() => manager.destroy());
      return manager;
    };
    const [outer, inner] = ['outer', 'inner'].map((name) => rig.newCache({ name, cache: newManager() }));
    let runs = 0;
    const app: RequestListener = (req, res) =>
      outer!(req, res, () => {
        const goOn = (): void =>
          void inner!(req, res, () => void res.writeHead(200, { 'Cache-Control': MINUTE }).end(`run ${++runs}`));
        if (isAsync) setImmediate(goOn);
        else goOn();
      });
    const ask = await rig.serve(app);
    // The clock stands still: a wait for the claim would never end.
    const answers = await Promise.all([ask('/x'), ask('/x'), ask('/x')]);
    expect(answers.map(({ body }) => body)).toEqual(['run 1', 'run 1', 'run 1']);
    expect((await ask('/x')).headers['cache-status']).toContain('outer; hit');
    expect(runs).toBe(1);
  },
);
