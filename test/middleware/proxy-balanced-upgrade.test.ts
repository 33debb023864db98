import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { proxyBalanced, type ProxyBalanced, type ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import { createRig, exchangeBytes, type Rig } from '../support/proxy-rig.js';
import { until } from '../support/eventually.js';

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

const HANDSHAKE =
  'GET /chat?x=1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, X-Hop\r\nX-Hop: 1\r\nUpgrade: echo\r\nX-End: stays\r\n\r\n';

/** A server that agrees to any upgrade and echoes bytes. */
async function echo(onUpgrade: (req: IncomingMessage, socket: Duplex) => void = () => undefined): Promise<string> {
  const server = createServer((_req, res) => res.writeHead(426).end('upgrade'));
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined);
    socket.write(
      `HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: ${req.headers.upgrade}\r\nX-Own: 1\r\n\r\n`,
    );
    onUpgrade(req, socket);
    if (head.length > 0) socket.write(head);
    socket.pipe(socket);
  });
  return `http://127.0.0.1:${await rig.serveWith(server)}`;
}

async function front(options: ProxyBalancedOptions): Promise<{ port: number; proxy: ProxyBalanced; server: Server }> {
  const proxy = proxyBalanced(options);
  proxies.push(proxy);
  const server = createServer((req, res) => proxy(req, res, () => res.writeHead(404).end()));
  proxy.attach(server);
  return { port: await rig.serveWith(server), proxy, server };
}

/** Opens an upgraded connection; what is on it after the head is `rest`. */
async function open(port: number, bytes = HANDSHAKE): Promise<{ socket: Socket; head: string; rest: string }> {
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('latin1');
  socket.write(bytes);
  let received = '';
  const gather = (chunk: string): void => void (received += chunk);
  socket.on('data', gather);
  await until(() => received.includes('\r\n\r\n'));
  socket.off('data', gather);
  const end = received.indexOf('\r\n\r\n') + 4;
  return { socket, head: received.slice(0, end), rest: received.slice(end) };
}

describe('an upgrade behind a pipelined request', () => {
  const FIRST = 'GET /first HTTP/1.1\r\nHost: h\r\n\r\n';

  /** The second request has reached the proxy before the first is answered. */
  async function pipelined(instance: Server): Promise<{ port: number; answerFirst: () => void }> {
    let first: (() => void) | undefined;
    instance.on('request', (_req, res) => (first = () => res.end('of the first')));
    const { port, server } = await front({ targets: [`http://127.0.0.1:${await rig.serveWith(instance)}`] });
    let hasUpgrade = false;
    server.prependListener('upgrade', () => (hasUpgrade = true));
    const answerFirst = (): void => {
      void until(() => hasUpgrade && first !== undefined).then(() => first!());
    };
    return { port, answerFirst };
  }

  test('waits for the response to that', async () => {
    const instance = createServer();
    instance.on('upgrade', (_req, socket: Duplex) => {
      socket.write('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      socket.pipe(socket);
    });
    const { port, answerFirst } = await pipelined(instance);
    answerFirst();
    const received = await exchangeBytes(port, `${FIRST}${HANDSHAKE}early`, (text) => text.endsWith('early'));
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*of the first\r?\n?[^]*HTTP\/1\.1 101 Switching/);
  });

  test('ends with a client that leaves in between', async () => {
    const { port, proxy, server } = await front({ targets: [await rig.origin(() => undefined)] });
    const client = connect(port, '127.0.0.1', () => client.write(FIRST + HANDSHAKE));
    await once(server, 'upgrade');
    expect(proxy.stats().active).toBe(1);
    client.destroy();
    await until(() => proxy.stats().active === 0, 'the request before the upgrade goes on');
  });

  test('is refused after it', async () => {
    const instance = createServer();
    instance.on('upgrade', (_req, socket: Duplex) => {
      socket.end('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno');
    });
    const { port, answerFirst } = await pipelined(instance);
    answerFirst();
    const received = await exchangeBytes(port, FIRST + HANDSHAKE);
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 403']);
  });
});

test.each([
  ['POST', 1],
  ['GET', 3],
])('an upgrade by %s that no instance answers is sent to %i of three', async (method, times) => {
  let seen = 0;
  const dying = (): Promise<string> => rig.rawOrigin((socket) => socket.on('data', () => (seen++, socket.destroy())));
  const { port } = await front({ targets: [await dying(), await dying(), await dying()] });
  expect(await exchangeBytes(port, HANDSHAKE.replace('GET', method))).toMatch(/^HTTP\/1\.1 502/);
  expect(seen).toBe(times);
});

