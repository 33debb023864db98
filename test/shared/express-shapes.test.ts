/**
 * Requests and responses under Express keep one shape (V8's map), so that their properties are read fast on every Node, and
 * handlers see the same as without the kit.
 */
import express, { type Express, type Request, type Response } from 'express';
import {
  Agent,
  createServer,
  request as send,
  ServerResponse,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import express4 from 'express4';
import request from 'supertest';
import { cacheResponse, compose, rateLimit, trace } from '../../src/index.js';
import { haveSameMap } from '../support/v8-natives.js';

const AT_ONCE = 12;
const ROUNDS = 3;

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listening(listener: RequestListener): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => void server.close());
  return server;
}

interface Served {
  readonly req: Request;
  readonly res: Response;
}

/** Holds requests until so many have come, answers them together, and keeps them for inspection. */
function holding(app: Express): Served[][] {
  const rounds: Served[][] = [];
  let held: Served[] = [];
  app.use((req, res) => {
    held.push({ req, res });
    if (held.length < AT_ONCE) return;
    rounds.push(held);
    held = [];
    for (const one of rounds.at(-1)!) one.res.status(200).set('X-A', 'b').json({ ok: true });
  });
  return rounds;
}

async function load(server: Server, method = 'GET'): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const { port } = server.address() as AddressInfo;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const options = { port, agent, host: '127.0.0.1', method };
      send(options, (res) => res.resume().on('end', resolve))
        .on('error', reject)
        .end();
    });
  for (let i = 0; i < ROUNDS; i++) await Promise.all(Array.from({ length: AT_ONCE }, one));
  agent.destroy();
}

const shared = (objects: readonly object[]): boolean => objects.every((one) => haveSameMap(one, objects[0]!));

/** Whether the requests of a round have one shape, and the responses too. */
const shapesOf = (served: readonly Served[]): boolean[] => [
  shared(served.map(({ req }) => req)),
  shared(served.map(({ res }) => res)),
];

describe.each([
  ['5', express],
  ['4', express4],
])('requests and responses of Express %s have one shape', (_version, create) => {
  test('in an application that mounts the kit', async () => {
    const app = create();
    const cache = cacheResponse();
    closers.push(() => cache.close());
    app.use(trace(), rateLimit(), cache);
    const rounds = holding(app);
    await load(await listening(app));
    // The first round shows what the router adds.
    expect(rounds.slice(1).map(shapesOf)).toEqual(Array.from({ length: ROUNDS - 1 }, () => [true, true]));
  });

  test.each([
    ['', undefined],
    [' by keys of the application', (req: IncomingMessage) => req.url!],
  ])('where the cache watches changes%s', async (_keys, key) => {
    const app = create();
    const cache = cacheResponse({ key });
    closers.push(() => cache.close());
    app.use(trace(), cache);
    const rounds = holding(app);
    await load(await listening(app), 'POST');
    expect(rounds.slice(1).map(shapesOf)).toEqual(Array.from({ length: ROUNDS - 1 }, () => [true, true]));
  });

  test('in an application behind compose', async () => {
    const app = create();
    const rounds = holding(app);
    await load(await listening(compose(trace(), app)));
    expect(rounds.slice(1).map(shapesOf)).toEqual(Array.from({ length: ROUNDS - 1 }, () => [true, true]));
  });
});

describe('handlers see what they see without the kit', () => {
  test.each([
    ['5', express],
    ['4', express4],
  ])('properties of Express %s read as before', async (_version, create) => {
    const app = create();
    app.use(trace());
    app.use((req, res) => {
      const { baseUrl, originalUrl, params, query } = req;
      res.json({ route: typeof req.route, baseUrl, originalUrl, params, query, status: res.statusCode });
    });
    const { body } = await request(app).get('/a?b=c');
    const expected = {
      route: 'undefined',
      baseUrl: '',
      originalUrl: '/a?b=c',
      params: {},
      query: { b: 'c' },
      status: 200,
    };
    expect(body).toEqual(expected);
  });

  test('a method that the application replaces on its responses is called', async () => {
    const app = express();
    const cache = cacheResponse();
    closers.push(() => cache.close());
    const nodes = ServerResponse.prototype as unknown as Record<'writeHead', (...args: unknown[]) => ServerResponse>;
    app.response.writeHead = function marked(this: ServerResponse, ...args: unknown[]) {
      this.setHeader('X-Replaced', 'yes');
      return nodes.writeHead.apply(this, args);
    } as typeof app.response.writeHead;
    app.use(cache, (_req, res) => void res.send('a'));
    expect((await request(app).get('/')).headers['x-replaced']).toBe('yes');
  });

  test('a server whose listener is no application of Express is left alone', async () => {
    rateLimit();
    let names: string[] = [];
    const server = await listening((req, res) => {
      names = Object.keys(req);
      res.end();
    });
    await request(server).get('/');
    expect(names).not.toContain('originalUrl');
  });
});
