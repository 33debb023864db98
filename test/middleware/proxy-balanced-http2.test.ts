/**
 * HTTP/2 on both sides: a truncated response looks truncated regardless of the frame that ended it. gRPC calls of every
 * kind pass with their status.
 */
import {
  connect as connectHttp2,
  constants,
  createSecureServer,
  createServer as createHttp2Server,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced, type ProxyBalanced, type ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import { until } from '../support/eventually.js';
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  frameServer,
  GOAWAY,
  HEADERS,
  okFields,
  PING,
  RST_STREAM,
  words,
  type OnFrameRequest,
  type ReceivedFrame,
} from '../support/frame-server.js';
import { ask, createRig, type Rig } from '../support/proxy-rig.js';
import { cert, key } from '../support/tls.js';

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

function make(port: number, options: Partial<ProxyBalancedOptions> = {}): ProxyBalanced {
  const targets = [`https://127.0.0.1:${port}`];
  const proxy = proxyBalanced({ targets, http2: true, tls: { rejectUnauthorized: false }, ...options });
  proxies.push(proxy);
  return proxy;
}

const frameOrigin = (onRequest: OnFrameRequest): Promise<number> => rig.serveWith(frameServer(onRequest) as never);

const half = (stream: number, length?: string): Buffer =>
  Buffer.concat([frame(HEADERS, END_HEADERS, stream, okFields(length)), frame(DATA, 0, stream, Buffer.from('half'))]);

describe('an answer that was torn looks torn', () => {
  const tears: Array<[string, (socket: TLSSocket, stream: number) => void]> = [
    ['RST_STREAM with NO_ERROR', (socket, id) => socket.write(frame(RST_STREAM, 0, id, words(0)))],
    ['RST_STREAM with INTERNAL_ERROR', (socket, id) => socket.write(frame(RST_STREAM, 0, id, words(2)))],
    ['RST_STREAM with CANCEL', (socket, id) => socket.write(frame(RST_STREAM, 0, id, words(8)))],
    ['GOAWAY below the stream', (socket) => socket.end(frame(GOAWAY, 0, 0, words(0, 0)))],
    ['GOAWAY at the stream and the end', (socket, id) => socket.end(frame(GOAWAY, 0, 0, words(id, 0)))],
    ['the end of the connection', (socket) => socket.end()],
    ['a reset of the connection', (socket) => socket.destroy()],
  ];

  test.each(tears)('%s', async (_how, tear) => {
    const port = await frameOrigin((socket, id) => socket.write(half(id), () => tear(socket, id)));
    const proxy = make(port, { retry: false });
    await expect(ask(await rig.serve(proxy))).rejects.toThrow(/aborted|hang up|reset/);
    await until(() => proxy.stats().active === 0);
    expect(proxy.router.getRoutingStats().upstream!.inFlight).toBe(0);
  });

  test.each(['9', '2'])('an announced length of %s that is not met', async (length) => {
    const port = await frameOrigin((socket, id) => {
      socket.write(Buffer.concat([half(id, length), frame(DATA, END_STREAM, id)]));
    });
    const outcome = ask(await rig.serve(make(port, { retry: false }))).then(
      ({ status }) => status,
      () => 'torn',
    );
    expect([502, 'torn']).toContain(await outcome);
  });

  test.each([
    ['alone', Buffer.alloc(0)],
    ['and RST_STREAM with NO_ERROR', words(0)],
  ])('END_STREAM %s ends it whole', async (_how, code) => {
    const port = await frameOrigin((socket, id) => {
      const frames = [half(id, '4'), frame(DATA, END_STREAM, id)];
      if (code.length > 0) frames.push(frame(RST_STREAM, 0, id, code));
      socket.write(Buffer.concat(frames));
    });
    const proxy = make(port);
    expect(await ask(await rig.serve(proxy), { method: 'POST', body: 'x' })).toMatchObject({
      status: 200,
      body: 'half',
    });
    await until(() => proxy.stats().active === 0);
  });

  test('a stream refused unprocessed is sent again on a new connection, regardless of its method', async () => {
    const port = await frameOrigin((socket, id, count) => {
      if (count === 0) socket.end(frame(GOAWAY, 0, 0, words(0, 0)));
      else socket.write(frame(HEADERS, END_HEADERS | END_STREAM, id, okFields()));
    });
    expect(await ask(await rig.serve(make(port)), { method: 'POST', body: 'x' })).toMatchObject({ status: 200 });
  });

  test('one that was reset may have been worked on: a POST is not sent again', async () => {
    let seen = 0;
    const port = await frameOrigin((socket, id, count) => {
      seen = count + 1;
      socket.write(frame(RST_STREAM, 0, id, words(2)));
    });
    expect(await ask(await rig.serve(make(port)), { method: 'POST', body: 'x' })).toMatchObject({ status: 502 });
    expect(seen).toBe(1);
  });
});

