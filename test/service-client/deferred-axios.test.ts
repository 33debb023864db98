/** A service client exists before axios is loaded: what is set on it until then is set on the instance that sends. */
import axios from 'axios';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { deferredAxios } from '../../src/service-client/deferred-axios.js';

let server: http.Server;
let baseURL: string;

beforeAll(async () => {
  server = http.createServer((req, res) => res.end(JSON.stringify({ url: req.url, ...req.headers })));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

test('defaults set before the first request are sent with it, and remain the same object', async () => {
  const client = deferredAxios({ baseURL });
  const { defaults } = client;
  defaults.headers.common['X-Early'] = '1';
  defaults.headers.get['X-Get'] = '2';
  expect((await client.get('/a')).data).toMatchObject({ url: '/a', 'x-early': '1', 'x-get': '2' });
  defaults.headers.common['X-Late'] = '3';
  expect(client.defaults).toBe(defaults);
  expect((await client.post('/b')).data).toMatchObject({ url: '/b', 'x-early': '1', 'x-late': '3' });
  expect(typeof defaults.validateStatus).toBe('function');
});

test('interceptors are added, ejected and cleared as axios does it', async () => {
  for (const client of [deferredAxios({ baseURL }), axios.create({ baseURL })]) {
    const { request, response } = client.interceptors;
    const add = (name: string) =>
      request.use((config) => {
        config.headers.set(name, 'yes');
        return config;
      });
    request.use((config) => config);
    request.clear();
    const [first, second] = [add('x-first'), add('x-second')];
    request.eject(first);
    response.use((answer) => ({ ...answer, data: { ...answer.data, seen: true } }));
    const early = await client.get('/');
    expect(early.data).toMatchObject({ 'x-second': 'yes', seen: true });
    expect(early.data).not.toHaveProperty('x-first');
    add('x-third');
    request.eject(second);
    const late = (await client.get('/')).data as object;
    expect(['x-second' in late, 'x-third' in late]).toEqual([false, true]);
  }
});

test('getUri answers at once, as axios does', () => {
  const settings = { baseURL: 'http://reports/v1/', params: { from: 'a b', ids: [1, 2], of: { x: null, y: 'é' } } };
  for (const request of [
    { url: '/trends' },
    { url: 'http://other/' },
    { url: '/q#f', params: { until: new Date(0) } },
  ]) {
    expect(deferredAxios(settings).getUri(request)).toBe(axios.create(settings).getUri(request));
  }
});

test('every way of calling it, and an instance made from it', async () => {
  const client = deferredAxios({ baseURL, headers: { 'X-Parent': 'p' } });
  const child = client.create({ headers: { 'X-Child': 'c' } });
  const urls = await Promise.all([
    client('/1'),
    client({ url: '/2' }),
    client.request({ url: '/3' }),
    client.put('/4', {}),
    child.get('/5'),
  ]);
  expect(urls.map(({ data }) => (data as { url: string }).url)).toEqual(['/1', '/2', '/3', '/4', '/5']);
  expect(urls[4].data).toMatchObject({ 'x-parent': 'p', 'x-child': 'c' });
});

test('has every method of an axios instance', () => {
  const missing = (object: object, other: object): string[] =>
    Object.keys(other).filter((name) => !name.startsWith('_') && !(name in object));
  expect(missing(deferredAxios({}), axios.create())).toEqual([]);
});
