/** A process that is halted while it drains: clients and balancers could learn nothing in that time. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { ConnectionTracker } from '../../src/health/connection-tracker.js';
import { ServerDrain } from '../../src/health/server-drain.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { until } from '../support/eventually.js';

let clock: FakeClock;
let tracker: ConnectionTracker;
let server: Server;
let client: Socket;
let received: string;

beforeEach(async () => {
  clock = new FakeClock();
  tracker = new ConnectionTracker();
  server = createServer((_req, res) => res.end('done')).listen(0, '127.0.0.1');
  server.keepAliveTimeout = 60_000;
  await once(server, 'listening');
  client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  received = '';
  client.on('data', (chunk: Buffer) => (received += chunk.toString())).on('error', () => undefined);
  ask();
  await until(() => received.endsWith('done'));
});

afterEach(() => {
  client.destroy();
  server.close();
  server.closeAllConnections();
  tracker.close();
});

function ask(): void {
  received = '';
  client.write('GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n');
}

/** The process does not run for this time, and then handles what has become due. */
function halt(milliseconds: number): void {
  clock.set(clock.now() + milliseconds);
  clock.tick(0);
}

/** More turns of the event loop than the server takes to stop listening. */
async function turns(): Promise<void> {
  for (let i = 0; i < 600; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('a connection that was idle during a halt is still served, and its response closes it', async () => {
  new ServerDrain(server, tracker, { delay: 0, timeout: 25_000 }, clock);
  clock.tick(0);
  await until(() => !server.listening);
  halt(5000);
  await turns();
  ask();
  await until(() => received.endsWith('done'));
  expect(received).toContain('Connection: close');
});

test('idle connections are closed once the process has served for a second', async () => {
  const drain = new ServerDrain(server, tracker, { delay: 0, timeout: 25_000 }, clock);
  clock.tick(0);
  halt(5000); // of which two periods of a tenth of a second count
  clock.tick(800);
  await drain.ended;
  expect(clock.pendingTimers).toBe(0);
});

test('a halt does not count for the delay', async () => {
  new ServerDrain(server, tracker, { delay: 1000, timeout: 25_000 }, clock);
  halt(5000);
  clock.tick(700);
  await turns();
  expect(server.listening).toBe(true);
  clock.tick(100);
  await until(() => !server.listening);
});

test('half of the time until the deadline is left to the drain, however long the process was halted', async () => {
  new ServerDrain(server, tracker, { delay: 5000, timeout: 20_000 }, clock);
  halt(9_900);
  await turns();
  expect(server.listening).toBe(true);
  clock.tick(100);
  await until(() => !server.listening);
});
