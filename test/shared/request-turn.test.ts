/** Pipelined requests are handled one after the other, in the order of their arrival, and are read only as they are handled. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer, IncomingMessage, ServerResponse, type RequestListener } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Middleware } from '../../src/shared/http.js';
import { inTurn } from '../../src/shared/request-turn.js';
import { until } from '../support/eventually.js';
import fc from '../support/fast-check.js';

async function serving<T>(listener: RequestListener, use: (client: Socket) => Promise<T>): Promise<T> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined);
  try {
    return await use(client);
  } finally {
    client.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const postOf = (length: number): string =>
  `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`;

const turnOf =
  (handle: Middleware, next: (error?: unknown) => void = () => undefined): RequestListener =>
  (req, res) =>
    inTurn(req, res, next, handle);

/** How a request is handled: at once, a tick, or a turn of the event loop later. */
const delays = {
  none: (done: () => void) => done(),
  tick: (done: () => void) => process.nextTick(done),
  turn: (done: () => void) => void setImmediate(done),
};

interface Planned {
  readonly body: string | undefined;
  readonly delay: keyof typeof delays;
  readonly readsBody: boolean;
}

const planned = fc.record<Planned>({
  body: fc.option(fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 200 }), { nil: undefined }),
  delay: fc.constantFrom('none', 'tick', 'turn'),
  readsBody: fc.boolean(),
});

const bytesOf = ({ body }: Planned, index: number): string =>
  body === undefined
    ? `GET /${index} HTTP/1.1\r\nHost: h\r\n\r\n`
    : `POST /${index} HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Cuts a text at these places, so that a request may arrive in several pieces. */
function cut(text: string, places: readonly number[]): string[] {
  const sorted = [...new Set(places.map((place) => place % text.length))].sort((a, b) => a - b);
  return [0, ...sorted].map((from, index) => text.slice(from, sorted[index])).filter((part) => part !== '');
}

async function bodyOf(req: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of req) body += String(chunk);
  return body;
}

test('one request of a connection is in progress at a time, and each is answered', async () => {
  const requests = fc.array(planned, { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(requests, fc.array(fc.nat(), { maxLength: 6 }), async (plan, places) => {
      const events: string[] = [];
      const handle: Middleware = (req, res) => {
        const { delay, readsBody, body = '' } = plan[Number(req.url!.slice(1))]!;
        events.push(`begin ${req.url}`);
        const answer = (text: string): void => {
          events.push(`end ${req.url}`);
          res.end(`<${text}>`);
        };
        delays[delay](() => void (readsBody ? bodyOf(req).then(answer) : answer(body)));
      };
      const received = await serving(turnOf(handle), async (client) => {
        let text = '';
        client.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
        for (const piece of cut(plan.map(bytesOf).join(''), places)) {
          client.write(piece);
          await new Promise((resolve) => setImmediate(resolve));
        }
        await until(() => text.split('>').length === plan.length + 1, 'a request was not answered');
        return text;
      });
      expect(received.match(/<[ab]*>/g)).toEqual(plan.map(({ body = '' }) => `<${body}>`));
      expect(events).toEqual(plan.flatMap((_one, index) => [`begin /${index}`, `end /${index}`]));
    }),
    { numRuns: 60 },
  );
});

test('a client that does not stop sending is read only as its requests are handled', async () => {
  const one = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
  const responses: ServerResponse[] = [];
  let arrived = 0;
  const listener = turnOf((_req, res) => void responses.push(res));
  await serving(
    (req, res) => {
      arrived++;
      listener(req, res);
    },
    async (client) => {
      const batch = one.repeat(1_000);
      let written = 0;
      const write = (): void => {
        while (written++ < 1_000) if (!client.write(batch)) return void client.once('drain', write);
      };
      write();
      await until(() => client.writableNeedDrain && arrived > 0);
      // Each request that is answered may let Node read once more, so its count may not grow by a piece each time.
      for (let answered = 0; answered < 50; answered++) {
        await until(() => responses.length > answered);
        responses[answered]!.end();
      }
      await until(() => responses.length > 50);
      expect(arrived).toBeLessThan(3 * (65_536 / one.length));
      expect(client.writableNeedDrain).toBe(true);
    },
  );
});

test('a client that leaves while requests wait is noticed', async () => {
  let state = 'new';
  const listener = turnOf((req) => {
    state = 'begun';
    req.socket.once('close', () => (state = 'closed'));
  });
  await serving(listener, async (client) => {
    client.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(10));
    await until(() => state === 'begun');
    client.destroy();
    await until(() => state === 'closed', 'the connection was not closed');
  });
});

describe('a connection with requests that wait for 10 seconds', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask', 'performance'] });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const behind = (what: string): string => `GET / HTTP/1.1\r\nHost: h\r\n\r\n${what}`;
  test.each([
    ['is closed if too many wait', behind('GET / HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(33)), true],
    ['is closed if a body is too long to be kept', behind(postOf(1_000_000)), true],
    ['stays open if few wait', behind(postOf(100).repeat(32)), false],
  ])('%s', async (_name, bytes, isClosed) => {
    let begun: Socket | undefined;
    let arrived = 0;
    const listener = turnOf((req) => (begun = req.socket));
    await serving(
      (req, res) => {
        arrived++;
        listener(req, res);
      },
      async (client) => {
        const count = bytes.split(' HTTP/1.1').length - 1;
        client.write(bytes);
        await until(() => arrived === count);
        jest.advanceTimersByTime(25_000);
        expect(begun?.destroyed).toBe(isClosed);
      },
    );
  });
});

test('a request that has waited has the async context in which it arrived', async () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: Array<string | undefined> = [];
  const listener = turnOf((req, res) => {
    seen.push(storage.getStore());
    setImmediate(() => res.end(req.url));
  });
  await serving(
    (req, res) => storage.run(req.url!, listener, req as never, res as never),
    async (client) => {
      client.write(['/a', '/b', '/c'].map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join(''));
      await until(() => seen.length === 3);
    },
  );
  expect(seen).toEqual(['/a', '/b', '/c']);
});

test('what the handler of a request that has waited throws goes to next', async () => {
  const failed: unknown[] = [];
  const handle: Middleware = (req, res) => {
    if (req.url === '/first') return void setImmediate(() => res.end());
    throw new Error(`not ${req.url}`);
  };
  await serving(
    turnOf(handle, (error) => failed.push(error)),
    async (client) => {
      client.write(['/first', '/second'].map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join(''));
      await until(() => failed.length === 1);
    },
  );
  expect(failed).toEqual([new Error('not /second')]);
});

test('a simulated response without a socket is handled at once', () => {
  const req = new IncomingMessage(undefined as unknown as Socket);
  const handled: unknown[] = [];
  inTurn(
    req,
    new ServerResponse(req),
    () => undefined,
    (one) => void handled.push(one),
  );
  expect(handled).toEqual([req]);
});
