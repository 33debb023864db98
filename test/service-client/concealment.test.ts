import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { serviceClient, upstreamError, type ServiceClient } from '../../src/index.js';

const SECRET = 'hunter2-secret';
let server: Server;
let client: ServiceClient;
let seen: string | undefined;

beforeEach(async () => {
  server = createServer((req, res) => {
    seen = req.headers.authorization;
    if (req.url === '/broken') return res.destroy();
    res.statusCode = req.url === '/busy' ? 503 : 403;
    if (req.url === '/busy') res.setHeader('retry-after', '30');
    res.end('no');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  client = serviceClient('s', {
    baseURL: `http://user:${SECRET}@127.0.0.1:${port}`,
    retry: false,
    circuitBreaker: { failureThreshold: 2 },
  });
});
afterEach(() => {
  client.close();
  server.closeAllConnections();
  server.close();
});

const failures: ReadonlyArray<[string, () => Promise<unknown>]> = [
  ['the URL', () => client.get('/')],
  ['a header field', () => client.get('/', { headers: { Authorization: `Bearer ${SECRET}`, 'X-Api-Key': SECRET } })],
  ['auth', () => client.get('/', { auth: { username: 'u', password: SECRET } })],
  ['a body', () => client.post('/', { password: SECRET })],
  ['a broken call', () => client.get('/broken', { headers: { Cookie: `session=${SECRET}` } })],
  ['a cancelled call', () => client.get('/', { headers: { Cookie: SECRET }, signal: AbortSignal.abort() })],
  ['a parameter', () => client.get('/', { params: { access_token: SECRET } })],
];

test.each(failures)('credentials in %s show in no error', async (_, call) => {
  const error: Error = await call().then(
    () => Promise.reject(new Error('no error')),
    (failure: Error) => failure,
  );
  const encoded = Buffer.from(`user:${SECRET}`).toString('base64');
  const told = [JSON.stringify(error), error.message, error.stack, inspect(error, { depth: 10 }), { ...error }]
    .concat([inspect(upstreamError(error), { depth: 10 }), JSON.stringify(upstreamError(error))])
    .map((text) => (typeof text === 'string' ? text : inspect(text, { depth: 10 })));
  for (const text of told) {
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain(encoded);
  }
});

test('credentials of the URL are sent all the same', async () => {
  await client.get('/').catch(() => undefined);
  expect(Buffer.from(seen!.split(' ')[1]!, 'base64').toString()).toBe(`user:${SECRET}`);
});

test('503 with Retry-After is busy, not broken', async () => {
  for (let i = 0; i < 5; i++) await expect(client.get('/busy')).rejects.toMatchObject({ response: { status: 503 } });
  expect(Object.values(client.getStats().circuits)).toEqual(['closed']);
});
