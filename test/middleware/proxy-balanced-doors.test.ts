/** One way in and one way out: the proxy interprets a message once, regardless of how the message reaches it. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { connect as connectHttp2, createSecureServer, createServer as createHttp2Server } from 'node:http2';
import { connect, type Socket } from 'node:net';
import express from 'express';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced, type ProxyBalanced, type ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import { isClientClaim } from '../../src/routing/forwarding/client-claims.js';
import { until } from '../support/eventually.js';
import fc from '../support/fast-check.js';
import { ask, createRig, exchangeBytes, type Rig } from '../support/proxy-rig.js';
import { cert, key } from '../support/tls.js';

let rig: Rig;
let proxies: ProxyBalanced[];

beforeEach(() => {
  rig = createRig();
  proxies = [];
});
afterEach(async () => {
  for (const proxy of proxies) await proxy.close();
  await rig.close();
});

function make(options: ProxyBalancedOptions): ProxyBalanced {
  const proxy = proxyBalanced(options);
  proxies.push(proxy);
  return proxy;
}

const echo: RequestListener = (req, res) => void res.end(JSON.stringify({ url: req.url, ...req.headers }));

/** An origin that writes these bytes for every request. */
function says(...answers: string[]): Promise<string> {
  return rig.rawOrigin((socket) => {
    let count = 0;
    socket.on('data', () => socket.write(Buffer.from(answers[Math.min(count++, answers.length - 1)]!, 'latin1')));
  });
}

const statusOf = (bytes: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(bytes)?.[1]);