test.each([
  ['reset by the instance', (id: number) => frame(RST_STREAM, 0, id, words(2))],
  [
    'with an invalid head',
    (id: number) => frame(HEADERS, END_HEADERS, id, Buffer.concat([okFields('4'), okFields('5')])),
  ],
])('a stream %s, on a session that goes on, is no lost connection: a PUT is not sent again', async (_how, answer) => {
  let seen = 0;
  const port = await frameOrigin((socket, id, count) => {
    seen = count + 1;
    socket.write(answer(id));
  });
  expect(await ask(await rig.serve(make(port)), { method: 'PUT', body: 'x' })).toMatchObject({ status: 502 });
  expect(seen).toBe(1);
});

describe('an upload that breaks off looks broken off to the instance', () => {
  /** The data frames of one upload, up to its reset or the end of its connection. */
  async function upload(
    onRequest: OnFrameRequest,
    leave: (client: Socket, proxy: ProxyBalanced) => unknown,
  ): Promise<ReceivedFrame[]> {
    const frames: ReceivedFrame[] = [];
    let isClosed = false;
    const server = frameServer(onRequest, (one) => frames.push(one));
    server.on('secureConnection', (socket) => socket.once('close', () => (isClosed = true)));
    const proxy = make(await rig.serveWith(server as never));
    const client = connect(await rig.serve(proxy), '127.0.0.1');
    client.on('error', () => undefined);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
    await until(() => frames.some(({ type, payload }) => type === DATA && payload.toString() === 'half'));
    leave(client, proxy);
    await until(() => isClosed || frames.some(({ type }) => type === RST_STREAM), 'the stream was never reset');
    client.destroy();
    await until(() => proxy.stats().active === 0);
    return frames.filter(({ type }) => type === DATA);
  }
  const wasEnded = (frames: readonly ReceivedFrame[]): boolean =>
    frames.some(({ flags }) => (flags & END_STREAM) !== 0);

  test('when the client leaves', async () => {
    const frames = await upload(
      () => undefined,
      (client) => client.destroy(),
    );
    expect(wasEnded(frames)).toBe(false);
  });

  test.each<[string, (session: ClientHttp2Session, stream: ClientHttp2Stream) => void]>([
    ['resets its stream', (_session, stream) => stream.destroy(new Error('given up'))],
    ['destroys its session', (session) => session.destroy(new Error('given up'))],
  ])('when a client over HTTP/2 %s', async (_how, leave) => {
    let received = '';
    let isClosed = false;
    const url = await rig.rawOrigin((socket) => {
      socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
      socket.once('close', () => (isClosed = true));
    });
    const proxy = proxyBalanced({ targets: [url] });
    proxies.push(proxy);
    const port = await rig.serveWith(createHttp2Server(compose(proxy) as never) as never);
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    session.on('error', () => undefined);
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.on('error', () => undefined);
    stream.write('half');
    await until(() => received.includes('half'));
    leave(session, stream);
    await until(() => isClosed, 'the connection to the instance was never closed');
    session.destroy();
    expect(received).not.toContain('0\r\n\r\n');
    await until(() => proxy.stats().active === 0);
  });

  test('when the proxy closes', async () => {
    const frames = await upload(
      () => undefined,
      (_client, proxy) => proxy.close(),
    );
    expect(wasEnded(frames)).toBe(false);
  });

  test('when the instance answers before it has all of it', async () => {
    let answer = (): void => undefined;
    const frames = await upload(
      (socket, id) => {
        answer = () => void socket.write(frame(HEADERS, END_HEADERS | END_STREAM, id, okFields()));
      },
      () => answer(),
    );
    expect(wasEnded(frames)).toBe(false);
  });
});

