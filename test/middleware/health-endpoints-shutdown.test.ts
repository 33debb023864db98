import { hasSubscribers } from 'node:diagnostics_channel';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls from 'node:tls';
import { compose } from '../../src/middleware/compose.js';
import { healthEndpoints } from '../../src/middleware/health-endpoints.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { cert, key } from '../support/tls.js';

const closing: Array<() => void> = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

/** A server whose `/held` requests the test answers itself. */
async function setUp({ secure = false, drainDelay = 5000 } = {}) {
  const clock = new FakeClock();
  const health = healthEndpoints({ clock, drainDelay, drainTimeout: 25_000 });
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
    const connection = await connect();
    connection.send('/readyz');
    await connection.receive('"pass"');
    const ended = health.shutdown(server);
    connection.send('/readyz');
    await connection.receive('503 Service Unavailable');
    connection.send('/livez');
    await until(() => connection.received().split('"pass"').length === 3);
    await clock.advance(4999);
    connection.send('/anything');
    await connection.receive('done');
    expect(connection.received()).not.toMatch(/connection: close/i);
    await clock.advance(1);
    await connection.closed; // idle
    await ended;
    expect(await refusesConnections(port)).toBe(true);
    expect(clock.pendingTimers).toBe(0);
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
    if (!secure) await silent.closed; // opened and never used: closed without waiting for the deadline
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
  await clock.advance(100);
  await connection.closed;
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
  for (let i = 0; i < 1000; i++) {
    const health = healthEndpoints();
    health.close();
    health.close();
  }
  expect(hasSubscribers('net.server.socket')).toBe(false);
});