describe('in', () => {
  test.each([
    ['/public/../admin', 400],
    ['/public/%2e%2e/admin', 400],
    ['/public/.%2E/admin', 400],
    ['/public/..%2fadmin', 400],
    ['/public/..%5cadmin', 400],
    ['/public/..;a=b/admin', 400],
    ['/public/\\..\\admin', 400],
    ['/public/a/../../admin', 400],
    ['/public/.//../admin', 400],
    ['/public/a/../b', 200],
    ['/public/..a/b', 200],
    ['/public/x?y=../../z', 200],
    ['/admin', 404],
    ['/publicity', 404],
  ])('%s below /public: %i, upgrade or not', async (path, expected) => {
    const proxy = make({ targets: [await rig.origin(echo)], prefix: '/public' });
    const server = createServer(compose(proxy));
    proxy.attach(server);
    const port = await rig.serveWith(server);
    const ask = (fields: string): Promise<string> =>
      exchangeBytes(port, `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`);
    expect(statusOf(await ask('Connection: close'))).toBe(expected);
    expect(statusOf(await ask('Connection: Upgrade\r\nUpgrade: x'))).toBe(expected);
  });

  test.each([
    ['/', 'Host: a.example', 'a.example'],
    ['http://a.example/', 'Host: evil.example', 'a.example'],
    ['http://a.example:81/x', 'Host: evil.example', 'a.example:81'],
    ['/', 'Host: a\r\nHost: b', 400],
    ['/', 'Host: a b', 400],
    ['/', 'Host: user@a', 400],
    ['http://user@a/', 'Host: a', 400],
    ['*', 'Host: a', 400],
  ])('%s with %s is for %s, whoever is asked', async (target, host, expected) => {
    const port = await rig.serveWith(createServer(compose(make({ targets: [await rig.origin(echo)] }))));
    const bytes = await exchangeBytes(port, `GET ${target} HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`);
    if (typeof expected === 'number') expect(statusOf(bytes)).toBe(expected);
    else {
      const seen = JSON.parse(/\{.*\}/.exec(bytes)![0]) as IncomingMessage['headers'];
      expect([seen.host, seen['x-forwarded-host']]).toEqual([expected, expected]);
    }
  });

  test('what a stranger claims of itself is dropped, as a field, as a trailer and with underscores', () => {
    const claims = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'b', '-', '1'), maxLength: 8 }).map((rest) => `x-forwarded-${rest}`),
      fc.constantFrom('forwarded', 'x-real-ip', 'true-client-ip', 'cf-connecting-ip', 'x-rewrite-url', 'x-forwarded'),
      fc
        .constantFrom('ip', 'host', 'cert', 'verify')
        .chain((rest) =>
          fc.constantFrom(
            `x-client-${rest}`,
            `x-original-${rest}`,
            `x-ssl-${rest}`,
            `ssl-client-${rest}`,
            `x-${rest}-client-cert`,
          ),
        ),
    );
    fc.assert(fc.property(claims, (name) => isClientClaim(name) && isClientClaim(name.replaceAll('-', '_'))));
    for (const name of [
      'x-request-id',
      'accept',
      'cookie',
      'x-requested-with',
      'x-forwardedness',
      'content-type',
      'ssl',
    ]) {
      expect([name, isClientClaim(name)]).toEqual([name, false]);
    }
  });

  test('a claim passes from a trusted peer, from a middleware in front, or where it is allowed', async () => {
    const targets = [await rig.origin(echo)];
    const gateway: express.RequestHandler = (req, _res, next) => {
      req.headers['x-client-cert'] = 'checked by the gateway';
      next();
    };
    const headers = { 'X-Client-Cert': 'forged', 'X-Client-Version': '7', 'X-SSL-Subject': 'me' };
    const seen = async (options: Partial<ProxyBalancedOptions>, ...front: express.RequestHandler[]) => {
      const app = express().use(...front, make({ targets, ...options }) as express.RequestHandler);
      return JSON.parse((await ask(await rig.serveWith(createServer(app)), { headers })).body) as Record<
        string,
        string
      >;
    };
    const from = async (options: Partial<ProxyBalancedOptions>, ...front: express.RequestHandler[]) => {
      const all = await seen(options, ...front);
      return [all['x-client-cert'], all['x-client-version'], all['x-ssl-subject']];
    };
    const pass: express.RequestHandler = (_req, _res, next) => next();
    expect(await from({}, pass)).toEqual([undefined, undefined, undefined]);
    expect(await from({}, gateway)).toEqual(['checked by the gateway', undefined, undefined]);
    expect(await from({ allowClientFields: ['X-Client-Version'] }, pass)).toEqual([undefined, '7', undefined]);
    expect(await from({ trustProxy: 'loopback' }, pass)).toEqual(['forged', '7', 'me']);
  });

  test('Connection takes away what the client sent, never what was added since, nor what says who it is', async () => {
    const app = express().use(
      (req, _res, next) => {
        req.headers['x-user'] = 'guest';
        next();
      },
      make({ targets: [await rig.origin(echo)] }) as express.RequestHandler,
    );
    const port = await rig.serveWith(createServer(app));
    const headers = {
      Connection: 'close, x-user, x-own, authorization, cookie, host, x-forwarded-for, content-type',
      'X-User': 'root',
      'X-Own': '1',
      Authorization: 'a',
      Cookie: 'b=c',
      'Content-Type': 'd',
    };
    const seen = JSON.parse((await ask(port, { headers })).body) as Record<string, string>;
    expect(seen).toMatchObject({ 'x-user': 'guest', authorization: 'a', cookie: 'b=c', 'content-type': 'd' });
    expect(seen['x-forwarded-for']).toBe('127.0.0.1');
    expect(seen).not.toHaveProperty('x-own');
  });

  test.each([
    ['OPTIONS', '0', 204, undefined],
    ['TRACE', '0', 405, undefined],
    ['OPTIONS', '3', 200, '2'],
    ['GET', '0', 200, '0'],
  ])('%s with Max-Forwards: %s is %i, and %s is left', async (method, sent, status, left) => {
    const port = await rig.serve(make({ targets: [await rig.origin(echo)] }));
    const answer = await ask(port, { method, headers: { 'Max-Forwards': sent } });
    expect(answer.status).toBe(status);
    if (left !== undefined) expect(JSON.parse(answer.body)).toMatchObject({ 'max-forwards': left });
  });

  test.each([
    ['a=1&a=2', 'application/x-www-form-urlencoded', 'a=1&a=2'],
    ['a[]=1', 'application/x-www-form-urlencoded', 'a%5B%5D=1'],
    ['{"a":1}', 'application/x-www-form-urlencoded', '{"a":1}'],
    ['{"a":1}', 'text/plain', '{"a":1}'],
  ])('%s that a parser has read as anything is written again as %3$s', async (body, type, expected) => {
    const target = await rig.origin((req, res) => void req.pipe(res));
    const json = express.json({ type: (req) => body.startsWith('{') && req.method === 'POST' });
    const app = express().use(json, express.urlencoded({ extended: true }), make({ targets: [target] }) as never);
    const answer = await ask(await rig.serveWith(createServer(app)), {
      method: 'POST',
      headers: { 'Content-Type': type },
      body,
    });
    expect(answer.body).toBe(expected);
  });

  test('a body that is serialized again is UTF-8, and its Content-Type declares UTF-8', async () => {
    const target = await rig.origin((req, res) => {
      res.setHeader('X-Type', req.headers['content-type'] ?? '');
      req.pipe(res);
    });
    const app = express().use(express.text({ type: 'text/*' }), make({ targets: [target] }) as never);
    const answer = await ask(await rig.serveWith(createServer(app)), {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain; charset=iso-8859-1' },
      body: Buffer.from('f\u00fcr', 'latin1'),
    });
    expect(answer).toMatchObject({ body: 'für', headers: { 'x-type': 'text/plain; charset=utf-8' } });
  });

  test('a small body that never comes is 408 after the timeout', async () => {
    const proxy = make({ targets: [await rig.origin(echo)], timeout: 100 });
    const bytes = await exchangeBytes(
      await rig.serve(proxy),
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc',
      (received) => received.endsWith('}'), // Node keeps the connection for five seconds more
    );
    expect(statusOf(bytes)).toBe(408);
    expect(proxy.stats().active).toBe(0);
  });

  test.each(['Content-Length: 5', 'Transfer-Encoding: chunked'])(
    'Expect with a Trailer and %s is answered',
    async (framing) => {
      const proxy = make({ targets: [await rig.origin((req, res) => req.resume().on('end', () => res.end('ok')))] });
      const server = createServer(compose(proxy));
      proxy.attach(server);
      const body = framing.startsWith('C') ? 'hello' : '5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n';
      const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nTrailer: X-T\r\n${framing}\r\n\r\n`;
      const bytes = await exchangeBytes(await rig.serveWith(server), head + body);
      expect(bytes).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
      expect(proxy.stats().active).toBe(0);
    },
  );

  test('an HTTP/2 server in front forwards bodies, trailers and pseudo-header fields as HTTP/1 does', async () => {
    const target = await rig.origin((req, res) => {
      let body = '';
      req.on('data', (chunk) => (body += String(chunk)));
      req.on('end', () => {
        res.setHeader('Trailer', 'X-T');
        res.write(`${req.headers.host} ${body}`);
        res.addTrailers({ 'X-T': '1' });
        res.end();
      });
    });
    const proxy = make({ targets: [target] });
    const port = await rig.serveWith(createHttp2Server(compose(proxy) as never) as never);
    const client = connectHttp2(`http://127.0.0.1:${port}`);
    const outcomes = await Promise.all(
      ['GET', 'POST', 'POST'].map(
        (method, i) =>
          new Promise((resolve, reject) => {
            const length = i === 1 ? { 'content-length': '5' } : {};
            const stream = client.request({ ':path': '/', ':method': method, ':authority': 'shop.example', ...length });
            let text = '';
            let trailer: unknown;
            stream.on('data', (chunk) => (text += String(chunk)));
            stream.on('trailers', (trailers) => (trailer = trailers['x-t']));
            stream.on('error', reject);
            stream.on('close', () => resolve([text, trailer]));
            stream.end(method === 'POST' ? 'hello' : undefined);
          }),
      ),
    );
    expect(outcomes).toEqual([
      ['shop.example ', '1'],
      ['shop.example hello', '1'],
      ['shop.example hello', '1'],
    ]);
    client.close();
    await until(() => proxy.stats().active === 0);
  });
});

