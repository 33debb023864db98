/**
 * Runs the application's own tests without this package, and then with the lines of the README in front. Then many
 * users request everything at once, and no user may see the data of another. `IDENTITY_REQUESTS` sets the number of
 * requests.
 */
import express from 'express';
import express4 from 'express4';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, createServer, request as httpRequest, type OutgoingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import { WebSocket } from 'ws';
import { cacheResponse, healthEndpoints, rateLimit, trace } from '../../src/middleware/index.js';
import { seededRandom } from '../support/seeded-random.js';
import { createNotesApp, ownersIn, PASSWORDS, TOKENS, type Framework } from './notes-app.js';

const REQUESTS = Number(process.env['IDENTITY_REQUESTS'] ?? 3000);
const AT_ONCE = 16;
/** Milliseconds for all of them: a request takes 2 on a quiet machine. The limit only ends a run that hangs. */
const LIMIT = 60_000 + REQUESTS * 60;

const frameworks: Array<[string, Framework]> = [
  ['Express 5', express],
  ['Express 4', express4],
];

/** The lines of the README. The limit is for clients of which there is one here. */
function readmeLines() {
  const parts = [
    trace({ serviceName: 'notes' }),
    healthEndpoints({ warnings: false }),
    rateLimit({ rateLimit: 1e6 }),
    cacheResponse(),
  ];
  return {
    handlers: parts as unknown as express.RequestHandler[],
    close: async () => {
      for (const part of parts) await part.close();
    },
  };
}

interface Served {
  readonly server: Server;
  readonly port: number;
  close(): Promise<void>;
}

async function serve(framework: Framework, withKit: boolean): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'notes-'));
  const kit = withKit ? readmeLines() : undefined;
  const notes = createNotesApp(framework, kit?.handlers ?? [], folder);
  const server = createServer(notes.app);
  // On a busy machine a connection can look idle for longer than Node's 5 s, and a request sent meanwhile would be reset.
  server.keepAliveTimeout = 0;
  notes.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    server,
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await kit?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function login({ server }: Served, name: string): Promise<string> {
  const response = await request(server).post('/login').type('form').send({ name, pass: PASSWORDS[name] }).expect(302);
  return /sid=[\w-]+/.exec(String(response.headers['set-cookie']))![0];
}

