/** Features that users of http-proxy-middleware look for: targets by request, hooks, rewriting, error handlers. */
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { Agent } from 'undici';
import { proxyBalanced, type ProxyBalanced, type ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import { IntelligentRouter } from '../../src/routing/intelligent-router.js';
import { until } from '../support/eventually.js';
import { ask, createRig, type Rig } from '../support/proxy-rig.js';

let rig: Rig;
const proxies: ProxyBalanced[] = [];

beforeEach(() => {
  rig = createRig();
});
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close();
  await rig.close();
});

const echo: RequestListener = (req, res) => {
  res.setHeader('Content-Type', 'application/json');
  res.end(JSON.stringify({ url: req.url, headers: req.headers, raw: req.rawHeaders }));
};

interface Echoed {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly raw: readonly string[];
}

async function serve(options: ProxyBalancedOptions): Promise<number> {
  const proxy = proxyBalanced(options);
  proxies.push(proxy);
  return rig.serve(proxy);
}

const read = (body: string): Echoed => JSON.parse(body) as Echoed;

test('the target is chosen by the request, and another one where the function has none', async () => {
  const [a, b, fallback] = await Promise.all(
    ['a', 'b', 'fallback'].map((name) => rig.origin((_req, res) => res.end(name))),
  );
  const byPath: Record<string, string> = { '/a': a!, '/b': b! };
  const port = await serve({ targets: [fallback!], router: (req) => byPath[req.url!] });
  const bodies = await Promise.all(['/a', '/b', '/c', '/a'].map(async (path) => (await ask(port, { path })).body));
  expect(bodies).toEqual(['a', 'b', 'fallback', 'a']);
});

test('a choice that is not a valid target is a configuration error, and the response does not reveal it', async () => {
  const port = await serve({ targets: [], router: () => 'ftp://10.0.0.1' });
  const { status, body } = await ask(port);
  expect(status).toBe(503);
  expect(body).not.toContain('10.0.0.1');
});

test('the service of a shared router is chosen by the request', async () => {
  const router = new IntelligentRouter();
  for (const name of ['a', 'b']) router.addTarget(name, await rig.origin((_req, res) => res.end(name)));
  const port = await serve({ router, service: (req) => String(req.headers['x-tenant']) });
  expect((await ask(port, { headers: { 'X-Tenant': 'b' } })).body).toBe('b');
  expect((await ask(port, { headers: { 'X-Tenant': 'nobody' } })).status).toBe(503);
  router.close();
});

test('changeOrigin sends the target’s own host, and the client’s beside it', async () => {
  const target = await rig.origin(echo);
  const port = await serve({ targets: [target], changeOrigin: true });
  const { headers } = read((await ask(port, { headers: { Host: 'shop.example' } })).body);
  expect(headers.host).toBe(new URL(target).host);
  expect(headers['x-forwarded-host']).toBe('shop.example');
});

test.each([
  ['/v2', '/items?a=1', '/v2/items?a=1'],
  ['/v2/', '/', '/v2/'],
  ['/', '/x', '/x'],
])('a target with the base path %s is asked for %s as %s', async (basePath, path, expected) => {
  const port = await serve({ targets: [(await rig.origin(echo)) + basePath] });
  expect(read((await ask(port, { path })).body).url).toBe(expected);
});

test('ws:// names an instance as http:// does', async () => {
  const port = await serve({ targets: [(await rig.origin(echo)).replace('http:', 'ws:')] });
  expect((await ask(port)).status).toBe(200);
});

test('an instance may listen on a Unix domain socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-'));
  const socketPath = join(folder, 'api.sock');
  const server = createHttpServer(echo);
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const port = await serve({ targets: [`unix:${socketPath}:/v2`] });
  expect(read((await ask(port, { path: '/a' })).body).url).toBe('/v2/a');
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

