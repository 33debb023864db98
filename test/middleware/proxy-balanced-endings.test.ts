/** How an answer ends: with its head where it has no body, with the client where that leaves, and never by accident. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced, type ProxyBalanced, type ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import { rateLimit } from '../../src/middleware/rate-limit.js';
import { until } from '../support/eventually.js';
import { countingClock } from '../support/leftovers.js';
import { ask, createRig, exchangeBytes, type Rig } from '../support/proxy-rig.js';

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

test.each([
  ['as it is', {}],
  ['transformed', { transformResponse: (body: Buffer) => body }],
  ['with a Latin-1 field', { onResponseHeaders: (fields: object) => ({ ...fields, 'x-l': '\u00e9' }) }],
])('the 100 Continue of a pipelined request precedes its response, %s', async (_how, options) => {
  const url = await rig.origin((req, res) => void res.end(req.url!.slice(1)));
  const port = await rig.serve(make({ targets: [url], ...options }));
  const first = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n';
  const second = 'POST /second HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx';
  const received = await exchangeBytes(port, first + second, (text) => text.endsWith('second'));
  expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 100', 'HTTP/1.1 200']);
  expect(received).toMatch(/\r\n\r\nsecond$/);
});

test('a response that was held back goes out at the deadline, and no timer is left', async () => {
  const clock = countingClock();
  let asked = 0;
  const answer = (_req: IncomingMessage, res: ServerResponse): void => {
    if (asked++ === 0) res.writeHead(503).end(); // the other one never answers
  };
  const targets = [await rig.origin(answer), await rig.origin(answer)];
  const proxy = make({ targets, timeout: 300, clock });
  const port = await rig.serve(proxy);
  expect(await ask(port, { method: 'HEAD' })).toMatchObject({ status: 503 });
  expect(asked).toBe(2);
  await proxy.close();
  expect(clock.pending).toBe(0);
});

describe('an answer without a body is whole with its head', () => {
  test.each([
    ['GET', '304 Not Modified', 'Content-Length: 5', 'keep'],
    ['GET', '304 Not Modified', 'Content-Length: 5', 'close'],
    ['GET', '304 Not Modified', 'Content-Length: 5', 'reset'],
    ['GET', '304 Not Modified', 'Transfer-Encoding: chunked', 'keep'],
    ['GET', '304 Not Modified', 'Trailer: X-T', 'keep'],
    ['GET', '204 No Content', 'Content-Length: 7', 'keep'],
    ['GET', '204 No Content', 'X: y', 'reset'],
    ['HEAD', '304 Not Modified', 'Content-Length: 5', 'keep'],
    ['HEAD', '200 OK', 'Content-Length: 5', 'keep'],
    ['HEAD', '200 OK', 'Content-Length: 5', 'close'],
    ['HEAD', '200 OK', 'Transfer-Encoding: chunked', 'keep'],
    ['HEAD', '500 Oops', 'Content-Length: 5', 'keep'],
  ])('%s: %s with %s, then the instance does: %s', async (method, status, field, end) => {
    const url = await rig.rawOrigin((socket) => {
      socket.on('data', () => {
        socket.write(`HTTP/1.1 ${status}\r\nETag: "a"\r\n${field}\r\n\r\n`, () => {
          if (end === 'close') socket.end();
          else if (end === 'reset') socket.resetAndDestroy();
        });
      });
    });
    const proxy = make({ targets: [url] });
    const port = await rig.serve(proxy);
    const one = `${method} /x HTTP/1.1\r\nHost: h\r\nIf-None-Match: "a"\r\n`;
    // The second answer comes on the same connection: the first did not end it, and was framed for a client to find its end.
    const received = await exchangeBytes(port, `${one}\r\n${one}Connection: close\r\n\r\n`);
    expect(received.match(/^HTTP\/1\.1 .*/gm)).toEqual([`HTTP/1.1 ${status}`, `HTTP/1.1 ${status}`]);
    expect(received.endsWith('\r\n\r\n')).toBe(true);
    await until(() => proxy.stats().active === 0);
    expect(proxy.router.getRoutingStats().upstream!.inFlight).toBe(0);
  });
});

describe('a client that leaves', () => {
  const LIMIT = { rateLimit: 1000, concurrency: { limit: 1, release: 'handler' as const, abandonedTimeout: 600_000 } };

  test.each([
    ['before the instance answers', 'GET /x HTTP/1.1\r\nHost: h\r\n\r\n', undefined],
    ['while its small body is collected', 'POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc', undefined],
    [
      'in the middle of its upload',
      'POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n',
      undefined,
    ],
    [
      'while the instance is asked to continue',
      'PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n',
      undefined,
    ],
    ['in the middle of the answer', 'GET /half HTTP/1.1\r\nHost: h\r\n\r\n', 'half'],
  ])('%s gives its slot of a limit in front back at once', async (_when, bytes, awaited) => {
    const origin = await rig.origin((req, res) => {
      if (req.url === '/half') res.write('half');
      else if (req.url === '/ok') res.end('ok');
    });
    const proxy = make({ targets: [origin] });
    const limit = rateLimit(LIMIT);
    const server = createServer(compose(limit, proxy));
    const port = await rig.serveWith(server);
    const arrived = once(server, awaited === undefined && bytes.includes('Expect') ? 'checkContinue' : 'request');
    if (bytes.includes('Expect')) proxy.attach(server);
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('error', () => undefined);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    await arrived;
    if (awaited !== undefined) await until(() => received.includes(awaited));
    await until(() => proxy.stats().active === 1);
    socket.destroy();
    await until(() => proxy.stats().active === 0);
    expect(proxy.stats().clientGone).toBe(1);
    // The only slot is free again: `abandonedTimeout` is far away.
    expect(await ask(port, { path: '/ok' })).toMatchObject({ status: 200, body: 'ok' });
    await limit.close?.();
  });

  test('is not counted as gone where a handler in front has answered in place of the proxy', async () => {
    const origin = await rig.origin(() => undefined);
    const proxy = make({ targets: [origin] });
    let served: ServerResponse | undefined;
    const port = await rig.serve(
      Object.assign((req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => {
        served = res;
        proxy(req, res, next);
      }),
    );
    const answer = ask(port);
    await until(() => proxy.stats().active === 1);
    served!.end('timed out');
    expect((await answer).body).toBe('timed out');
    await until(() => proxy.stats().active === 0);
    expect(proxy.stats().clientGone).toBe(0);
  });
});
