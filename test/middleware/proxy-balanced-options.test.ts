import { createSecureServer } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import { proxyBalanced, type ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import { IntelligentRouter } from '../../src/routing/intelligent-router.js';
import { registryTargets } from '../../src/routing/sources/registry-targets.js';
import { installInstrumentation, type Instrumentation } from '../../src/shared/instrumentation.js';
import { ask, bodyOf, createRig, type Rig } from '../support/proxy-rig.js';
import { cert, key } from '../support/tls.js';
import { until } from '../support/eventually.js';

let rig: Rig;
beforeEach(() => {
  rig = createRig();
});
afterEach(() => rig.close());

/** Origins that answer with their name; their URLs. */
async function origins(...names: string[]): Promise<string[]> {
  return Promise.all(names.map((name) => rig.origin((_req, res) => res.end(name))));
}

async function front(options: ProxyBalancedOptions): Promise<number> {
  return rig.serve(proxyBalanced(options));
}

describe('what is wrong is said at once', () => {
  test.each([
    [{}, /expected 'targets', or a 'service' of a 'router'/],
    [{ targets: ['nonsense'] }, /expected a URL/],
    [{ targets: [], algorythm: 'weighted' }, /did you mean 'algorithm'/],
    [{ targets: [], algorithm: 'fastest' }, /"round-robin"/],
    [{ targets: [], timeout: 0 }, /a number above 0/],
    [{ targets: [], retry: { attempts: 0 } }, /attempts/],
    [{ targets: [], retry: { statuses: [200] } }, /statuses/],
    [{ targets: [], hedge: { delay: -1 } }, /delay/],
    [{ targets: [], trustProxy: 'everyone' }, /trustProxy/],
    [{ targets: [], sticky: { cookie: '' } }, /cookie/],
    [{ targets: [], health: { checkIntervall: 1 } }, /checkInterval/],
    [{ router: new IntelligentRouter(), algorithm: 'weighted' }, /'algorithm' belongs to the router/],
  ])('%j', (options, message) => {
    expect(() => proxyBalanced(options as ProxyBalancedOptions)).toThrow(message);
  });
});

describe('sticky sessions', () => {
  test('a signed cookie keeps a session with its instance', async () => {
    const port = await front({
      targets: await origins('a', 'b', 'c'),
      algorithm: 'round-robin',
      sticky: { secret: 's' },
    });
    const first = await ask(port);
    const [cookie] = first.headers['set-cookie']!;
    expect(cookie).toMatch(/^tooloo_instance=[\w-]{43}; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/);
    expect(cookie).not.toContain('127.0.0.1');
    const headers = { Cookie: `x=1; ${cookie!.split(';')[0]}` };
    for (let i = 0; i < 5; i++) {
      const again = await ask(port, { headers });
      expect(again.body).toBe(first.body);
      expect(again.headers).not.toHaveProperty('set-cookie');
    }
  });

  test('a cookie that was tampered with, or of another service, counts for nothing', async () => {
    const targets = await origins('a', 'b');
    const port = await front({
      targets,
      service: 'one',
      algorithm: 'round-robin',
      sticky: { secret: 's', cookie: 'c' },
    });
    const other = await front({
      targets,
      service: 'two',
      algorithm: 'round-robin',
      sticky: { secret: 's', cookie: 'c' },
    });
    const [cookie = ''] = (await ask(other)).headers['set-cookie']!;
    const value = cookie.split(';')[0]!;
    for (const forged of [value, `${value.slice(0, -3)}abc`, 'c=x', 'c=.', 'c=a.b.c']) {
      const answer = await ask(port, { headers: { Cookie: forged } });
      expect(answer.headers['set-cookie']).toHaveLength(1);
    }
  });

  test('an instance that drains gives its sessions away', async () => {
    const proxy = proxyBalanced({ targets: await origins('a', 'b'), algorithm: 'round-robin', sticky: {} });
    const port = await rig.serve(proxy);
    const first = await ask(port);
    const headers = { Cookie: first.headers['set-cookie']![0]!.split(';')[0]! };
    const [a, b] = proxy.router.getHealthyTargets('upstream');
    await proxy.router.drain(first.body === 'a' ? a! : b!);
    const moved = await ask(port, { headers });
    expect(moved.body).not.toBe(first.body);
    expect(moved.headers['set-cookie']).toHaveLength(1);
  });

  test('a header names the session', async () => {
    const port = await front({
      targets: await origins('a', 'b', 'c'),
      algorithm: 'round-robin',
      sticky: { header: 'X-Session' },
    });
    const bodies = new Map<string, Set<string>>();
    for (let i = 0; i < 24; i++) {
      const session = `s${i % 5}`;
      const { body, headers } = await ask(port, { headers: { 'X-Session': session } });
      bodies.set(session, (bodies.get(session) ?? new Set()).add(body));
      expect(headers).not.toHaveProperty('set-cookie');
    }
    for (const seen of bodies.values()) expect(seen.size).toBe(1);
    expect(new Set((await Promise.all([1, 2, 3].map(() => ask(port)))).map(({ body }) => body)).size).toBe(3);
  });
});

test('ip-hash keeps a client with its instance; a key of one’s own does too', async () => {
  const targets = await origins('a', 'b', 'c', 'd');
  const byAddress = await front({ targets, algorithm: 'ip-hash', trustProxy: true });
  const byKey = await front({ targets, algorithm: 'consistent-hash', key: (req) => String(req.headers['x-tenant']) });
  const seen = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const headers = { 'X-Forwarded-For': `192.0.2.${i}`, 'X-Tenant': `t${i}` };
    for (const port of [byAddress, byKey]) {
      const { body } = await ask(port, { headers });
      expect((await ask(port, { headers })).body).toBe(body);
      seen.add(body);
    }
  }
  expect(seen.size).toBe(4);
});