test('hooks see and change fields of requests and answers, and leave the framing alone', async () => {
  const port = await serve({
    targets: [await rig.origin(echo)],
    onRequestHeaders: (headers) => {
      headers['x-added'] = 'by the hook';
      headers['content-length'] = '5';
      delete headers['user-agent'];
    },
    onResponseHeaders: (headers, req, status) => ({
      ...headers,
      'X-Seen': `${req.method} ${status}`,
      'content-length': '1',
    }),
  });
  const { headers, body } = await ask(port, { headers: { 'User-Agent': 'x' } });
  expect(headers['x-seen']).toBe('GET 200');
  expect(read(body).headers).toMatchObject({ 'x-added': 'by the hook' });
  expect(read(body).headers).not.toHaveProperty('user-agent');
});

test.each<[string, Partial<ProxyBalancedOptions>]>([
  ['onRequestHeaders', { onRequestHeaders: fail }],
  ['onResponseHeaders', { onResponseHeaders: fail }],
  ['transformResponse', { transformResponse: fail }],
  ['rewriteLocation', { rewriteLocation: fail }],
  ['rewrite', { rewrite: fail }],
  ['key', { key: fail }],
  ['timeout', { timeout: fail }],
  ['a field that cannot be written', { onResponseHeaders: () => ({ 'x-a': 'a\nb' }) }],
])('an option that throws is that request’s error alone: %s', async (_name, options) => {
  const port = await serve({
    targets: [
      await rig.origin((_req, res) => res.setHeader('Location', '/x').setHeader('X-Of-Instance', '1').end('x')),
    ],
    onError: (_error, _req, res) => void res.writeHead(500).end('handled'),
    ...options,
  });
  const { status, headers, body } = await ask(port);
  expect([status, body]).toEqual([500, 'handled']);
  expect(headers).not.toHaveProperty('x-of-instance');
  expect(proxies[0]!.stats().active).toBe(0);
});

function fail(): never {
  throw new Error('a fault of the application');
}

test('a whole body is changed, within bounds, and others pass', async () => {
  const bodies: Record<string, string> = { '/small': 'abc', '/large': 'x'.repeat(2000) };
  const origin = await rig.origin((req, res) => {
    if (req.headers['accept-encoding'] !== 'identity') return res.writeHead(406).end();
    res.setHeader('ETag', '"1"');
    for (const chunk of bodies[req.url!]!.match(/.{1,500}/g)!) res.write(chunk);
    return res.end();
  });
  const port = await serve({
    targets: [origin],
    maxTransformedBody: 1000,
    transformResponse: (body, { status }) => Promise.resolve(`${status} ${body.toString().toUpperCase()} ü`),
  });
  const small = await ask(port, { path: '/small', headers: { 'Accept-Encoding': 'gzip' } });
  expect(small).toMatchObject({ body: '200 ABC ü', headers: { 'content-length': '10' } });
  expect(small.headers).not.toHaveProperty('etag');
  expect((await ask(port, { path: '/large' })).body).toBe(bodies['/large']);
});

test('locations at the instance become locations here', async () => {
  let location = '';
  const target = await rig.origin((_req, res) => res.writeHead(302, { Location: location }).end());
  const proxy = proxyBalanced({ targets: [`${target}/base`], rewriteLocation: true });
  proxies.push(proxy);
  const port = await rig.serveWith(createHttpServer(express().use('/mounted', proxy)));
  const rewritten = async (sent: string): Promise<string | undefined> => {
    location = sent;
    return (await ask(port, { path: '/mounted/x' })).headers.location;
  };
  expect(await rewritten(`${target}/base/a?b`)).toBe('/mounted/a?b');
  expect(await rewritten('/base/a')).toBe('/mounted/a');
  expect(await rewritten('/other')).toBe('/mounted/other');
  expect(await rewritten('https://elsewhere.example/base/a')).toBe('https://elsewhere.example/base/a');
  expect(await rewritten('//elsewhere.example/a')).toBe('//elsewhere.example/a');
});

