import compression from 'compression';
import express from 'express';
import express4 from 'express4';
import { createServer, get, request, type IncomingMessage, type RequestListener } from 'node:http';
import { once } from 'node:events';
import { connect, createServer as createNetServer, type AddressInfo, type Socket } from 'node:net';
import { createGunzip } from 'node:zlib';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced, type ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { ask, bodyOf, createRig, exchangeBytes, type Rig } from '../support/proxy-rig.js';
import { until } from '../support/eventually.js';

let rig: Rig;
beforeEach(() => {
  rig = createRig();
});
afterEach(() => rig.close());

/** A proxy in front of one origin. */
async function front(listener: RequestListener, options: ProxyBalancedOptions = {}): Promise<number> {
  return rig.serve(proxyBalanced({ targets: [await rig.origin(listener)], ...options }));
}

/** An origin that answers with the request it received. */
const mirror: RequestListener = (req, res) => {
  void bodyOf(req).then((body) => {
    res.setHeader('Content-Type', 'application/json');
    res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers, raw: req.rawHeaders, body }));
  });
};

describe('forwarding', () => {
  test('passes method, path, query, fields and body, and the answer back', async () => {
    const port = await front((req, res) => {
      void bodyOf(req).then((body) => {
        res.writeHead(201, 'Made', { 'X-Answer': 'yes', 'Set-Cookie': ['a=1', 'b=2'] });
        res.end(`${req.method} ${req.url} ${String(req.headers['x-asked'])} ${body}`);
      });
    });
    const answer = await ask(port, { method: 'POST', path: '/a/b?c=d', headers: { 'X-Asked': 'q' }, body: 'hello' });
    expect(answer).toMatchObject({ status: 201, body: 'POST /a/b?c=d q hello' });
    expect(answer.headers).toMatchObject({ 'x-answer': 'yes', 'set-cookie': ['a=1', 'b=2'] });
  });

  test.each([
    ['Express 5', () => express()],
    ['Express 4', () => express4()],
  ])('works mounted in %s, where the mount path is taken off', async (_name, create) => {
    const proxy = proxyBalanced({ targets: [await rig.origin(mirror)] });
    const app = create();
    app.use('/api', proxy);
    const port = await rig.serveWith(createServer(app));
    const answer = await ask(port, { path: '/api/items?x=1' });
    expect(JSON.parse(answer.body).url).toBe('/items?x=1');
    await proxy.close();
  });

  test('works under compose, where a prefix leaves other paths to the next handler', async () => {
    const proxy = proxyBalanced({ targets: [await rig.origin(mirror)], prefix: '/api' });
    const port = await rig.serveWith(createServer(compose(proxy)));
    expect(JSON.parse((await ask(port, { path: '/api/items' })).body).url).toBe('/api/items');
    expect((await ask(port, { path: '/apis' })).status).toBe(404);
    expect((await ask(port, { path: '/api' })).status).toBe(200);
    await proxy.close();
  });

  test.each(['express.json', 'express.urlencoded'] as const)('writes a body again that %s has read', async (parser) => {
    const proxy = proxyBalanced({ targets: [await rig.origin(mirror)] });
    const app = express();
    app.use(parser === 'express.json' ? express.json() : express.urlencoded({ extended: true }));
    app.use(proxy);
    const port = await rig.serveWith(createServer(app));
    const [type, body] =
      parser === 'express.json'
        ? ['application/json', '{"a":{"b":[1,"ü"]}}']
        : ['application/x-www-form-urlencoded', 'a%5Bb%5D=1&c%5B%5D=%C3%BC&d='];
    const answer = await ask(port, { method: 'POST', headers: { 'Content-Type': type }, body });
    expect(JSON.parse(answer.body)).toMatchObject({
      body,
      headers: { 'content-length': String(Buffer.byteLength(body)) },
    });
    await proxy.close();
  });

  test('answers 503 if the body was read already and cannot be serialized again', async () => {
    const proxy = proxyBalanced({ targets: [await rig.origin(mirror)] });
    const port = await rig.serve((req, res, next) => {
      req.resume().once('end', () => proxy(req, res, next));
    });
    const answer = await ask(port, { method: 'POST', headers: { 'Content-Type': 'multipart/form-data' }, body: 'x' });
    expect(JSON.parse(answer.body)).toMatchObject({ status: 503, code: 'NOT_CONFIGURED' });
    await proxy.close();
  });

  test.each(['GET', 'DELETE', 'POST'])('a chunked body of %s stays chunked', async (method) => {
    const port = await front(mirror);
    const raw = `${method} / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;
    const answer = await exchangeBytes(port, raw);
    const seen = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1));
    expect(seen).toMatchObject({ method, body: 'abc', headers: { 'transfer-encoding': 'chunked' } });
    expect(seen.headers['content-length']).toBeUndefined();
  });

  test('rewrites the path with the option `rewrite`', async () => {
    const port = await front(mirror, { rewrite: (path) => path.replace('/old', '/new') });
    expect(JSON.parse((await ask(port, { path: '/old?x' })).body).url).toBe('/new?x');
  });

  test('an absolute target is sent as a path and names the host', async () => {
    const port = await front(mirror);
    const answer = await exchangeBytes(
      port,
      'GET http://other.example/x?y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
    );
    const seen = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1));
    expect(seen).toMatchObject({ url: '/x?y', headers: { host: 'other.example' } });
  });
});

describe('fields', () => {
  test('what concerns one connection only is stripped, both ways', async () => {
    const port = await front((req, res) => {
      res.setHeader('Connection', 'X-Hop, close');
      res.setHeader('X-Hop', '1');
      res.setHeader('Proxy-Authenticate', 'Basic');
      res.setHeader('Keep-Alive', 'timeout=9');
      mirror(req, res);
    });
    const answer = await ask(port, {
      headers: {
        Connection: 'X-Mine, Host, Content-Length',
        'X-Mine': '1',
        'Keep-Alive': '1',
        'Proxy-Connection': 'x',
        'Proxy-Authorization': 'x',
        TE: 'gzip, trailers',
        'X-End': 'stays',
      },
    });
    const { headers } = JSON.parse(answer.body);
    expect(headers).toMatchObject({ 'x-end': 'stays', te: 'trailers', host: `127.0.0.1:${port}` });
    for (const name of ['x-mine', 'keep-alive', 'proxy-connection', 'proxy-authorization']) {
      expect(headers).not.toHaveProperty(name);
    }
    expect(answer.headers).not.toHaveProperty('x-hop');
    expect(answer.headers).not.toHaveProperty('proxy-authenticate');
    expect(answer.headers['keep-alive']).not.toBe('timeout=9');
  });

  test('a stranger’s forwarded fields are dropped', async () => {
    const port = await front(mirror);
    const answer = await ask(port, {
      headers: {
        'X-Forwarded-For': '6.6.6.6',
        Forwarded: 'for=6.6.6.6',
        'X-Real-IP': '6.6.6.6',
        'X-Forwarded-Proto': 'https',
      },
    });
    const { headers } = JSON.parse(answer.body);
    expect(headers).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', via: '1.1 tooloo' });
    expect(headers).not.toHaveProperty('forwarded');
    expect(headers).not.toHaveProperty('x-real-ip');
  });

  test('a trusted proxy’s are continued', async () => {
    const port = await front(mirror, { trustProxy: 'loopback' });
    const answer = await ask(port, {
      headers: {
        'X-Forwarded-For': '6.6.6.6',
        Forwarded: 'for=6.6.6.6',
        'X-Forwarded-Proto': 'https',
        Host: 'a.example',
      },
    });
    expect(JSON.parse(answer.body).headers).toMatchObject({
      'x-forwarded-for': '6.6.6.6, 127.0.0.1',
      'x-forwarded-proto': 'https',
      forwarded: 'for=6.6.6.6, for=127.0.0.1;host="a.example";proto=http',
    });
  });

  test('what was set before on the response stays, and cookies add up', async () => {
    const proxy = proxyBalanced({
      targets: [await rig.origin((_req, res) => res.setHeader('Set-Cookie', 'b=2').setHeader('Vary', 'Accept').end())],
    });
    const port = await rig.serve(
      Object.assign(
        (req: IncomingMessage, res: Parameters<RequestListener>[1], next: () => void) => {
          res.setHeader('Set-Cookie', 'a=1');
          res.setHeader('Vary', 'Origin');
          res.setHeader('X-Mine', '1');
          proxy(req, res, next);
        },
        { close: () => proxy.close() },
      ),
    );
    const { headers } = await ask(port);
    expect(headers).toMatchObject({ 'set-cookie': ['a=1', 'b=2'], vary: 'Origin, Accept', 'x-mine': '1' });
  });
});

describe('responses', () => {
  test('HEAD keeps the length and has no body; 204 and 304 have none', async () => {
    const port = await front((req, res) => {
      if (req.url === '/204') res.writeHead(204).end();
      else if (req.url === '/304') res.writeHead(304, { ETag: '"x"' }).end();
      else res.writeHead(200, { 'Content-Length': 1234 }).end();
    });
    const head = await ask(port, { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, body: '' });
    expect(head.headers['content-length']).toBe('1234');
    expect((await ask(port, { path: '/204' })).headers).not.toHaveProperty('content-length');
    expect(await ask(port, { path: '/304' })).toMatchObject({ status: 304, body: '', headers: { etag: '"x"' } });
  });

  test('trailers are relayed', async () => {
    const port = await front((_req, res) => {
      res.writeHead(200, { Trailer: 'X-Sum' });
      res.write('body');
      res.addTrailers({ 'X-Sum': '42' });
      res.end();
    });
    expect(await ask(port)).toMatchObject({ body: 'body', headers: { trailer: 'X-Sum' }, trailers: { 'x-sum': '42' } });
  });

  test('trailers of a request are relayed', async () => {
    const port = await front((req, res) => {
      void bodyOf(req).then((body) => res.end(`${body} ${String(req.trailers['x-sum'])}`));
    });
    const head =
      'POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n';
    const answer = await exchangeBytes(port, `${head}4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK[^]*body 42/);
  });

  test('1xx responses are relayed', async () => {
    const port = await front((_req, res) => {
      res.writeEarlyHints({ link: '</style.css>; rel=preload' });
      res.writeProcessing();
      res.end('done');
    });
    const informed: number[] = [];
    const req = get({ port, host: '127.0.0.1', agent: false });
    req.on('information', ({ statusCode, headers }) => {
      informed.push(statusCode);
      if (statusCode === 103) expect(headers.link).toBe('</style.css>; rel=preload');
    });
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    expect(await bodyOf(res)).toBe('done');
    expect(informed).toEqual([103, 102]);
  });

  test('an event stream is passed on as it comes', async () => {
    let send: (text: string) => void = () => undefined;
    const port = await front((_req, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' });
      res.flushHeaders();
      send = (text) => res.write(text);
    });
    const req = get({ port, host: '127.0.0.1', agent: false });
    const [res] = (await once(req, 'response')) as [IncomingMessage]; // the head came before any event
    send('data: 1\n\n');
    expect(String((await once(res, 'data'))[0])).toBe('data: 1\n\n');
    send('data: 2\n\n');
    expect(String((await once(res, 'data'))[0])).toBe('data: 2\n\n');
    req.destroy();
  });

  test.each(['text/event-stream', 'text/html'])(
    'a stream of %s is passed on as it comes through compression',
    async (type) => {
      let send: (text: string) => void = () => undefined;
      const origin = await rig.origin((_req, res) => {
        res.writeHead(200, { 'Content-Type': type });
        res.flushHeaders();
        send = (text) => res.write(text);
      });
      const proxy = proxyBalanced({ targets: [origin] });
      const port = await rig.serveWith(createServer(express().use(compression(), proxy)));
      const req = get({ port, host: '127.0.0.1', agent: false, headers: { 'Accept-Encoding': 'gzip' } });
      const [res] = (await once(req, 'response')) as [IncomingMessage];
      expect(res.headers['content-encoding']).toBe('gzip');
      const events = res.pipe(createGunzip());
      for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
        send(event);
        expect(String((await once(events, 'data'))[0])).toBe(event);
      }
      req.destroy();
      await proxy.close();
    },
  );

  test('the idle limit ends an event stream whose client leaves unnoticed before its request is read', async () => {
    const origin = createNetServer((socket) => {
      socket.once('data', () => {
        socket
          .pause()
          .write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: begun\n\n');
      });
      socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(origin, 'listening');
    const targets = [`http://127.0.0.1:${(origin.address() as AddressInfo).port}`];
    const proxy = proxyBalanced({ targets, idleTimeout: 50 });
    const server = createServer(compose(proxy)).listen(0, '127.0.0.1');
    const detach = proxy.attach(server);
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const length = 100_000;
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`);
    const [head] = (await once(client, 'data')) as [Buffer];
    expect(String(head)).toMatch(/^HTTP\/1.1 200 /);
    await new Promise((resolve) => client.write(Buffer.alloc(length - 1), resolve));
    client.destroy();
    await until(() => proxy.stats().active === 0, 'the exchange is left over');
    detach();
    await proxy.close();
    await Promise.all([server, origin].map((one) => once(one.close(), 'close')));
  });

  test('an event stream may be silent for ever, another response may not', async () => {
    const clock = new FakeClock();
    const ends: Array<() => void> = [];
    const port = await front(
      (req, res) => {
        res.writeHead(200, { 'Content-Type': req.url === '/events' ? 'text/event-stream' : 'text/plain' });
        res.flushHeaders();
        ends.push(() => res.end());
      },
      { clock, idleTimeout: 1000 },
    );
    const open = async (path: string): Promise<IncomingMessage> => {
      const [res] = (await once(get({ port, host: '127.0.0.1', agent: false, path }), 'response')) as [IncomingMessage];
      return res.on('error', () => undefined).resume();
    };
    const events = await open('/events');
    const plain = await open('/');
    const cut = new Promise((resolve) => plain.once('close', resolve));
    clock.tick(1000);
    await cut;
    expect(plain.complete).toBe(false);
    clock.tick(10_000_000);
    ends[0]!();
    await once(events, 'close');
    expect(events.complete).toBe(true);
  });

  test('an answer that comes before the upload has ended is delivered', async () => {
    const port = await front((_req, res) => res.writeHead(413).end('too much'));
    const req = request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      agent: false,
      headers: { 'Transfer-Encoding': 'chunked' },
    });
    req.write('x'.repeat(1000));
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    expect([res.statusCode, await bodyOf(res)]).toEqual([413, 'too much']);
    req.on('error', () => undefined).destroy();
  });
});

describe('errors', () => {
  test('refused is 502', async () => {
    const port = await rig.serve(proxyBalanced({ targets: ['http://127.0.0.1:1'] }));
    const answer = await ask(port);
    expect(JSON.parse(answer.body)).toMatchObject({ status: 502, code: 'UPSTREAM_REFUSED' });
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.body).not.toContain('127.0.0.1');
  });

  test('a reset is 502: a POST is not retried, a GET is retried once', async () => {
    let asked = 0;
    const origin = (socket: Socket) => {
      socket.once('data', () => {
        asked++;
        socket.resetAndDestroy();
      });
    };
    const targets = [await rig.rawOrigin(origin), await rig.rawOrigin(origin)];
    const port = await rig.serve(proxyBalanced({ targets }));
    expect((await ask(port, { method: 'POST', body: 'x' })).status).toBe(502);
    expect(asked).toBe(1);
    expect((await ask(port)).status).toBe(502);
    expect(asked).toBe(3);
  });

  test.each([
    ['no HTTP', 'SSH-2.0-x\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['an endless head', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('an answer with %s is 502 and its connection is closed', async (_name, bytes) => {
    let open = 0;
    const origin = await rig.rawOrigin((socket) => {
      open++;
      socket.once('close', () => open--);
      socket.once('data', () => socket.write(bytes));
    });
    const port = await rig.serve(proxyBalanced({ targets: [origin] }));
    const answer = await ask(port);
    expect(JSON.parse(answer.body)).toMatchObject({ status: 502, code: 'UPSTREAM_INVALID' });
    await until(() => open === 0);
  });

  test('a body that is cut off ends the client’s connection, not the response', async () => {
    const origin = await rig.rawOrigin((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', () => socket.destroy());
      });
    });
    const port = await rig.serve(proxyBalanced({ targets: [origin] }));
    await expect(ask(port)).rejects.toThrow(/aborted|hang up/);
  });

  test('no answer in time is 504', async () => {
    const port = await front(() => undefined, { timeout: 50 });
    expect(JSON.parse((await ask(port)).body)).toMatchObject({ status: 504, code: 'UPSTREAM_TIMEOUT' });
  });

  test('no instance is 503 with Retry-After', async () => {
    const port = await rig.serve(proxyBalanced({ targets: [] }));
    const answer = await ask(port);
    expect(JSON.parse(answer.body)).toMatchObject({ status: 503, code: 'NO_TARGET_AVAILABLE' });
    expect(answer.headers['retry-after']).toBe('1');
  });

  test('a full queue is 503 with Retry-After', async () => {
    const held: Array<() => void> = [];
    const port = await front((_req, res) => held.push(() => res.end('ok')), {
      maxConnections: 1,
      maxQueue: 1,
      retry: false,
    });
    const first = ask(port);
    await until(() => held.length > 0);
    const both = [ask(port), ask(port)];
    const refused = await Promise.race(both);
    expect(JSON.parse(refused.body)).toMatchObject({ status: 503, code: 'QUEUE_FULL' });
    expect(refused.headers['retry-after']).toBe('1');
    held.shift()!();
    expect((await first).body).toBe('ok');
    await until(() => held.length > 0);
    held.shift()!();
    expect((await Promise.all(both)).map(({ status }) => status).sort()).toEqual([200, 503]);
  });
});

describe('room', () => {
  test('a request goes to an instance with room at once, which is not a retry', async () => {
    const held: Array<() => void> = [];
    const hold: RequestListener = (_req, res) => held.push(() => res.end('ok'));
    const targets = [await rig.origin(hold), await rig.origin(hold), await rig.origin(hold)];
    const options = {
      algorithm: 'round-robin',
      maxConnections: 1,
      maxQueue: 0,
      retryBudget: { ratio: 0, min: 0 },
    } as const;
    const proxy = proxyBalanced({ targets, ...options });
    const port = await rig.serve(proxy);
    // Only the third instance has room for the third request, although its turn is that of the first.
    const first = [ask(port), ask(port)];
    await until(() => held.length === 2);
    proxy.router.routeRequest(proxy.router.services[0]!);
    const third = ask(port);
    await until(() => held.length === 3);
    expect((await ask(port)).status).toBe(503);
    expect(proxy.stats().retries).toBe(0);
    for (const answer of held) answer();
    expect((await Promise.all([...first, third])).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  test('a refused request leaves no trace at the router, and onError receives the message of its error', async () => {
    const held: Array<() => void> = [];
    const errors: Error[] = [];
    const proxy = proxyBalanced({
      targets: [await rig.origin((_req, res) => held.push(() => res.end('ok')))],
      maxConnections: 1,
      maxQueue: 0,
      onError: (error, _req, res) => {
        errors.push(error as Error);
        res.writeHead(503).end('busy');
      },
    });
    const port = await rig.serve(proxy);
    const first = ask(port);
    await until(() => held.length === 1);
    expect((await ask(port, { method: 'POST', body: 'small' })).body).toBe('busy');
    const { stack, message } = errors[0]!;
    expect(message).toMatch('too many requests are waiting for an instance');
    expect(stack).toContain(message);
    const [service] = Object.values(proxy.router.getRoutingStats());
    expect(service!.instances[0]).toMatchObject({ requests: 1, inFlight: 1 });
    held[0]!();
    expect((await first).status).toBe(200);
  });
});

describe('retries', () => {
  test('a refused request goes to another instance, regardless of its method', async () => {
    const targets = ['http://127.0.0.1:1', await rig.origin(mirror)];
    const proxy = proxyBalanced({ targets, algorithm: 'round-robin' });
    const port = await rig.serve(proxy);
    for (const method of ['PUT', 'POST', 'PATCH']) {
      const answer = await ask(port, { method, body: 'x'.repeat(100) });
      expect(JSON.parse(answer.body)).toMatchObject({ method, body: 'x'.repeat(100) });
    }
  });

  test('a small streamed body is replayed, a large one is not', async () => {
    const failing = await rig.rawOrigin((socket) => {
      let bytes = 0;
      socket.on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes > 2000) socket.resetAndDestroy();
      });
    });
    const targets = [failing, await rig.origin(mirror)];
    const port = await rig.serve(
      proxyBalanced({ targets, algorithm: 'round-robin', maxBodyBuffer: 10_000, circuitBreaker: false }),
    );
    const put = (size: number) =>
      ask(port, { method: 'PUT', headers: { 'Transfer-Encoding': 'chunked' }, body: 'y'.repeat(size) });
    const small = await put(9000);
    expect(JSON.parse(small.body).body).toBe('y'.repeat(9000));
    const sizes = await Promise.all([put(100_000), put(100_000)]);
    expect(sizes.map(({ status }) => status).sort()).toEqual([200, 502]);
  });

  test('a 500 of an idempotent request is asked elsewhere, and relayed when it is the best there is', async () => {
    const asked: string[] = [];
    const sick =
      (name: string): RequestListener =>
      (_req, res) => {
        asked.push(name);
        res.writeHead(500).end(name);
      };
    const targets = [await rig.origin(sick('a')), await rig.origin(sick('b'))];
    const port = await rig.serve(proxyBalanced({ targets, algorithm: 'round-robin' }));
    expect(await ask(port)).toMatchObject({ status: 500, body: 'b' });
    expect(asked).toEqual(['a', 'b']);
    await ask(port, { method: 'POST' });
    expect(asked).toHaveLength(3);
  });

  test('a hedged request gets the first answer, and the slower attempt is aborted', async () => {
    let slowGone = false;
    const slow: RequestListener = (_req, res) => res.once('close', () => (slowGone = true));
    const targets = [await rig.origin(slow), await rig.origin((_req, res) => res.end('quick'))];
    const port = await rig.serve(proxyBalanced({ targets, algorithm: 'round-robin', hedge: { delay: 10 } }));
    expect((await ask(port)).body).toBe('quick');
    await until(() => slowGone);
  });
});

describe('clients that leave', () => {
  test('end the upstream request at once, which does not count as a failure', async () => {
    let gone: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => (gone = resolve));
    const proxy = proxyBalanced({ targets: [await rig.origin((_req, res) => res.once('close', gone))] });
    const port = await rig.serve(proxy);
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    await until(() => proxy.stats().active > 0);
    socket.destroy();
    await closed;
    expect(proxy.stats()).toMatchObject({ active: 0, clientGone: 1 });
    const [stats] = proxy.router.getRoutingStats()['upstream']!.instances;
    expect(stats).toMatchObject({ inFlight: 0, failures: 0, circuit: 'closed' });
  });
});

test('requests that cannot be sent as they are cost no connection', async () => {
  const rewrite = (path: string): string => (path === '/bad' ? '/a b' : path);
  const port = await front((_req, res) => res.end('here'), { rewrite, maxConnections: 2, maxQueue: 0 });
  for (let i = 0; i < 4; i++) expect((await ask(port, { path: '/bad' })).status).toBe(400);
  for (let i = 0; i < 4; i++) expect((await ask(port, { path: '/good' })).body).toBe('here');
});