describe('TLS', () => {
  const listener: Parameters<typeof createTlsServer>[1] = (req, res) => {
    void bodyOf(req).then((body) => {
      const { servername } = req.socket as { servername?: string | false };
      res.end(`${req.httpVersion} ${String(servername)} ${String(req.headers['x-forwarded-proto'])} ${body}`);
    });
  };

  test('instances are asked over TLS by their own name, and a certificate of another is refused', async () => {
    const port = await rig.serveWith(createTlsServer({ key, cert }, listener));
    const trusted = await front({ targets: [`https://localhost:${port}`], tls: { ca: cert } });
    const answer = await ask(trusted, { method: 'POST', headers: { Host: 'public.example' }, body: 'x' });
    expect(answer).toMatchObject({ status: 200, body: '1.1 localhost http x' });
    const strangers = await front({ targets: [`https://localhost:${port}`] });
    expect(await ask(strangers)).toMatchObject({ status: 502 });
    const misnamed = await front({
      targets: [`https://localhost:${port}`],
      tls: { ca: cert, servername: 'other.example' },
    });
    expect(await ask(misnamed)).toMatchObject({ status: 502 });
    const careless = await front({ targets: [`https://127.0.0.1:${port}`], tls: { rejectUnauthorized: false } });
    expect(await ask(careless)).toMatchObject({ status: 200 });
  });

  test('HTTP/2 to instances that offer it', async () => {
    const server = createSecureServer({ key, cert, allowHTTP1: true });
    server.on('request', (req, res) => {
      let body = '';
      req.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      req.once('end', () => {
        res.setHeader('X-Version', req.httpVersion);
        res.setHeader('Set-Cookie', ['a=1', 'b=2']);
        res.end(`${req.method} ${body}`);
      });
    });
    const port = await rig.serveWith(server as never);
    const proxied = await front({ targets: [`https://localhost:${port}`], tls: { ca: cert }, http2: true });
    const got = await ask(proxied);
    expect(got).toMatchObject({
      status: 200,
      body: 'GET ',
      headers: { 'x-version': '2.0', 'set-cookie': ['a=1', 'b=2'] },
    });
    const body = 'y'.repeat(200_000);
    const posted = await ask(proxied, { method: 'POST', body });
    expect([posted.headers['x-version'], posted.body]).toEqual(['2.0', `POST ${body}`]);
    const many = await Promise.all(Array.from({ length: 50 }, () => ask(proxied)));
    expect(many.every(({ status }) => status === 200)).toBe(true);
  });
});

