/** Bytes no honest client sends: refused or bounded, and never two opinions of where a request ends. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { proxyBalanced, type ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import { ask, bodyOf, createRig, exchangeBytes, type Rig } from '../support/proxy-rig.js';
import { until } from '../support/eventually.js';

let rig: Rig;
/** What the origin understood: method, path and body of each request, in order. */
let understood: string[];
beforeEach(() => {
  rig = createRig();
  understood = [];
});
afterEach(() => rig.close());

async function front(options: ProxyBalancedOptions = {}): Promise<number> {
  const origin = await rig.origin((req, res) => {
    void bodyOf(req).then((body) => {
      understood.push(`${req.method} ${req.url} ${body}`);
      res.end('ok');
    });
  });
  return rig.serve(proxyBalanced({ targets: [origin], maxConnections: 1, ...options }));
}

/** Sends the bytes, then proves with further requests over the proxy's one upstream connection that it is in step. */
async function send(port: number, bytes: string): Promise<string> {
  const answer = await exchangeBytes(port, bytes, (received) => received.endsWith('ok') || / 4\d\d /.test(received));
  for (let i = 0; i < 3; i++) {
    understood.push('—');
    expect(await ask(port, { path: `/probe/${i}` })).toMatchObject({ status: 200, body: 'ok' });
    expect(understood.at(-1)).toBe(`GET /probe/${i} `);
  }
  return answer;
}

const before = (): string[] => understood.slice(0, understood.indexOf('—'));
const HIDDEN = 'GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n';