describe.each(
  frameworks.flatMap(([name, framework]) => [false, true].map((withKit) => [name, withKit, framework] as const)),
)('%s, with the kit: %s', (_name, withKit, framework) => {
  let served: Served;
  let ada: string;
  let bob: string;
  beforeAll(async () => {
    served = await serve(framework, withKit);
    ada = await login(served, 'ada');
    bob = await login(served, 'bob');
  });
  afterAll(() => served.close());
  const get = (path: string, cookie = '') => request(served.server).get(path).set('Cookie', cookie);

  test('a wrong password, and the public page', async () => {
    await request(served.server).post('/login').type('form').send({ name: 'ada', pass: 'x' }).expect(401);
    expect((await get('/', ada)).text).toBe('hello, private to ada');
    expect((await get('/')).text).toBe('hello stranger');
    await get('/account').expect(302).expect('Location', '/login');
  });

  test.each(['/account', '/orders', '/invoices', '/settings', '/messages', '/friends', '/recent'])(
    '%s is the own one',
    async (path) => {
      for (let round = 0; round < 3; round++) {
        const [one, other] = await Promise.all([get(path, ada), get(path, bob)]);
        expect([ownersIn(one.text), ownersIn(other.text)]).toEqual([['ada'], ['bob']]);
      }
    },
  );

  test('notes are written, read, changed and deleted', async () => {
    await get('/api/notes').expect(401);
    const { body } = await request(served.server)
      .post('/api/notes')
      .set('Cookie', ada)
      .send({ text: 'hi' })
      .expect(201);
    const { id } = body as { id: string };
    expect((await get(`/api/notes/${id}`, ada).expect(200)).body).toMatchObject({ text: 'hi' });
    await get(`/api/notes/${id}`, bob).expect(404);
    await request(served.server).put(`/api/notes/${id}`).set('Cookie', ada).send({ text: 'there' }).expect(200);
    expect((await get(`/api/notes/${id}`, ada)).body).toMatchObject({ text: 'there' });
    await request(served.server).delete(`/api/notes/${id}`).set('Cookie', ada).expect(204);
    await get(`/api/notes/${id}`, ada).expect(404);
  });

  test('uploads, static files, events', async () => {
    for (const cookie of [ada, bob]) {
      const name = cookie === ada ? 'ada' : 'bob';
      const text = `picture, private to ${name}`;
      await request(served.server).post('/api/avatar').set('Cookie', cookie).type('text/plain').send(text).expect(201);
    }
    const [one, other] = await Promise.all([get('/api/avatar', ada), get('/api/avatar', bob)]);
    expect([ownersIn(one.text), ownersIn(other.text)]).toEqual([['ada'], ['bob']]);
    await get('/style.css').expect(200).expect('Content-Type', /css/);
    expect(ownersIn((await get('/api/events', bob)).text)).toEqual(['bob']);
  });

  test('its own health check, errors without details, and 404 for other paths', async () => {
    expect((await get('/health')).body).toEqual({ db: 'up' });
    expect((await get('/api/boom', ada).expect(500)).text).toBe('something went wrong');
    await request(served.server).post('/api/notes').set('Cookie', ada).type('json').send('{').expect(500);
    await get('/nope').expect(404);
  });

  test('a WebSocket', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${served.port}/socket`, { headers: { Cookie: ada } });
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send('hello');
    const answer = await new Promise<string>((resolve) =>
      socket.once('message', (data: Buffer) => resolve(String(data))),
    );
    expect(answer).toBe('hello, private to ada');
    socket.close();
    await new Promise((resolve) => socket.once('close', resolve));
  });
});

const PAGES = [
  ...[
    '/',
    '/account',
    '/orders',
    '/invoices',
    '/settings',
    '/messages',
    '/friends',
    '/recent',
    '/account?renew',
    '/orders?renew',
  ],
  ...[
    '/api/notes',
    '/api/avatar',
    '/api/events',
    '/price-list',
    '/basket/1',
    '/basket/2',
    '/style.css',
    '/health',
    '/login',
  ],
];

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string | undefined;
}

/** A request of one user, as anybody may send it. */
function randomRequest(random: () => number, identity: OutgoingHttpHeaders, user: string | undefined): Asked {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const headers: OutgoingHttpHeaders = { Host: 'notes.example', ...identity };
  if (random() < 0.1) headers['If-None-Match'] = pick(['"one-for-all"', '*', 'W/"x"']);
  if (random() < 0.1) headers['If-Modified-Since'] = new Date('2024-01-01').toUTCString();
  if (random() < 0.1) headers['Range'] = 'bytes=0-40';
  if (random() < 0.2) headers['Accept-Language'] = pick(['de', 'en']);
  if (random() < 0.1) headers['Cache-Control'] = pick(['no-cache', 'max-age=0', 'only-if-cached', 'max-stale']);
  const write = user !== undefined && random() < 0.05;
  if (!write) return { method: random() < 0.1 ? 'HEAD' : 'GET', path: pick(PAGES), headers, body: undefined };
  const isUpload = random() < 0.5;
  const body = isUpload ? `picture, private to ${user}` : JSON.stringify({ text: `private to ${user}` });
  headers['Content-Type'] = isUpload ? 'text/plain' : 'application/json';
  return { method: 'POST', path: isUpload ? '/api/avatar' : '/api/notes', headers, body };
}

function send(
  port: number,
  agent: Agent,
  { method, path, headers, body }: Asked,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port, agent, method, path, headers }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      res.once('end', () => resolve({ status: res.statusCode!, text }));
      res.once('error', reject);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

test(
  `no user sees another user's content, in ${REQUESTS} requests of five at random`,
  async () => {
    const served = await serve(express, true);
    const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
    const seed = Number(process.env['FUZZ_SEED'] ?? 7);
    const random = seededRandom(seed);
    const users: Array<[OutgoingHttpHeaders, string | undefined]> = [[{}, undefined]];
    for (const name of ['ada', 'bob']) users.push([{ Cookie: await login(served, name) }, name]);
    users.push([{ Authorization: 'Bearer token-eve' }, TOKENS['token-eve']], [{ Cookie: 'theme=dark' }, undefined]);
    const wrong: string[] = [];
    let left = REQUESTS;
    let hits = 0;
    const lane = async (): Promise<void> => {
      while (left-- > 0) {
        const [identity, user] = users[Math.floor(random() * users.length)]!;
        const asked = randomRequest(random, identity, user);
        const { status, text } = await send(served.port, agent, asked).catch((error: Error) => {
          wrong.push(`${asked.method} ${asked.path}: ${error.message}`);
          return { status: 0, text: '' };
        });
        const owners = ownersIn(text);
        if (owners.some((owner) => owner !== user))
          wrong.push(`${asked.method} ${asked.path} of ${user}: ${owners.join()}`);
        if (owners.length > 0) hits++;
        if (status >= 500 && status !== 504) wrong.push(`${asked.method} ${asked.path}: ${status}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    agent.destroy();
    await served.close();
    expect({ seed, wrong }).toEqual({ seed, wrong: [] });
    expect(hits).toBeGreaterThan(REQUESTS / 10); // private answers were among them
  },
  LIMIT,
);