describe('traces', () => {
  afterEach(() => installInstrumentation(undefined));

  test('what the client sent passes through where nothing is traced', async () => {
    const port = await front({ targets: [await rig.origin((req, res) => res.end(req.headers.traceparent))] });
    expect((await ask(port, { headers: { traceparent: 'as-it-came' } })).body).toBe('as-it-came');
  });

  test('each attempt is a span of its own, and sends its own context', async () => {
    const ended: Array<[string, unknown]> = [];
    let spans = 0;
    const instrumentation: Instrumentation = {
      startSpan: (operation, attributes) => {
        const name = `${operation} ${++spans} ${String(attributes?.['http.request.resend_count'])}`;
        return {
          setAttribute: () => undefined,
          inject: (headers) => void (headers['traceparent'] = name),
          end: (error) => void ended.push([name, error]),
        };
      },
      inject: () => undefined,
      current: () => undefined,
      currentRoute: () => undefined,
      nameRoute: () => undefined,
      bind: (callback) => callback,
    };
    installInstrumentation(instrumentation);
    const good = await rig.origin((req, res) => res.end(req.headers.traceparent));
    const port = await front({ targets: ['http://127.0.0.1:1', good], algorithm: 'round-robin' });
    const answer = await ask(port, { headers: { traceparent: 'as-it-came' } });
    expect(answer.body).toBe('proxy.attempt 2 1');
    expect(ended.map(([name, error]) => [name, error !== undefined])).toEqual([
      ['proxy.attempt 1 0', true],
      ['proxy.attempt 2 1', false],
    ]);
  });
});

test('active checks take an instance out before any request meets it', async () => {
  let isWell = true;
  const checked = await rig.origin((req, res) => {
    if (req.url === '/up') res.writeHead(isWell ? 200 : 503).end();
    else res.end('checked');
  });
  const [other] = await origins('other');
  const health = { path: '/up', checkInterval: 20, fastInterval: 20 };
  const proxy = proxyBalanced({ targets: [checked, other!], algorithm: 'round-robin', health });
  const port = await rig.serve(proxy);
  const healthy = (): number => proxy.router.getHealthyTargets('upstream').length;
  await until(() => healthy() === 2);
  isWell = false;
  await until(() => healthy() === 1);
  for (let i = 0; i < 4; i++) expect((await ask(port)).body).toBe('other');
  isWell = true;
  await until(() => healthy() === 2);
});

test('a shared router serves several proxies, and is not closed with them', async () => {
  const router = new IntelligentRouter({ balancer: 'round-robin' });
  const [a, b] = await origins('a', 'b');
  router.addTarget('first', a!);
  router.addTarget('second', b!);
  const first = proxyBalanced({ router, service: 'first' });
  const firstPort = await rig.serve(first);
  const secondPort = await rig.serve(proxyBalanced({ router, service: 'second' }));
  expect([(await ask(firstPort)).body, (await ask(secondPort)).body]).toEqual(['a', 'b']);
  await first.close();
  await first.close();
  expect((await ask(secondPort)).body).toBe('b');
  expect(router.getRoutingStats()).toMatchObject({ first: { requests: 1 }, second: { requests: 2, inFlight: 0 } });
  router.close();
});

test('targets may come from a registry', async () => {
  const [url] = await origins('registered');
  const instance = { service: 'shop', id: '1', host: '127.0.0.1', port: Number(new URL(url!).port), state: 'ready' };
  const registry = await rig.origin((_req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    res.write(`event: snapshot\ndata: ${JSON.stringify({ instances: [instance] })}\n\n`);
  });
  const source = registryTargets(registry);
  const proxy = proxyBalanced({ service: 'shop', targets: source });
  const port = await rig.serve(proxy);
  await until(() => proxy.router.size('shop') === 1);
  expect((await ask(port)).body).toBe('registered');
  await source.close();
});
