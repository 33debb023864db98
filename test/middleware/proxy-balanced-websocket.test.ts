/** WebSockets through the proxy, spoken by the library most servers use: `ws` on both sides. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced, type ProxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { until } from '../support/eventually.js';
import { createRig, type Rig } from '../support/proxy-rig.js';

let rig: Rig;
let proxy: ProxyBalanced;
let children: ChildProcess[];
beforeEach(() => {
  rig = createRig();
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await proxy.close();
  await rig.close();
});

/** An echo server, and what it has seen of the connections that ended. */
async function echoServer(): Promise<{ url: string; closed: number[] }> {
  const closed: number[] = [];
  const server = createServer();
  const sockets = new WebSocketServer({ server, path: '/chat', handleProtocols: () => 'second' });
  sockets.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('message', (data: RawData, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('close', (code) => closed.push(code));
  });
  return { url: `http://127.0.0.1:${await rig.serveWith(server)}`, closed };
}

/** A proxy in front of it; the URL a client connects to. */
async function front(target: string): Promise<string> {
  proxy = proxyBalanced({ targets: [target] });
  const server = createServer(compose(proxy));
  proxy.attach(server);
  return `ws://127.0.0.1:${await rig.serveWith(server)}/chat`;
}

/** A program of its own that speaks WebSocket; it prints a line when it is ready. */
async function program(script: string): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, line: String(line).trim() };
}

test('10,000 messages, text and binary, of 0 to 70,000 bytes: each returns unchanged and in order', async () => {
  const { url, closed } = await echoServer();
  const client = new WebSocket(await front(url), ['first', 'second']);
  await once(client, 'open');
  expect(client.protocol).toBe('second');
  const message = (i: number): Buffer => Buffer.from(`${i} `.repeat(i % 1000 === 0 ? 14_000 : i % 40));
  let next = 0;
  const wrong: number[] = [];
  client.on('message', (data: Buffer, isBinary) => {
    if (!data.equals(message(next)) || isBinary !== (next % 3 === 0)) wrong.push(next);
    next++;
  });
  for (let i = 0; i < 10_000; i++) client.send(message(i), { binary: i % 3 === 0 });
  await until(() => next === 10_000, 'not all messages returned');
  expect(wrong).toEqual([]);
  client.close(4001, 'done');
  const [code, reason] = (await once(client, 'close')) as [number, Buffer];
  expect([code, String(reason)]).toEqual([4001, 'done']);
  await until(() => proxy.stats().upgraded === 0);
  expect(closed).toEqual([4001]);
});

test('pings pass, both ways', async () => {
  const { url } = await echoServer();
  const client = new WebSocket(await front(url));
  await once(client, 'open');
  client.ping('there?');
  const [answer] = (await once(client, 'pong')) as [Buffer];
  expect(String(answer)).toBe('there?');
  client.terminate();
});

test('the server’s process is killed: its clients see their connection close, and nothing is left open', async () => {
  const { child, line } = await program(`
    const { WebSocketServer } = require('ws');
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => console.log(server.address().port));
    server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  `);
  const address = await front(`http://127.0.0.1:${line}`);
  const clients = Array.from({ length: 5 }, () => new WebSocket(address));
  await Promise.all(clients.map((client) => once(client, 'open')));
  for (const client of clients) client.send('hello');
  await Promise.all(clients.map((client) => once(client, 'message')));
  const ends = Promise.all(
    clients.map((client) =>
      once(
        client.on('error', () => undefined),
        'close',
      ),
    ),
  );
  child.kill('SIGKILL');
  expect((await ends).map(([code]) => code as number)).toEqual([1006, 1006, 1006, 1006, 1006]);
  expect(proxy.stats().upgraded).toBe(0);
  expect(proxy.router.getRoutingStats()['upstream']!.inFlight).toBe(0);
});

test('a client’s process is killed while it sends: the server sees the close, and the others go on', async () => {
  const { url, closed } = await echoServer();
  const address = await front(url);
  const other = new WebSocket(address);
  await once(other, 'open');
  const { child } = await program(`
    const { WebSocket } = require('ws');
    const socket = new WebSocket('${address}');
    socket.on('open', () => setInterval(() => socket.send('x'.repeat(1000)), 1));
    socket.once('message', () => console.log('talking'));
  `);
  expect(proxy.stats().upgraded).toBe(2);
  child.kill('SIGKILL');
  await until(() => closed.length === 1, 'the server did not see the connection close');
  expect(closed).toEqual([1006]);
  await until(() => proxy.stats().upgraded === 1);
  other.send('still here');
  const [answer] = (await once(other, 'message')) as [Buffer];
  expect(String(answer)).toBe('still here');
  other.terminate();
});