test('a refusal that breaks off looks truncated, also without a length', async () => {
  const instance = createServer();
  instance.on('upgrade', (_req, socket: Duplex) => {
    socket.write('HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', () => socket.destroy());
  });
  const { port } = await front({ targets: [`http://127.0.0.1:${await rig.serveWith(instance)}`] });
  const received = await exchangeBytes(port, HANDSHAKE);
  expect(received).toMatch(/\r\ntransfer-encoding: chunked\r\n[^]*\r\n\r\n4\r\nhalf\r\n$/i);
});

test('an upgrade goes through, bytes sent along with it included, and then everything both ways', async () => {
  let asked: IncomingMessage | undefined;
  const { port, proxy } = await front({ targets: [await echo((req) => (asked = req))] });
  const { socket, head, rest } = await open(port, `${HANDSHAKE}early`);
  expect(head).toMatch(/^HTTP\/1\.1 101 Switching\r\n/);
  expect(head).toMatch(/x-own: 1\r\n/);
  expect(head.match(/connection:/gi)).toHaveLength(1);
  expect(asked).toMatchObject({
    url: '/chat?x=1',
    headers: { upgrade: 'echo', 'x-end': 'stays', 'x-forwarded-for': '127.0.0.1' },
  });
  expect(asked!.headers).not.toHaveProperty('x-hop');
  let echoed = rest;
  socket.on('data', (chunk: string) => (echoed += chunk));
  socket.write('later');
  await until(() => echoed === 'earlylater');
  expect(proxy.stats().upgraded).toBe(1);
  expect(proxy.router.getRoutingStats()['upstream']!.inFlight).toBe(1);
  socket.destroy();
  await until(() => proxy.stats().upgraded === 0);
  expect(proxy.router.getRoutingStats()['upstream']!.inFlight).toBe(0);
});

test.each(['client', 'upstream'] as const)('when the %s ends, the other side is ended too', async (who) => {
  const sockets: Duplex[] = [];
  const { port, proxy } = await front({ targets: [await echo((_req, socket) => sockets.push(socket))] });
  const { socket } = await open(port);
  if (who === 'client') socket.end();
  else sockets[0]!.end();
  await until(() => socket.destroyed && sockets[0]!.destroyed);
  expect(proxy.stats().upgraded).toBe(0);
});

test.each(['client', 'upstream'] as const)('when the %s is killed, the other side is ended too', async (who) => {
  const sockets: Duplex[] = [];
  const { port } = await front({ targets: [await echo((_req, socket) => sockets.push(socket))] });
  const { socket } = await open(port);
  socket.on('error', () => undefined);
  if (who === 'client') socket.resetAndDestroy();
  else (sockets[0] as Socket).resetAndDestroy();
  await until(() => socket.destroyed && sockets[0]!.destroyed);
});

test('a refusal is relayed with its status, fields and body', async () => {
  const origin = await rig.origin((_req, res) => res.end('not reached'));
  const refusing = createServer();
  refusing.on('upgrade', (_req, socket: Duplex) => {
    socket.end('HTTP/1.1 403 No\r\nX-Why: because\r\nContent-Length: 5\r\n\r\nnever');
  });
  const { port } = await front({ targets: [`http://127.0.0.1:${await rig.serveWith(refusing)}`] });
  const answer = await exchangeBytes(port, HANDSHAKE);
  expect(answer).toMatch(/^HTTP\/1\.1 403 No\r\nx-why: because\r\n/);
  expect(answer).toMatch(/\r\n\r\nnever$/);
  const plain = await front({ targets: [origin] }); // a server that knows of no upgrades answers as to any request
  expect(await exchangeBytes(plain.port, HANDSHAKE)).toMatch(/^HTTP\/1\.1 200 OK[^]*not reached/);
});

test('an instance that cannot be reached is passed over', async () => {
  const { port } = await front({ targets: ['http://127.0.0.1:1', await echo()], algorithm: 'round-robin' });
  const { head, socket } = await open(port);
  expect(head).toMatch(/ 101 /);
  socket.destroy();
});