test.each([
  [
    'length and chunks',
    'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX',
  ],
  [
    'chunks and length',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX',
  ],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  ['the same length twice', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na'],
  ['a list of lengths', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\na'],
  ['a length with a sign', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na'],
  ['a hexadecimal length', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\na'],
  ['a negative length', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\na'],
  ['an unknown coding', `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ['chunked not last', `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ['a space before the colon', `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  [
    'a folded coding',
    `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`,
  ],
  ['a control byte in the coding', 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n'],
  ['a bare LF after a field', `POST / HTTP/1.1\r\nHost: h\nContent-Length: 38\r\n\r\n${HIDDEN}`],
  ['a bare CR in a field', 'GET / HTTP/1.1\r\nHost: h\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n'],
  ['a NUL in a field', 'GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n'],
  [
    'a chunk size that is none',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n',
  ],
  [
    'a chunk size beyond all',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\na\r\n0\r\n\r\n',
  ],
  [
    'a chunk that is longer than said',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n',
  ],
  ['a bare LF after a chunk size', 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n'],
  ['no host', 'GET / HTTP/1.1\r\n\r\n'],
  ['a version that is none', 'GET / HTTP/9.9\r\nHost: h\r\n\r\n'],
  ['a method that is none', 'G?T / HTTP/1.1\r\nHost: h\r\n\r\n'],
  ['an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n'],
])('%s is refused', async (_name, bytes) => {
  const port = await front();
  expect(await send(port, bytes)).toMatch(/^HTTP\/1\.1 400 /);
  expect(before().filter((one) => one.includes('hidden'))).toEqual([]);
});

test.each([
  [
    'a field that names the framing',
    'POST / HTTP/1.1\r\nHost: h\r\nConnection: Content-Length\r\nContent-Length: 35\r\n\r\n',
  ],
  ['GET with a length', 'GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 35\r\n\r\n'],
  ['DELETE with a length', 'DELETE / HTTP/1.1\r\nHost: h\r\nContent-Length: 35\r\n\r\n'],
  ['OPTIONS with a length', 'OPTIONS / HTTP/1.1\r\nHost: h\r\nContent-Length: 35\r\n\r\n'],
])('%s: the body stays a body', async (_name, head) => {
  const port = await front();
  await send(port, head + HIDDEN.padEnd(35, '\n'));
  expect(before()).toEqual([expect.stringContaining(` / ${HIDDEN}`)]);
});

test.each(['GET', 'DELETE', 'POST'])('chunks of %s, with extensions and trailers, stay a body', async (method) => {
  const port = await front();
  const size = HIDDEN.length.toString(16);
  const bytes = `${method} / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${size};a=b;c="d"\r\n${HIDDEN}\r\n0\r\nX-Trailer: 99\r\n\r\n`;
  await send(port, bytes);
  expect(before()).toEqual([`${method} / ${HIDDEN}`]);
});

test('two hosts: one of them is meant, by everyone', async () => {
  const hosts: string[][] = [];
  const origin = await rig.origin((req, res) => {
    hosts.push(req.rawHeaders.filter((_value, i, all) => i % 2 === 1 && all[i - 1]!.toLowerCase() === 'host'));
    res.end('ok');
  });
  const port = await rig.serve(proxyBalanced({ targets: [origin] }));
  await exchangeBytes(port, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n');
  expect(hosts.length === 0 || hosts[0]!.length === 1).toBe(true);
});

test('pipelined requests are answered in order, one at a time', async () => {
  const port = await front();
  const bytes = ['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join('');
  const answer = await exchangeBytes(port, bytes, (received) => received.split('ok').length === 4);
  expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
  expect([...understood].sort()).toEqual(['GET /1 ', 'GET /2 ', 'GET /3 ']);
});

test('a 1xx for a pipelined request does not get into the answer before it', async () => {
  const origin = await rig.origin((req, res) => {
    if (req.url === '/2') {
      res.writeProcessing();
      res.end('second');
    } else void until(() => understood.includes('/2')).then(() => res.end('first'));
    understood.push(req.url!);
  });
  const port = await rig.serve(proxyBalanced({ targets: [origin] }));
  const bytes = ['/1', '/2'].map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join('');
  const answer = await exchangeBytes(port, bytes, (received) => received.includes('second'));
  expect(answer.indexOf('first')).toBeGreaterThan(0);
  const informed = answer.indexOf('HTTP/1.1 102');
  expect(informed === -1 || informed > answer.indexOf('first')).toBe(true);
});

test('header fields cannot be injected through the path or a header', async () => {
  const port = await front();
  expect(await send(port, 'GET /a\r\nX: y HTTP/1.1\r\nHost: h\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  const answer = await ask(port, { path: '/%0d%0aX-Injected:%201', headers: { 'X-A': 'a%0d%0ab' } });
  expect(answer.headers).not.toHaveProperty('x-injected');
  expect(understood.at(-1)).toBe('GET /%0d%0aX-Injected:%201 ');
});

test('a head that is too large is 431', async () => {
  const port = await front();
  const answer = await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  expect(understood).toEqual([]);
});

test('an answer sent before it was asked for is never taken for one', async () => {
  let connections = 0;
  const origin = await rig.rawOrigin((socket) => {
    socket.once('data', () => connections++);
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison');
    });
  });
  const port = await rig.serve(proxyBalanced({ targets: [origin], maxConnections: 1 }));
  for (let i = 0; i < 5; i++) expect((await ask(port)).body).toBe('ok');
  expect(connections).toBe(5);
});

test('a body after HEAD or 304 does not become the next answer', async () => {
  const origin = await rig.rawOrigin((socket) => {
    socket.on('data', (bytes) => {
      const isHead = String(bytes).startsWith('HEAD');
      socket.write(`HTTP/1.1 ${isHead ? '200 OK' : '304 Not Modified'}\r\nContent-Length: 6\r\n\r\npoison`);
    });
  });
  const port = await rig.serve(proxyBalanced({ targets: [origin], maxConnections: 1, outlier: false }));
  for (const method of ['HEAD', 'GET', 'HEAD', 'GET']) {
    expect(await ask(port, { method })).toMatchObject({ status: method === 'HEAD' ? 200 : 304, body: '' });
  }
});

describe('slow clients', () => {
  const hold = (port: number, bytes: string): Socket => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    return socket.on('error', () => undefined);
  };

  test('a small body that trickles holds no instance', async () => {
    const proxy = proxyBalanced({ targets: [await rig.origin((_req, res) => res.end('ok'))], maxConnections: 1 });
    const port = await rig.serve(proxy);
    const slow = Array.from({ length: 20 }, () =>
      hold(port, 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nx'),
    );
    await Promise.all(slow.map((socket) => once(socket, 'connect')));
    for (let i = 0; i < 10; i++) expect((await ask(port)).body).toBe('ok');
    expect(proxy.stats().active).toBe(0);
    for (const socket of slow) socket.destroy();
  });

  test('a large upload that stops is given up after the timeout, and is not the instance’s failure', async () => {
    const proxy = proxyBalanced({ targets: [await rig.origin((req) => req.resume())], timeout: 100 });
    const port = await rig.serve(proxy);
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n';
    expect(await exchangeBytes(port, head + 'x'.repeat(1000), (received) => received.includes('}'))).toMatch(
      / 408 [^]*REQUEST_TIMEOUT/,
    );
    expect(proxy.stats().active).toBe(0);
    expect(proxy.router.getRoutingStats()['upstream']!.failures).toBe(0);
  });

  test('a client that does not read stops the upstream, not the proxy, and is cut off in the end', async () => {
    let written = 0;
    const origin = await rig.origin((_req, res) => {
      const chunk = Buffer.alloc(65_536);
      const more = (): void => {
        while (!res.destroyed && written < 1e9) {
          written += chunk.length;
          if (!res.write(chunk)) {
            res.once('drain', more);
            return;
          }
        }
      };
      more();
    });
    const proxy = proxyBalanced({ targets: [origin], idleTimeout: 300 });
    const port = await rig.serve(proxy);
    const socket = hold(port, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    socket.pause();
    await until(() => proxy.stats().active === 1);
    await until(() => proxy.stats().active === 0);
    expect(written).toBeLessThan(50e6);
    socket.destroy();
  });
});

test('an upload flows at the pace of the instance', async () => {
  let received: IncomingMessage | undefined;
  const server = createServer((req) => (received = req.pause()));
  const port = await rig.serve(proxyBalanced({ targets: [`http://127.0.0.1:${await rig.serveWith(server)}`] }));
  const socket = connect(port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\nx');
  await until(() => received !== undefined);
  let sent = 0;
  const chunk = Buffer.alloc(65_536);
  while (socket.write(chunk)) sent += chunk.length;
  for (let i = 0; i < 200 && sent < 100e6; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    while (!socket.writableNeedDrain && sent < 100e6) {
      socket.write(chunk);
      sent += chunk.length;
    }
  }
  expect(sent).toBeLessThan(50e6);
  socket.on('error', () => undefined).destroy();
});