describe('out', () => {
  const HEAD = 'Content-Length: 2\r\n\r\nok';
  test.each([
    ['a reason in UTF-8', `HTTP/1.1 404 \u00d0\u009d\u00d0\u00b5\r\n${HEAD}`, 404],
    ['no reason', `HTTP/1.1 200\r\n${HEAD}`, 200],
    ['a status below 100', `HTTP/1.1 099 Low\r\n${HEAD}`, 502],
    ['the status 000', `HTTP/1.1 000 Zero\r\n${HEAD}`, 502],
    ['an unknown status', `HTTP/1.1 799 High\r\n${HEAD}`, 799],
    ['bytes beyond ASCII in a field', `HTTP/1.1 200 OK\r\nX-A: \u00c3\u00a9\u00ff\r\n${HEAD}`, 200],
    ['a second coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 502],
    ['a 304 that announces trailers', 'HTTP/1.1 304 Not Modified\r\nTrailer: X\r\n\r\n', 304],
    [
      'a 204 that announces trailers and a length',
      'HTTP/1.1 204 No Content\r\nTrailer: X\r\nContent-Length: 0\r\n\r\n',
      204,
    ],
    ['a length and a Trailer', `HTTP/1.1 200 OK\r\nTrailer: X\r\n${HEAD}`, 200],
    ['102 for ever', 'HTTP/1.1 102 Processing\r\n\r\n', 504],
    ['an unasked 100', `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n${HEAD}`, 200],
    [
      'a 103 whose reason injects a line',
      `HTTP/1.1 103 Early\u0000Set-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK\r\n${HEAD}`,
      [200, 502],
    ],
  ])('%s: the next answer on the connection is the next request’s', async (_name, answer, expected) => {
    const proxy = make({ targets: [await says(answer)], retry: false, timeout: 500 });
    const whole = make({ targets: [await rig.origin((_req, res) => res.end('the second'))], prefix: '/second' });
    const port = await rig.serveWith(createServer(compose(whole, proxy)));
    const bytes = await exchangeBytes(
      port,
      'GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    const heads = [...bytes.matchAll(/(?:^|\n|[}ok])HTTP\/1\.1 (\d{3})/g)]
      .map(([, status]) => Number(status))
      .filter((status) => status >= 200);
    expect([expected].flat()).toContain(heads[0]);
    expect(heads).toHaveLength(2);
    expect(bytes.endsWith('the second')).toBe(true);
    expect(bytes).not.toMatch(/Set-Cookie: a=b/i);
    await until(() => proxy.stats().active === 0);
  });

  test('bytes of a field pass as they came', async () => {
    const port = await rig.serve(
      make({ targets: [await says(`HTTP/1.1 200 OK\r\nX-A: \u00c3\u00a9\u00ff\r\n${HEAD}`)] }),
    );
    const bytes = await exchangeBytes(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(bytes).toContain('x-a: \u00c3\u00a9\u00ff\r\n');
  });
});

describe('several proxies on one server', () => {
  test('each takes its own upgrades and Expect requests, and other handlers run once', async () => {
    const seen: string[] = [];
    const origin = await rig.origin((req, res) => {
      seen.push(`${req.method} ${req.url}`);
      req.resume().on('end', () => res.end('ok'));
    });
    const a = make({ targets: [origin], prefix: '/a' });
    const b = make({ targets: [origin], prefix: '/b' });
    let runs = 0;
    const iterate = async (req: IncomingMessage): Promise<number> => {
      let length = 0;
      for await (const chunk of req) length += (chunk as Buffer).length;
      return length;
    };
    const own: RequestListener = (req, res) => {
      runs++;
      void iterate(req).then((length) => res.end(String(length)));
    };
    const server = createServer(compose(a, b, own));
    const detach = [a.attach(server), b.attach(server), a.attach(server)];
    const port = await rig.serveWith(server);
    const expecting = (path: string): Promise<string> =>
      new Promise((resolve) => {
        const socket: Socket = connect(port, '127.0.0.1');
        let received = '';
        socket.on('data', (chunk) => {
          received += String(chunk);
          if (received === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write('hello');
        });
        socket.on('close', () => resolve(received));
        socket.write(
          `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
        );
      });
    for (const path of ['/b/1', '/own']) expect(await expecting(path)).toContain('200 OK');
    expect([seen, runs]).toEqual([['POST /b/1'], 1]);
    for (const undo of detach) undo();
    expect([server.listenerCount('upgrade'), server.listenerCount('checkContinue')]).toEqual([0, 0]);
  });
});

describe('HTTP/2 to an instance', () => {
  test('a reset stream looks broken, and trailers pass', async () => {
    const origin = createSecureServer({ key, cert });
    origin.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      if (headers[':path'] === '/cut') {
        stream.respond({ ':status': 200 });
        stream.write('half', () => stream.destroy(new Error('torn')));
        return;
      }
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '13' }));
      stream.end('x');
    });
    const originPort = await rig.serveWith(origin as never);
    const proxy = make({
      targets: [`https://127.0.0.1:${originPort}`],
      http2: true,
      tls: { rejectUnauthorized: false },
      retry: false,
    });
    const port = await rig.serve(proxy);
    expect((await ask(port, { headers: { TE: 'trailers' } })).trailers).toEqual({ 'grpc-status': '13' });
    await expect(ask(port, { path: '/cut' })).rejects.toThrow();
    await until(() => proxy.stats().active === 0);
  });
});