describe('a session that no longer answers', () => {
  const answer = (socket: TLSSocket, id: number): void => {
    socket.write(Buffer.concat([half(id, '4'), frame(DATA, END_STREAM, id)]));
  };

  /** An instance whose first connection is dead: it answers neither the first request nor PING. Later ones work. */
  async function withDeadConnection(): Promise<{ port: number; seen: () => number }> {
    let seen = 0;
    const server = frameServer(
      (socket, id, count) => {
        seen = count + 1;
        if (count > 0) answer(socket, id);
      },
      undefined,
      { answersPings: false },
    );
    return { port: await rig.serve(make(await rig.serveWith(server as never))), seen: () => seen };
  }

  test('is replaced, and a safe request is sent again', async () => {
    const { port, seen } = await withDeadConnection();
    expect(await ask(port)).toMatchObject({ status: 200, body: 'half' });
    expect(seen()).toBe(2);
  });

  test('fails a request that may have been worked on', async () => {
    const { port, seen } = await withDeadConnection();
    expect(await ask(port, { method: 'PUT', body: 'x' })).toMatchObject({ status: 502 });
    expect(seen()).toBe(1);
    expect(await ask(port)).toMatchObject({ status: 200 });
  });

  test('keeps its requests while it answers PING, however slow they are', async () => {
    let answerNow = (): void => undefined;
    let seen = 0;
    const server = frameServer(
      (socket, id, count) => {
        seen = count + 1;
        answerNow = () => answer(socket, id);
      },
      ({ type, flags }) => {
        if (type === PING && flags === 0) setImmediate(() => answerNow());
      },
    );
    const port = await rig.serve(make(await rig.serveWith(server as never)));
    expect(await ask(port, { method: 'PUT', body: 'x' })).toMatchObject({ status: 200, body: 'half' });
    expect(seen).toBe(1);
  });
});

