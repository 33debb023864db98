/** The link of the control room and the session it is exchanged for. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import request from 'supertest';
import { requireControl } from '../../../src/index.js';
import { controlRoomLink, controlSession, linkToken } from '../../../servers/web/session.js';

const TOKEN = 'a-control-token-of-the-test';
let now = 1_000_000;
const app = express();
app.use(controlSession(TOKEN, () => now));
app.get('/', (_req, res) => res.send('page'));
app.all('/control', requireControl(TOKEN), (_req, res) => res.send('done'));
const listening = app.listen(0, '127.0.0.1');
let server: string;
beforeAll(async () => {
  if (!listening.listening) await once(listening, 'listening');
  server = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
});
afterAll(() => listening.close());

/** Opens a session by the link; the cookie as a browser sends it back. */
async function open(token = linkToken(TOKEN)): Promise<{ cookie: string; attributes: string }> {
  const answer = await request(server).get(`/?token=${token}`);
  expect(answer.status).toBe(303);
  expect(answer.headers['location']).toBe('/');
  const [cookie = ''] = (answer.headers['set-cookie'] as unknown as string[] | undefined) ?? [];
  return { cookie: cookie.split(';')[0]!, attributes: cookie };
}

test('the link opens a session whose cookie scripts cannot read and other sites cannot send', async () => {
  const { cookie, attributes } = await open();
  expect(attributes).toMatch(/HttpOnly/);
  expect(attributes).toMatch(/SameSite=Strict/);
  expect(attributes).not.toContain(TOKEN);
  expect((await request(server).get('/control').set('Cookie', cookie)).text).toBe('done');
});

test('the token of the link is not the control token', async () => {
  expect(controlRoomLink('http://127.0.0.1:3000', TOKEN)).not.toContain(TOKEN);
  expect((await request(server).get('/control').set('X-Control-Token', linkToken(TOKEN))).status).toBe(403);
});

test.each(['', 'x', `${linkToken(TOKEN)}x`, linkToken('another-token-of-a-fleet')])(
  'a wrong token %j opens no session',
  async (token) => {
    const { attributes } = await open(token);
    expect(attributes).toBe('');
  },
);

test.each<[string, Record<string, string>, number]>([
  ['of the page itself', { origin: 'http://HOST' }, 200],
  ['that a browser calls same-origin', { 'sec-fetch-site': 'same-origin' }, 200],
  ['of another port of this machine', { origin: 'http://127.0.0.1:1' }, 401],
  ['of another port, as browsers report it', { origin: 'http://HOST', 'sec-fetch-site': 'same-site' }, 401],
  ['of a sandboxed page', { origin: 'null' }, 401],
  ['without an origin', {}, 401],
])('a POST %s', async (_, headers, status) => {
  const { cookie } = await open();
  const post = request(server).post('/control').set('Cookie', cookie);
  const host = new URL(post.url).host;
  for (const [name, value] of Object.entries(headers)) void post.set(name, value.replace('HOST', host));
  expect((await post).status).toBe(status);
});

test('a session expires, and a session that was tampered with is rejected', async () => {
  const { cookie } = await open();
  const later = cookie.replace(/=(\d+)\./, (_, expires: string) => `=${Number(expires) + 1}.`);
  expect((await request(server).get('/control').set('Cookie', later)).status).toBe(401);
  now += 12 * 3_600_000;
  expect((await request(server).get('/control').set('Cookie', cookie)).status).toBe(401);
});