test.each([
  ['there is no instance', { targets: [] }, / 503 [^]*retry-after: 1[^]*NO_TARGET_AVAILABLE/i],
  ['no instance can be reached', { targets: ['http://127.0.0.1:1'] }, / 502 [^]*UPSTREAM_REFUSED/],
  ['upgrades are off', { targets: ['http://127.0.0.1:1'], webSocket: false }, / 404 /],
])('%s: a problem document', async (_name, options, expected) => {
  const { port } = await front(options);
  expect(await exchangeBytes(port, HANDSHAKE)).toMatch(expected);
});

test('no agreement in time is 504; a client that leaves takes its handshake along', async () => {
  let connections = 0;
  const silent = await rig.rawOrigin((socket) => {
    connections++;
    socket.resume().once('close', () => connections--);
  });
  const { port } = await front({ targets: [silent], timeout: 50 });
  expect(await exchangeBytes(port, HANDSHAKE)).toMatch(/ 504 [^]*UPSTREAM_TIMEOUT/);
  const patient = await front({ targets: [silent] });
  const socket = connect(patient.port, '127.0.0.1', () => socket.write(HANDSHAKE));
  await until(() => connections === 1);
  socket.destroy();
  await until(() => connections === 0);
});

test('an upgrade request with a body is refused: two readers would not agree where it ends', async () => {
  const { port } = await front({ targets: [await echo()] });
  const bytes = HANDSHAKE.replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\nhello');
  expect(await exchangeBytes(port, bytes)).toMatch(/ 400 /);
});

test('the number of upgraded connections is bounded', async () => {
  const { port } = await front({ targets: [await echo()], maxUpgraded: 1 });
  const { socket } = await open(port);
  expect(await exchangeBytes(port, HANDSHAKE)).toMatch(/ 503 /);
  socket.destroy();
});

test('drained instances end their connections', async () => {
  const { port, proxy } = await front({ targets: [await echo()] });
  const { socket } = await open(port);
  const closed = once(socket, 'close');
  const [target] = proxy.router.getHealthyTargets('upstream');
  await proxy.router.drain(target!);
  await closed;
  expect(proxy.stats().upgraded).toBe(0);
});

test('closing ends them all', async () => {
  const { port, proxy } = await front({ targets: [await echo()] });
  const { socket } = await open(port);
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  await proxy.close();
  await closed;
});

describe('Expect: 100-continue', () => {
  const upload = (port: number): ReturnType<typeof request> =>
    request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      agent: false,
      headers: { Expect: '100-continue', 'Content-Length': 5 },
    });

  test('is the upstream’s to answer: the body comes when it agrees', async () => {
    const origin = createServer();
    let agree: () => void = () => undefined;
    origin.on('checkContinue', (req: IncomingMessage, res) => {
      agree = () => {
        res.writeContinue();
        req.pipe(res);
      };
    });
    const { port } = await front({ targets: [`http://127.0.0.1:${await rig.serveWith(origin)}`] });
    const req = upload(port);
    let agreed = false;
    req.once('continue', () => {
      agreed = true;
      req.end('hello');
    });
    req.flushHeaders();
    await until(() => agree.length === 0 && origin.listenerCount('checkContinue') > 0);
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(agreed).toBe(false);
    agree();
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    let body = '';
    for await (const chunk of res) body += String(chunk);
    expect(body).toBe('hello');
  });

  test('is the upstream’s to refuse: the answer comes and the body never', async () => {
    const origin = createServer();
    origin.on('checkContinue', (_req, res) => res.writeHead(413).end('too large'));
    const { port } = await front({ targets: [`http://127.0.0.1:${await rig.serveWith(origin)}`] });
    const req = upload(port);
    req.once('continue', () => req.destroy(new Error('the proxy sent 100 Continue')));
    req.flushHeaders();
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    expect(res.statusCode).toBe(413);
    res.resume();
    req.on('error', () => undefined).destroy();
  });

  test('other handlers of the server need not know: reading the body is agreeing', async () => {
    const { proxy } = await front({ targets: [await echo()] });
    const server = createServer((req, res) => req.pipe(res));
    const undo = proxy.attach(server);
    const port = await rig.serveWith(server);
    const req = upload(port);
    req.once('continue', () => req.end('hello'));
    req.flushHeaders();
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    let body = '';
    for await (const chunk of res) body += String(chunk);
    expect(body).toBe('hello');
    undo();
    expect(server.listenerCount('upgrade') + server.listenerCount('checkContinue')).toBe(0);
  });
});