describe('gRPC', () => {
  let client: ClientHttp2Session;

  /** A message as gRPC frames it. */
  const message = (text: string): Buffer =>
    Buffer.concat([Buffer.from([0]), words(Buffer.byteLength(text)), Buffer.from(text)]);

  function messagesIn(bytes: Buffer): string[] {
    const messages: string[] = [];
    for (let at = 0; at + 5 <= bytes.length;) {
      const length = bytes.readUInt32BE(at + 1);
      if (at + 5 + length > bytes.length) break;
      messages.push(bytes.toString('utf8', at + 5, at + 5 + length));
      at += 5 + length;
    }
    return messages;
  }

  function answer(stream: ServerHttp2Stream, status: string): void {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status, 'grpc-message': 'told%20so' }));
  }

  const methods: Record<string, (stream: ServerHttp2Stream) => void> = {
    '/echo.Echo/Unary': (stream) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('end', () => {
        answer(stream, '0');
        stream.end(message(messagesIn(Buffer.concat(chunks)).join('+').toUpperCase()));
      });
    },
    '/echo.Echo/ServerStream': (stream) => {
      stream.resume();
      answer(stream, '0');
      for (let i = 0; i < 500; i++) stream.write(message(`${i}`.padStart(1000, '.')));
      stream.end();
    },
    '/echo.Echo/Both': (stream) => {
      answer(stream, '0');
      stream.on('data', (chunk: Buffer) => {
        for (const one of messagesIn(chunk)) stream.write(message(`re ${one}`));
      });
      stream.once('end', () => stream.end());
    },
    '/echo.Echo/FailsAtOnce': (stream) => {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '16', 'grpc-message': 'who%3F' },
        { endStream: true },
      );
    },
    '/echo.Echo/FailsInTheMiddle': (stream) => {
      stream.once('data', () => {
        answer(stream, '8');
        stream.end(message('enough'));
      });
    },
  };

  interface Call {
    readonly send: (text: string) => void;
    readonly end: () => void;
    readonly messages: () => string[];
    readonly flags: () => number;
    readonly done: Promise<{ head: IncomingHttpHeaders; trailers: IncomingHttpHeaders; code: number }>;
  }

  function call(method: string): Call {
    const stream = client.request({
      ':method': 'POST',
      ':path': `/echo.Echo/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let [head, trailers, bytes, flags]: [IncomingHttpHeaders, IncomingHttpHeaders, Buffer, number] = [
      {},
      {},
      Buffer.alloc(0),
      0,
    ];
    stream.on('error', () => undefined);
    stream.once('response', (fields, given) => ([head, flags] = [fields, given]));
    stream.once('trailers', (fields) => (trailers = fields));
    stream.on('data', (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])));
    return {
      send: (text) => void stream.write(message(text)),
      end: () => void stream.end(),
      messages: () => messagesIn(bytes),
      flags: () => flags,
      done: new Promise((resolve) => {
        stream.once('close', () => resolve({ head, trailers, code: stream.rstCode }));
      }),
    };
  }

  let proxy: ProxyBalanced;

  beforeEach(async () => {
    const origin = createSecureServer({ key, cert });
    origin.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      if (headers.te !== 'trailers' || headers['content-type'] !== 'application/grpc') {
        stream.respond({ ':status': 415 }, { endStream: true });
      } else methods[String(headers[':path'])]!(stream);
    });
    proxy = make(await rig.serveWith(origin as never));
    const port = await rig.serveWith(createHttp2Server(compose(proxy) as never) as never);
    client = connectHttp2(`http://127.0.0.1:${port}`);
  });
  afterEach(async () => {
    await until(() => proxy.stats().active === 0);
    client.destroy();
  });

  test('a unary call', async () => {
    const one = call('Unary');
    one.send('a');
    one.end();
    const { head, trailers, code } = await one.done;
    expect([head[':status'], head['content-type'], code]).toEqual([200, 'application/grpc', 0]);
    expect(trailers).toMatchObject({ 'grpc-status': '0', 'grpc-message': 'told%20so' });
    expect(one.messages()).toEqual(['A']);
  });

  test('a stream of the server, more than its windows hold', async () => {
    const one = call('ServerStream');
    one.end();
    const { trailers } = await one.done;
    expect([one.messages().length, one.messages()[499]!.length, trailers['grpc-status']]).toEqual([500, 1000, '0']);
  });

  test('a stream both ways: each message is answered before the next is sent', async () => {
    const one = call('Both');
    for (let i = 0; i < 5; i++) {
      one.send(`m${i}`);
      await until(() => one.messages().length === i + 1);
    }
    one.end();
    expect((await one.done).trailers).toMatchObject({ 'grpc-status': '0' });
    expect(one.messages()).toEqual(['re m0', 're m1', 're m2', 're m3', 're m4']);
  });

  test('a call that fails at once keeps its status in a head that ends the stream', async () => {
    const one = call('FailsAtOnce');
    one.end();
    const { head } = await one.done;
    expect([head['grpc-status'], head['grpc-message']]).toEqual(['16', 'who%3F']);
    expect(one.flags() & constants.NGHTTP2_FLAG_END_STREAM).not.toBe(0);
  });

  test('a call that the server ends while the client still sends has its message and its status', async () => {
    const one = call('FailsInTheMiddle');
    one.send('a');
    await until(() => one.messages().length === 1);
    one.end();
    expect((await one.done).trailers).toMatchObject({ 'grpc-status': '8' });
    expect(one.messages()).toEqual(['enough']);
  });
});