test('cookies get the configured domain and path', async () => {
  const cookies = ['a=1; Domain=internal.example; Path=/app; Secure', 'b=2; path=/; domain=other.example', 'c=3'];
  const target = await rig.origin((_req, res) => res.setHeader('Set-Cookie', cookies).end());
  const rewriteCookies = { domain: { 'internal.example': 'shop.example', '*': '' }, path: '/shop' };
  const port = await serve({ targets: [target], rewriteCookies });
  expect((await ask(port)).headers['set-cookie']).toEqual([
    'a=1; Domain=shop.example; Path=/shop; Secure',
    'b=2; Path=/shop',
    'c=3',
  ]);
});

test("onError: 'next' leaves the answer to the application's error middleware", async () => {
  const proxy = proxyBalanced({ targets: ['http://127.0.0.1:1'], onError: 'next' });
  proxies.push(proxy);
  const app = express().use(proxy);
  app.use((error: { code?: string }, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
    res.status(599).send(error.code);
  });
  const port = await rig.serveWith(createHttpServer(app));
  expect(await ask(port)).toMatchObject({ status: 599, body: 'UPSTREAM_REFUSED' });
  expect(await ask(port, { path: '/../x' })).toMatchObject({ status: 599, body: 'BAD_REQUEST' });
});

test('names of fields keep their case where that is asked for', async () => {
  const target = await rig.origin((req, res) => {
    res.setHeader('X-MixedCase', '1');
    echo(req, res);
  });
  const port = await serve({ targets: [target], preserveHeaderCase: true });
  const response = await new Promise<IncomingMessage>((resolve) => {
    void import('node:http').then(({ get }) => get({ port, headers: { 'X-oDD': '1' }, agent: false }, resolve));
  });
  expect(response.rawHeaders).toContain('X-MixedCase');
  let body = '';
  for await (const chunk of response) body += String(chunk);
  expect(read(body).raw).toContain('X-oDD');
});

test('the timeout may depend on the request', async () => {
  const target = await rig.origin(() => undefined);
  const port = await serve({ targets: [target], timeout: (req) => (req.url === '/quick' ? 50 : undefined) });
  expect((await ask(port, { path: '/quick' })).status).toBe(504);
});

test('copies go to the mirror, and what becomes of them touches nothing', async () => {
  const copies: string[] = [];
  const mirror = await rig.origin((req, res) => {
    let body = '';
    req.on('data', (chunk) => (body += String(chunk)));
    req.on('end', () => {
      copies.push(`${req.method} ${req.url} ${body}`);
      res.destroy();
    });
  });
  const target = await rig.origin((_req, res) => res.end('answer'));
  const port = await serve({ targets: [target], mirror: { target: `${mirror}/copy` } });
  expect((await ask(port, { path: '/a' })).body).toBe('answer');
  expect((await ask(port, { method: 'POST', body: 'order' })).body).toBe('answer');
  await until(() => copies.length === 2);
  expect(copies.sort()).toEqual(['GET /copy/a ', 'POST /copy/ order']);
});

test('requests go through a dispatcher of the application’s own, which stays open', async () => {
  const dispatcher = new Agent();
  const port = await serve({ targets: [await rig.origin(echo)], dispatcher });
  expect((await ask(port)).status).toBe(200);
  await proxies[0]!.close();
  expect(dispatcher.closed).toBe(false);
  await dispatcher.close();
});

test.each<[Record<string, unknown>, RegExp]>([
  [{ service: () => 'a' }, /needs a 'router'/],
  [{ onError: 'throw' }, /'onError'/],
  [{ mirror: {} }, /mirror: option 'target' is missing/],
  [{ mirror: { target: 'nowhere' } }, /expected a URL/],
  [{ rewriteCookies: { domain: 1 } }, /rewriteCookies/],
  [{ sticky: { sameSite: 'none', secure: false } }, /secure/],
  [{ sticky: { cookie: 'a;b' } }, /cookie name/],
])('invalid options throw an error that describes the fault: %j', (options, message) => {
  expect(() => proxyBalanced({ targets: ['http://127.0.0.1:1'], ...options })).toThrow(message);
});
