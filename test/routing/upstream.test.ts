/** The requests to one instance on real sockets: how many connections they open, and what becomes of each. */
import { createServer as createTlsServer } from 'node:https';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Client } from 'undici';
import { Connections } from '../../src/routing/forwarding/connections.js';
import type { UpstreamOptions } from '../../src/routing/forwarding/upstream-call.js';
import { Upstream } from '../../src/routing/forwarding/upstream.js';
import { parseTarget } from '../../src/routing/target.js';
import { loadUndici } from '../../src/shared/lazy-undici.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { until } from '../support/eventually.js';
import { cert, key } from '../support/tls.js';
import { RecordedCall } from '../support/upstream-calls.js';

const OPTIONS: UpstreamOptions = {
  maxConnections: 256,
  maxQueue: 1000,
  connectTimeout: 30_000,
  keepAliveTimeout: 30_000,
  maxHeaderSize: 16_384,
  http2: false,
  tls: undefined,
};

class Instance {
  readonly #server: Server;
  /** Every connection that it ever had. */
  readonly sockets: Socket[] = [];
  /** The path of each request, and the place of its connection in `sockets`. */
  readonly seen: Array<[path: string | undefined, socket: number]> = [];

  constructor(listener: RequestListener, isSecure = false) {
    const note: RequestListener = (req, res) => {
      this.seen.push([req.url, this.sockets.indexOf(req.socket)]);
      listener(req, res);
    };
    this.#server = isSecure ? createTlsServer({ key, cert }, note) : createServer(note);
    this.#server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.sockets.push(socket);
      socket.on('error', () => undefined);
    });
  }

  get open(): number {
    return this.sockets.filter(({ destroyed }) => !destroyed).length;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  listen(): Promise<this> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve(this)));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const closers: Array<() => Promise<void>> = [];
beforeAll(loadUndici);
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startInstance(listener: RequestListener, isSecure = false): Promise<Instance> {
  const instance = await new Instance(listener, isSecure).listen();
  closers.push(() => instance.close());
  return instance;
}

function openUpstream(url: string, options: Partial<UpstreamOptions> = {}): Upstream {
  const upstream = new Upstream(parseTarget('test', url), { ...OPTIONS, ...options }, () => undefined);
  closers.push(() => upstream.destroy());
  return upstream;
}

function sendTo(upstream: Upstream, path = '/'): RecordedCall {
  const call = new RecordedCall(path, () => upstream.release());
  expect(upstream.send(call)).toBe(true);
  return call;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const answer: RequestListener = (_req, res) => res.end('here');
const urlOf = ({ port }: Instance): string => `http://127.0.0.1:${port}`;

/** Connections whose ramp never takes a second step. */
function openConnections(instance: Instance) {
  const connections = new Connections({
    createClient: () => new Client(urlOf(instance)),
    maxConnections: 256,
    onDisconnect: () => undefined,
    clock: new FakeClock(),
  });
  closers.push(() => connections.destroy());
  return (path: string, headers: string[] = []): RecordedCall => {
    const call = new RecordedCall(path);
    connections.send(call, { path, method: 'GET', headers });
    return call;
  };
}

describe('within one step of the ramp', () => {
  test('a burst is answered on 16 connections', async () => {
    const instance = await startInstance(answer);
    const send = openConnections(instance);
    const calls = Array.from({ length: 500 }, (_, i) => send(`/${i}`));
    await Promise.all(calls.map(({ ended }) => ended));
    expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 200));
    expect(instance.seen).toHaveLength(500);
    expect(instance.sockets).toHaveLength(16);
  });

  test('a burst is answered by an instance that closes its connection after each response', async () => {
    const instance = await startInstance((_req, res) => res.setHeader('Connection', 'close').end());
    const send = openConnections(instance);
    const calls = Array.from({ length: 100 }, (_, i) => send(`/${i}`));
    await Promise.all(calls.map(({ ended }) => ended));
    expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 200));
    expect(instance.sockets).toHaveLength(100);
  });

  test('a burst is answered in which every third request is invalid', async () => {
    const instance = await startInstance(answer);
    const send = openConnections(instance);
    const calls = Array.from({ length: 300 }, (_, i) => send('/', i % 3 === 0 ? ['bad name', 'x'] : []));
    await Promise.all(calls.map(({ ended }) => ended));
    expect(calls.map(({ code }) => code)).toEqual(
      calls.map((_, i) => (i % 3 === 0 ? 'UND_ERR_INVALID_ARG' : 'response')),
    );
    expect(instance.seen).toHaveLength(200);
  });
});

test('one request after the other uses the same connection, also while others are open', async () => {
  const instance = await startInstance(answer);
  const upstream = openUpstream(urlOf(instance));
  const both = [sendTo(upstream), sendTo(upstream)];
  await Promise.all(both.map(({ ended }) => ended));
  for (let i = 0; i < 5; i++) {
    await turn(); // undici makes its connection free
    await sendTo(upstream, '/later').ended;
  }
  const later = instance.seen.filter(([path]) => path === '/later').map(([, socket]) => socket);
  expect(new Set(later).size).toBe(1);
  expect(instance.sockets).toHaveLength(2);
});

