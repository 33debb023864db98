/** The layer that purges: what it sends, and that it does not give up. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CdnCacheLayer, varnishPurge } from '../../src/caching/cdn-cache-layer.js';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { FakeClock } from '../../src/testing.js';
import { until } from '../support/eventually.js';

let edge: Server;
let url: string;
let answer: number;
let seen: string[];

beforeEach(async () => {
  answer = 200;
  seen = [];
  edge = createServer((req, res) => {
    const { 'xkey-purge': hard, 'xkey-softpurge': soft, 'x-ban-url': ban, authorization } = req.headers;
    const said = Object.entries({ hard, soft, ban }).map(([how, what]) => what && `${how} ${String(what)}`);
    seen.push([req.method, req.url, ...said, authorization].filter(Boolean).join(' '));
    res.writeHead(answer).end();
  }).listen(0, '127.0.0.1');
  await once(edge, 'listening');
  url = `http://127.0.0.1:${(edge.address() as AddressInfo).port}`;
});

afterEach(async () => {
  edge.closeAllConnections();
  edge.close();
  await once(edge, 'close');
});

test('what is invalidated in the manager is purged', async () => {
  const cdn = new CdnCacheLayer({ endpoints: [`${url}/`], headers: { Authorization: 'token' } });
  const cache = new MultiLayerCacheManager({ cdn });
  await cache.set('/a b', 1);
  await cache.get('/a b');
  await cache.invalidate('/a b');
  await cache.invalidate('no path');
  await cache.invalidatePattern('/api/*.json');
  await cache.invalidateTag('user-1');
  await cache.invalidateTag('user-2', { soft: true });
  await cache.getOrSet('/loaded', () => 1);
  cache.destroy();
  expect(seen).toEqual([
    'PURGE /a%20b token', // written: what the edge has is outdated
    'PURGE /a%20b token',
    'PURGE / ban ^/api/.*\\.json$ token',
    'PURGE / hard user-1 token',
    'PURGE / soft user-2 token',
  ]);
});

test('a purge that fails is repeated until it succeeds, and holds nothing up', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const errors: unknown[] = [];
  const clock = new FakeClock();
  const headers = { Authorization: 'very secret' };
  const cdn = new CdnCacheLayer({ endpoints: [url], headers, onError: (error) => errors.push(error), clock });
  answer = 503;
  await cdn.delete('/a');
  await cdn.invalidateTag('t');
  await until(() => errors.length >= 2); // both have failed once
  answer = 200;
  clock.tick(500);
  await until(() => seen.length >= 4);
  expect(new Set(seen.slice(1))).toEqual(new Set(['PURGE /a very secret', 'PURGE / hard t very secret']));
  expect(errors.length).toBeGreaterThan(0);
  for (const error of [...errors, ...warned.mock.calls.flat()]) {
    expect(JSON.stringify(error) + String(error)).not.toContain('very secret');
  }
  await cdn.destroy();
  warned.mockRestore();
});

test('nothing is read from it', async () => {
  const cdn = new CdnCacheLayer({ endpoints: [] });
  expect([await cdn.get('/a'), await cdn.has('/a'), await cdn.read('/a')]).toEqual([undefined, false, undefined]);
  expect(await cdn.lease('/a', 1)).toBe('unavailable');
  expect(cdn.getStats().hitRate).toBe(0);
  await cdn.clear();
  await cdn.destroy();
});

test('requests of other caches can be given', async () => {
  const requestsFor = (): { method: string; path: string }[] => [{ method: 'POST', path: '/service/x/purge' }];
  const cdn = new CdnCacheLayer({ endpoints: [url], requestsFor });
  await cdn.invalidateTag('t');
  await cdn.destroy();
  expect(seen).toEqual(['POST /service/x/purge']);
});

test('hostile names end up in no other request', () => {
  expect(varnishPurge({ kind: 'pattern', pattern: 'a\r\nX: y(*' })[0]?.headers?.['X-Ban-Url']).toBe(
    '^a%0D%0AX:%20y\\(.*$',
  );
  expect(varnishPurge({ kind: 'tag', tag: 'a\r\nX: y, z', soft: false })[0]?.headers).toEqual({
    'Xkey-Purge': 'a%0D%0AX:%20y%2C%20z',
  });
  expect(varnishPurge({ kind: 'key', key: '/\ud800' })).toEqual([{ method: 'PURGE', path: '/%EF%BF%BD' }]);
  expect(() => new CdnCacheLayer({ endpoints: ['not a url'] })).toThrow();
  expect(() => new CdnCacheLayer({} as never)).toThrow("'endpoints' is missing");
});
