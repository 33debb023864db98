/**
 * Instances that end their connection while the response is paused, because its client reads too slowly. A response that
 * was sent as a whole reaches the client, a torn one is seen to be torn, and the process survives either.
 */
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced, type ProxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { ask, createRig, type Rig } from '../support/proxy-rig.js';

let rig: Rig;
let proxy: ProxyBalanced;
beforeEach(() => (rig = createRig()));
afterEach(async () => {
  await proxy.close();
  await rig.close();
});

/** A body of the first size arrives in one piece, one of the second size in several. */
const SIZES = [20_000, 300_000];
const lengthOf = (size: number): string => `Content-Length: ${size}\r\n`;
const chunked = (body: string): string => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

type Message = (body: string) => string;
const MESSAGES: ReadonlyArray<[name: string, message: Message]> = [
  [
    'a length, Connection: close',
    (body) => `HTTP/1.1 200 OK\r\n${lengthOf(body.length)}Connection: close\r\n\r\n${body}`,
  ],
  ['a length, kept', (body) => `HTTP/1.1 200 OK\r\n${lengthOf(body.length)}\r\n${body}`],
  ['HTTP/1.0 and a length', (body) => `HTTP/1.0 200 OK\r\n${lengthOf(body.length)}\r\n${body}`],
  ['HTTP/1.0 without a length', (body) => `HTTP/1.0 200 OK\r\n\r\n${body}`],
  [
    'chunks, Connection: close',
    (body) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunked(body)}`,
  ],
  ['chunks, kept', (body) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(body)}`],
];
const CASES = MESSAGES.flatMap(([name, message]) => SIZES.map((size) => [name, size, message] as const));

const HONEST = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhonest';

/** A response that takes no more than one chunk between two calls of `drain`. */
class SlowResponse {
  #res: ServerResponse | undefined;
  #timer: NodeJS.Immediate | undefined;

  readonly middleware = (req: IncomingMessage, res: ServerResponse, next: () => void): void => {
    if (req.url === '/honest') return next();
    const write = res.write.bind(res) as (...args: unknown[]) => boolean;
    res.write = (...args: unknown[]) => {
      write(...args);
      return false;
    };
    this.#res = res;
    next();
  };

  /** Reads on, chunk by chunk, until the response is over. */
  drain(): void {
    this.#res?.emit('drain');
    if (this.#res?.closed !== true) this.#timer = setImmediate(() => this.drain());
  }

  stop(): void {
    clearImmediate(this.#timer);
  }
}

/** Waits until the bytes that were sent have arrived. */
async function arrival(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** The reset comes once the bytes were read: one that arrives together with them is seen as an end. */
async function sendAndReset(socket: Socket, bytes: string): Promise<void> {
  socket.write(bytes);
  await arrival();
  socket.resetAndDestroy();
}

/** Resolves to the number of bytes of the response and whether it was complete. */
async function read(port: number): Promise<{ length: number; isWhole: boolean }> {
  const sent = request({ host: '127.0.0.1', port, agent: false }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let length = 0;
  response.on('data', (chunk: Buffer) => (length += chunk.length)).on('error', () => undefined);
  await new Promise((resolve) => response.once('close', resolve));
  return { length, isWhole: response.complete };
}

/** The answer to a request whose client reads only after the instance has sent everything and ended. */
async function answerOf(send: (socket: Socket) => unknown): Promise<{ length: number; isWhole: boolean }> {
  let isSent: () => void;
  const sent = new Promise<void>((resolve) => (isSent = resolve));
  const url = await rig.rawOrigin((socket) => {
    socket.once('data', (bytes) => {
      if (String(bytes).startsWith('GET /honest ')) return void socket.end(HONEST);
      void Promise.resolve(send(socket)).then(isSent);
    });
  });
  const slow = new SlowResponse();
  proxy = proxyBalanced({ targets: [url], retry: false });
  const port = await rig.serveWith(createServer(compose(slow.middleware, proxy)));
  const answer = read(port);
  await sent;
  await arrival();
  slow.drain();
  const found = await answer;
  slow.stop();
  expect((await ask(port, { path: '/honest' })).body).toBe('honest');
  return found;
}

test.each(CASES)('%s, %d bytes: a whole response reaches a client that reads later', async (_name, size, message) => {
  const found = await answerOf((socket) => void socket.end(message('b'.repeat(size))));
  expect(found).toEqual({ length: size, isWhole: true });
});

// Without a length, a reset that comes together with bytes looks like an end: the event loop of Node reports one.
const DELIMITED = CASES.filter(([name]) => !name.includes('without a length'));
test.each(DELIMITED)(
  '%s, %d bytes: a reset response is whole only with all its bytes',
  async (_name, size, message) => {
    const found = await answerOf((socket) => sendAndReset(socket, message('b'.repeat(size))));
    if (found.isWhole) expect(found.length).toBe(size);
  },
);

test.each(CASES)('%s, %d bytes: a torn response is seen to be torn', async (name, size, message) => {
  const found = await answerOf((socket) => {
    const half = message('b'.repeat(size)).slice(0, size / 2);
    return name.includes('without a length') ? sendAndReset(socket, half) : socket.end(half);
  });
  expect(found.isWhole).toBe(false);
});

test.each(['Content-Length: 0\r\nConnection: close\r\n', 'Content-Length: 0\r\n', 'Connection: close\r\n'])(
  'a 503 with %j that is held back while another instance is asked',
  async (fields) => {
    const ended = await rig.rawOrigin((socket) => {
      socket.once('data', () => void socket.end(`HTTP/1.1 503 Service Unavailable\r\n${fields}\r\n`));
    });
    const slow = await rig.origin((_req, res) => void arrival().then(() => res.end('from the other')));
    proxy = proxyBalanced({ targets: [ended, slow], retry: { statuses: [503] } });
    const port = await rig.serve(proxy);
    const bodies = await Promise.all(Array.from({ length: 4 }, () => ask(port)));
    expect(bodies.map(({ body }) => body)).toEqual(Array(4).fill('from the other'));
  },
);