test('an aborted request costs its own connection, and undici opens none in its place', async () => {
  const instance = await startInstance((req, res) => {
    if (req.url === '/fast') res.end();
  });
  const upstream = openUpstream(urlOf(instance));
  const slow = sendTo(upstream, '/slow');
  await until(() => instance.seen.length === 1);
  slow.controller!.abort(new Error('given up'));
  await until(() => instance.open === 0);
  const fast = sendTo(upstream, '/fast');
  await fast.ended;
  expect(fast.status).toBe(200);
  expect(instance.sockets).toHaveLength(2);
});

test('a request that is given up while it connects disturbs no other', async () => {
  const instance = await startInstance(answer);
  const upstream = openUpstream(urlOf(instance));
  const calls = Array.from({ length: 30 }, () => sendTo(upstream));
  for (const call of calls.slice(0, 10)) {
    call.onRequestStart = (controller) => controller.abort(new Error('given up'));
  }
  await Promise.all(calls.map(({ ended }) => ended));
  expect(calls.map(({ code, ends }) => [code, ends.length])).toEqual(
    calls.map((_, i) => [i < 10 ? undefined : 'response', 1]),
  );
  expect(instance.seen).toHaveLength(20);
  expect(upstream.active).toBe(0);
});

test('requests to an instance that refuses fail one by one, and those to its successor do not', async () => {
  const first = await startInstance(answer);
  const { port } = first;
  await first.close();
  const upstream = openUpstream(`http://127.0.0.1:${port}`);
  const calls = Array.from({ length: 100 }, () => sendTo(upstream));
  await Promise.all(calls.map(({ ended }) => ended));
  expect(calls.map(({ code }) => code)).toEqual(calls.map(() => 'ECONNREFUSED'));
  expect(upstream.active).toBe(0);
});

test('a certificate for another name fails the requests, and nothing waits for it', async () => {
  const instance = await startInstance(answer, true);
  const upstream = openUpstream(`https://127.0.0.1:${instance.port}`, {
    tls: { ca: cert, servername: 'other.example' },
  });
  const calls = Array.from({ length: 40 }, () => sendTo(upstream));
  await Promise.all(calls.map(({ ended }) => ended));
  expect(calls.map(({ code }) => code)).toEqual(calls.map(() => 'ERR_TLS_CERT_ALTNAME_INVALID'));
  await upstream.close();
});

test('an invalid key fails the requests, and nothing waits for it', async () => {
  const upstream = openUpstream('https://127.0.0.1:1', { tls: { key: 'no key', cert } });
  const calls = Array.from({ length: 100 }, () => sendTo(upstream));
  await Promise.all(calls.map(({ ended }) => ended));
  expect(calls.map(({ ends }) => ends.length)).toEqual(calls.map(() => 1));
  expect(upstream.active).toBe(0);
  await upstream.close();
});

test('an idle connection is closed by its keep-alive time, and the next request opens another', async () => {
  const instance = await startInstance(answer);
  const upstream = openUpstream(urlOf(instance), { keepAliveTimeout: 1 });
  await sendTo(upstream).ended;
  await until(() => instance.open === 0);
  await sendTo(upstream).ended;
  expect(instance.seen.map(([, socket]) => socket)).toEqual([0, 1]);
});

describe('the places', () => {
  test('a request that waits for the ramp is in flight, and takes no place in the queue', async () => {
    const instance = await startInstance(() => undefined);
    const upstream = openUpstream(urlOf(instance), { maxConnections: 40, maxQueue: 2 });
    for (let i = 0; i < 40; i++) sendTo(upstream);
    expect([upstream.active, upstream.queued, upstream.hasRoom]).toEqual([40, 0, false]);
    sendTo(upstream);
    sendTo(upstream);
    expect([upstream.active, upstream.queued]).toEqual([40, 2]);
    expect(upstream.send(new RecordedCall())).toBe(false);
    await until(() => instance.seen.length === 40);
  });

  test('a request that waits for the ramp can be withdrawn, and is never sent', async () => {
    const instance = await startInstance(answer);
    const upstream = openUpstream(urlOf(instance));
    const calls = Array.from({ length: 20 }, (_, i) => sendTo(upstream, `/${i}`));
    expect(upstream.withdraw(calls[3]!)).toBe(false); // it has a connection
    expect(upstream.withdraw(calls[18]!)).toBe(true);
    expect(upstream.withdraw(calls[18]!)).toBe(false);
    upstream.release();
    expect(upstream.active).toBe(19);
    await Promise.all(calls.filter((_, i) => i !== 18).map(({ ended }) => ended));
    expect(instance.seen.map(([path]) => path)).not.toContain('/18');
    expect([instance.seen.length, calls[18]!.ends.length, upstream.active]).toEqual([19, 0, 0]);
  });
});

test('close waits for the requests in flight, and fails those that come later', async () => {
  const held: Array<() => void> = [];
  const instance = await startInstance((_req, res) => held.push(() => res.end()));
  const upstream = openUpstream(urlOf(instance));
  const calls = Array.from({ length: 30 }, () => sendTo(upstream));
  await until(() => held.length > 0);
  let isClosed = false;
  const closed = upstream.close().then(() => (isClosed = true));
  await turn();
  const late = sendTo(upstream);
  await late.ended;
  expect([late.code, isClosed]).toEqual(['UND_ERR_CLOSED', false]);
  await until(() => {
    for (const release of held.splice(0)) release();
    return calls.every(({ ends }) => ends.length === 1);
  });
  await closed;
  expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 200));
  await until(() => instance.open === 0);
});
