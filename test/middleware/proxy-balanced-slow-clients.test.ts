/** Clients that send or read slowly, or stop: they hold nothing that others need, and are given up in the end. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { until } from '../support/eventually.js';
import { ask, createRig, exchangeBytes, type Rig } from '../support/proxy-rig.js';

let rig: Rig;
beforeEach(() => {
  rig = createRig();
});
afterEach(() => rig.close());

const hold = (port: number, bytes: string): Socket => {
  const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
  return socket.on('error', () => undefined);
};

test('a head that trickles is cut off by the server, and holds no instance meanwhile', async () => {
  const proxy = proxyBalanced({ targets: [await rig.origin((_req, res) => res.end('ok'))], maxConnections: 1 });
  const server = createServer({ headersTimeout: 200, connectionsCheckingInterval: 20 }, compose(proxy));
  const port = await rig.serveWith(server);
  const slow = Array.from({ length: 20 }, () => {
    const socket = hold(port, 'GET / HTTP/1.1\r\nHost: h\r\n');
    const trickle = setInterval(() => socket.write('X: y\r\n'), 20);
    return once(socket.resume(), 'close').finally(() => clearInterval(trickle));
  });
  for (let i = 0; i < 10; i++) expect((await ask(port)).body).toBe('ok');
  await Promise.all(slow);
  expect(proxy.router.getRoutingStats()['upstream']!.requests).toBe(10);
  await proxy.close();
});

test('a small body that trickles holds no instance', async () => {
  const proxy = proxyBalanced({ targets: [await rig.origin((_req, res) => res.end('ok'))], maxConnections: 1 });
  const port = await rig.serve(proxy);
  const slow = Array.from({ length: 20 }, () =>
    hold(port, 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nx'),
  );
  await Promise.all(slow.map((socket) => once(socket, 'connect')));
  for (let i = 0; i < 10; i++) expect((await ask(port)).body).toBe('ok');
  expect(proxy.router.getRoutingStats()['upstream']!.inFlight).toBe(0);
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
