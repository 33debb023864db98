import { hasSubscribers } from 'node:diagnostics_channel';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls from 'node:tls';
import { compose } from '../../src/middleware/compose.js';
import { healthEndpoints, type HealthEndpointsOptions } from '../../src/middleware/health-endpoints.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { cert, key } from '../support/tls.js';

const closing: Array<() => void> = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

interface Settings extends Pick<HealthEndpointsOptions, 'drainDelay' | 'beforeShutdown' | 'onSignal'> {
  readonly secure?: boolean;
}

/** A server whose `/held` requests the test answers itself. */
async function setUp({ secure = false, drainDelay = 5000, ...hooks }: Settings = {}) {
  const clock = new FakeClock();
  const health = healthEndpoints({ clock, drainDelay, drainTimeout: 25_000, ...hooks });
  const held: ServerResponse[] = [];
  const listener = compose(health, (req: IncomingMessage, res: ServerResponse) =>
    req.url === '/held' ? held.push(res) : res.end('done'),
  );
  const server = secure ? https.createServer({ key, cert }, listener) : http.createServer(listener);
  server.keepAliveTimeout = 60_000;
  server.on('upgrade', (_req, socket: Socket) => {
    socket.on('error', () => undefined);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  closing.push(() => {
    server.close();
    server.closeAllConnections();
    health.close();
  });
  const connect = (): Promise<Connection> => open(secure ? tls.connect({ port, ca: cert }) : net.connect(port));
  return { clock, health, server, port, held, connect };
}

interface Connection {
  readonly socket: Socket;
  send(path: string, fields?: string): void;
  /** Settles once the server has sent this. */
  receive(text: string): Promise<void>;
  /** Settles once the connection is closed, by whomever. */
  readonly closed: Promise<void>;
  received(): string;
}

async function open(socket: Socket): Promise<Connection> {
  closing.push(() => socket.destroy());
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise((resolve) => socket.once(socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect', resolve));
  return {
    socket,
    send: (path, fields = '') => void socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`),
    receive: async (text) => {
      while (!received.includes(text)) await new Promise((resolve) => socket.once('data', resolve));
    },
    closed,
    received: () => received,
  };
}

/** Waits, by turns of the event loop, until something that real sockets bring about is so. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

function refusesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(!socket.destroy()));
    socket.once('error', () => resolve(true));
  });
}

describe.each([
  ['http', false],
  ['https', true],
])('over %s', (_, secure) => {
  test('readiness fails at once, traffic is served through the delay, then nothing is accepted', async () => {
    const { clock, health, server, port, connect } = await setUp({ secure });
    const [kept, idle] = [await connect(), await connect()];
    for (const connection of [kept, idle]) {
      connection.send('/readyz');
      await connection.receive('"pass"');
      expect(connection.received()).not.toMatch(/connection: close/i);
    }
    const ended = health.shutdown(server);
    kept.send('/readyz'); // on an open connection: answered with `Connection: close`
    await kept.receive('503 Service Unavailable');
    await kept.closed;
    expect(kept.received()).toMatch(/connection: close/i);
    await clock.advance(4999);
    const fresh = await connect();
    fresh.send('/anything');
    await fresh.receive('done');
    expect(fresh.received()).toMatch(/connection: close/i);
    await fresh.closed;
    await clock.advance(101);
    await idle.closed;
    await clock.advance(100);
    await ended;
    expect(await refusesConnections(port)).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  test('idle connections stay open for a second, and a request that arrives on one is answered', async () => {
    const { clock, health, server, connect } = await setUp({ secure, drainDelay: 0 });
    const [late, idle, unused] = [await connect(), await connect(), await connect()];
    for (const connection of [late, idle]) {
      connection.send('/anything');
      await connection.receive('done');
    }
    const ended = health.shutdown(server);
    await clock.advance(900);
    late.send('/livez');
    await late.receive('"pass"');
    await late.closed;
    expect(idle.socket.destroyed).toBe(false);
    expect(unused.socket.destroyed).toBe(false);
    await clock.advance(100);
    await Promise.all([idle.closed, unused.closed]);
    await clock.advance(100);
    await ended;
  });

  test('a connection that is accepted during the drain delay stays open for a second of its own', async () => {
    const { clock, health, server, connect } = await setUp({ secure, drainDelay: 950 });
    const listeners = server.listenerCount('connection');
    const ended = health.shutdown(server);
    await clock.advance(940);
    let accepted = 0;
    server.on('connection', () => accepted++);
    const [young, unused] = [await connect(), await connect()];
    await until(() => accepted === 2);
    await clock.advance(900); // the grace of connections that are older than the drain is over
    young.send('/anything');
    await young.receive('done');
    await young.closed;
    expect(unused.socket.destroyed).toBe(false);
    await clock.advance(210);
    await unused.closed;
    await clock.advance(100);
    await ended;
    expect(server.listenerCount('connection')).toBe(listeners + 1);
  });

  test('requests pipelined on a connection that the server asks to close are all answered', async () => {
    const { clock, health, server, held, connect } = await setUp({ secure, drainDelay: 0 });
    const connection = await connect();
    connection.send('/anything');
    await connection.receive('done');
    const ended = health.shutdown(server);
    for (let i = 0; i < 3; i++) connection.send('/held');
    await until(() => held.length === 3);
    held.forEach((res, i) => res.end(`answer ${i}`));
    await connection.receive('answer 2');
    await connection.closed;
    expect(connection.received().match(/connection: close/gi)).toHaveLength(1);
    await clock.advance(1100);
    await ended;
  });

  test('a request in flight finishes and says Connection: close; one begun on its connection too', async () => {
    const { clock, health, server, held, connect } = await setUp({ secure });
    const [before, streaming] = [await connect(), await connect()];
    before.send('/held');
    streaming.send('/held');
    await until(() => held.length === 2);
    held[1]!.write('first part ');
    await streaming.receive('first part');
    const ended = health.shutdown(server);
    await clock.advance(5000);
    held[0]!.end('held answer');
    await before.receive('held answer');
    expect(before.received()).toMatch(/connection: close/i);
    await before.closed;
    streaming.send('/anything'); // pipelined behind the response that streams
    held[1]!.end('last part');
    await streaming.receive('done');
    expect(streaming.received()).toMatch(/last part[^]*connection: close[^]*done/i);
    await streaming.closed;
    await clock.advance(100);
    await ended;
  });

  test('what is still open at the deadline is destroyed, upgraded and silent connections too', async () => {
    const { clock, health, server, held, connect } = await setUp({ secure });
    const [slow, upgraded, silent] = [await connect(), await connect(), await connect()];
    slow.send('/held');
    upgraded.send('/', 'Connection: Upgrade\r\nUpgrade: echo\r\n');
    await upgraded.receive('101');
    await until(() => held.length === 1);
    const ended = health.shutdown(server);
    await clock.advance(5100);
    await silent.closed; // opened and never used: closed without waiting for the deadline
    await clock.advance(25_000 - 5100 - 1);
    expect([slow.socket.destroyed, upgraded.socket.destroyed]).toEqual([false, false]);
    await clock.advance(1);
    await Promise.all([slow.closed, upgraded.closed, silent.closed, ended]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('called again it ends at once, in the delay as well as later', async () => {
    for (const waited of [500, 6000]) {
      const { clock, health, server, held, connect, port } = await setUp({ secure });
      const [slow, upgraded] = [await connect(), await connect()];
      slow.send('/held');
      upgraded.send('/', 'Connection: Upgrade\r\nUpgrade: echo\r\n');
      await upgraded.receive('101');
      await until(() => held.length === 1);
      const first = health.shutdown(server);
      await clock.advance(waited);
      const second = health.shutdown(server);
      await Promise.all([slow.closed, upgraded.closed, first, second]);
      expect(await refusesConnections(port)).toBe(true);
      expect(clock.pendingTimers).toBe(0);
    }
  });
});

test('the same signal arriving twice is one', async () => {
  const { clock, health, server, held, connect } = await setUp();
  const slow = await connect();
  slow.send('/held');
  await until(() => held.length === 1);
  const ended = health.shutdown(server);
  await clock.advance(499);
  void health.shutdown(server);
  expect(server.listening).toBe(true);
  held[0]!.end('answer');
  await slow.receive('answer');
  await clock.advance(5000);
  await Promise.all([slow.closed, ended]);
});

test('a response whose headers are sent closes its connection when it ends', async () => {
  const { clock, health, server, held, connect } = await setUp({ drainDelay: 0 });
  const connection = await connect();
  connection.send('/held');
  await until(() => held.length === 1);
  held[0]!.write('begun ');
  await connection.receive('begun');
  const ended = health.shutdown(server);
  await clock.advance(0);
  held[0]!.end('finished');
  await connection.receive('finished');
  await until(() => held[0]!.writableFinished);
  await clock.advance(1000);
  await connection.closed;
  await clock.advance(100);
  await ended;
});

test('two servers drain each by themselves', async () => {
  const { clock, health, server, connect } = await setUp({ drainDelay: 100 });
  const other = http.createServer(compose(health)).listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const connection = await connect();
  const ended = health.shutdown(other);
  await clock.advance(200);
  await ended;
  expect(server.listening).toBe(true);
  connection.send('/anything');
  await connection.receive('done');
  const rest = health.shutdown(server);
  await clock.advance(1000);
  await connection.closed;
  await clock.advance(100);
  await Promise.all([connection.closed, rest]);
});

test('a server that never listened, or is closed already, ends too', async () => {
  const clock = new FakeClock();
  const health = healthEndpoints({ clock, drainDelay: 0 });
  closing.push(() => health.close());
  const ended = health.shutdown(http.createServer());
  await clock.advance(0);
  await ended;
  expect(clock.pendingTimers).toBe(0);
});

test('a server closed by others is waited for until its last connection ends', async () => {
  const { clock, health, server, held, connect } = await setUp({ drainDelay: 0 });
  const connection = await connect();
  connection.send('/held');
  await until(() => held.length === 1);
  server.close();
  const ended = jest.fn();
  void health.shutdown(server).then(ended);
  await clock.advance(1000);
  expect(ended).not.toHaveBeenCalled();
  held[0]!.end('answer');
  await connection.receive('answer');
  await connection.closed;
  await until(() => {
    clock.tick(100);
    return ended.mock.calls.length === 1;
  });
});

test('opening and closing a thousand times leaves no subscription', () => {
  // Node's channels are shared by all suites of a Jest worker.
  const before = hasSubscribers('net.server.socket');
  for (let i = 0; i < 1000; i++) {
    const health = healthEndpoints();
    health.close();
    health.close();
  }
  expect(hasSubscribers('net.server.socket')).toBe(before);
});

test('an HTTP/2 server sends GOAWAY on its sessions, answers running requests and closes', async () => {
  const clock = new FakeClock();
  const health = healthEndpoints({ clock, drainDelay: 1000, drainTimeout: 25_000 });
  const held: http2.Http2ServerResponse[] = [];
  const server = http2.createServer(
    compose(health, (_req: IncomingMessage, res: ServerResponse) => held.push(res as never)) as never,
  );
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const client = http2.connect(`http://127.0.0.1:${port}`);
  closing.push(() => {
    client.destroy();
    server.close();
    health.close();
  });
  const away = new Promise<number[]>((resolve) => client.once('goaway', (code, last) => resolve([code, last ?? -1])));
  const stream = client.request({ ':path': '/held' });
  let body = '';
  stream.on('data', (chunk: Buffer) => (body += chunk.toString()));
  const finished = new Promise<void>((resolve) => stream.once('end', () => resolve()));
  await until(() => held.length === 1);
  const ended = health.shutdown(server);
  expect(await away).toEqual([0, 2 ** 31 - 1]);
  await clock.advance(1000);
  held[0]!.end('held answer');
  await finished;
  expect(body).toBe('held answer');
  await until(() => client.closed && client.destroyed);
  await clock.advance(200);
  await ended;
  expect(clock.pendingTimers).toBe(0);
});

test('an HTTP/2 session that is still busy at the deadline is destroyed', async () => {
  const clock = new FakeClock();
  const health = healthEndpoints({ clock, drainDelay: 100, drainTimeout: 1000 });
  let requests = 0;
  const server = http2.createServer(compose(health, () => requests++) as never);
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on('error', () => undefined);
  client.request({ ':path': '/held' }).on('error', () => undefined);
  await until(() => requests === 1);
  const ended = health.shutdown(server);
  await clock.advance(1000);
  await until(() => client.destroyed);
  await clock.advance(200);
  await ended;
  health.close();
});

describe('hooks', () => {
  const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  beforeEach(() => emitWarning.mockClear());
  afterAll(() => emitWarning.mockRestore());

  test('the server serves until beforeShutdown is over, and onSignal runs when it is closed', async () => {
    const calls: string[] = [];
    let letGo!: () => void;
    const { clock, health, server, port } = await setUp({
      beforeShutdown: () => new Promise<void>((resolve) => (letGo = resolve)).then(() => void calls.push('before')),
      onSignal: () => void calls.push(server.listening ? 'listening' : 'closed'),
    });
    const ended = health.shutdown(server);
    clock.tick(6000);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503);
    letGo();
    await until(() => !server.listening);
    await new Promise((resolve) => setImmediate(resolve));
    clock.tick(1000);
    await ended;
    expect(calls).toEqual(['before', 'closed']);
  });

  test('one that throws or hangs is reported, and the shutdown goes on', async () => {
    const { clock, health, server } = await setUp({
      beforeShutdown: () => new Promise(() => undefined),
      onSignal: () => {
        throw new Error('no database');
      },
    });
    const ended = health.shutdown(server);
    clock.tick(25_000);
    await until(() => !server.listening);
    clock.tick(1000);
    await ended;
    const texts = emitWarning.mock.calls.map(([text]) => String(text));
    expect(texts).toEqual([
      expect.stringMatching(/'beforeShutdown' failed: did not finish within 25000 ms/),
      expect.stringMatching(/'onSignal' failed: no database/),
    ]);
  });

  test('onSignal has five seconds', async () => {
    const onSignal = jest.fn(() => new Promise(() => undefined));
    const { clock, health, server } = await setUp({ onSignal });
    const ended = health.shutdown(server);
    clock.tick(5000);
    await until(() => !server.listening);
    clock.tick(1000);
    await until(() => onSignal.mock.calls.length === 1);
    expect(emitWarning).not.toHaveBeenCalled();
    clock.tick(5000);
    await ended;
    expect(emitWarning).toHaveBeenCalledTimes(1);
  });
});
