/** The layer that purges, and docs/varnish.vcl, against a real Varnish. */
import type { Server } from 'node:http';
import { resolve } from 'node:path';
import { CdnCacheLayer } from '../../src/caching/cdn-cache-layer.js';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { ask, listen, portOf, shut } from '../support/cache-rig.js';
import { eventually } from '../support/eventually.js';
import { describeUnless } from '../support/services.js';
import { VarnishServer } from '../support/varnish-server.js';

const VCL = resolve(__dirname, '../../docs/varnish.vcl');
const HOST = 'shop.example';

describeUnless(VarnishServer.unavailable, 'purging a Varnish', () => {
  let origin: Server;
  let varnish: VarnishServer;
  let cache: MultiLayerCacheManager;
  const failures: unknown[] = [];
  /** The surrogate keys of a path. */
  const xkeys = new Map<string, string>();

  beforeAll(async () => {
    let answers = 0;
    origin = await listen((req, res) => {
      const xkey = xkeys.get(req.url ?? '');
      res.writeHead(200, { 'Cache-Control': 'max-age=3600', ...(xkey !== undefined && { xkey }) });
      res.end(`${req.url} ${++answers}`);
    });
    varnish = await VarnishServer.start({ backendPort: portOf(origin), vcl: VCL });
    const onError = (error: unknown): unknown => failures.push(error);
    const cdn = new CdnCacheLayer({ endpoints: [varnish.url], headers: { Host: HOST }, timeout: 10_000, onError });
    cache = new MultiLayerCacheManager({ cdn });
  }, 60_000);
  afterAll(async () => {
    cache.destroy();
    await varnish.stop();
    await shut(origin);
    expect(failures).toEqual([]);
  });

  async function get(path: string): Promise<string> {
    const { status, headers, body } = await ask(Number(new URL(varnish.url).port), path, { headers: { Host: HOST } });
    expect(status).toBe(200);
    expect(headers).not.toHaveProperty('xkey');
    expect(headers).not.toHaveProperty('x-url');
    return body;
  }

  /** Fills the edge with these paths, invalidates, and returns the paths that the edge no longer holds. */
  async function goneAfter(invalidate: () => Promise<unknown>, ...paths: string[]): Promise<string[]> {
    const before = new Map<string, string>();
    for (const path of paths) before.set(path, await get(path));
    for (const path of paths) expect(await get(path)).toBe(before.get(path)); // it does keep them
    await invalidate();
    const gone: string[] = [];
    for (const path of paths) if ((await get(path)) !== before.get(path)) gone.push(path);
    return gone;
  }

  test.each([
    ['/a', '/a'],
    ['/a?b=1,2&c=%2F', '/a?b=1,2&c=%2F'],
    ['/name with spaces', '/name%20with%20spaces'],
    ['/escaped%20already', '/escaped%20already'],
    ['/größe', '/gr%C3%B6%C3%9Fe'],
  ])('the key %s is the path %s', async (key, path) => {
    expect(await goneAfter(() => cache.invalidate(key), path, '/other')).toEqual([path]);
    expect(await goneAfter(() => cache.set(key, 'new'), path, '/other')).toEqual([path]);
  });

  test('a pattern is every path that matches, and no other', async () => {
    const paths = ['/api/1.json', '/api/1/2.json?q=1', '/api/1xjson', '/api.json', '/v2/api/1.json'];
    expect(await goneAfter(() => cache.invalidatePattern('/api/*.json'), ...paths)).toEqual(['/api/1.json']);
    const odd = ['/o%20%22d%22/(1)+$', '/o%20%22d%22/2', '/o/3'];
    expect(await goneAfter(() => cache.invalidatePattern('/o "d"/(1)*$'), ...odd)).toEqual([odd[0]]);
    expect(await goneAfter(() => cache.clear(), ...paths)).toEqual(paths);
  });

  test('a tag is everything that carries it', async () => {
    xkeys.set('/t/1', 'user-1, all').set('/t/2', 'user-2 all').set('/t/3', 'user-12').set('/t/4', 'team%207%2C%20east');
    const paths = [...xkeys.keys()];
    expect(await goneAfter(() => cache.invalidateTag('user-1'), ...paths)).toEqual(['/t/1']);
    expect(await goneAfter(() => cache.invalidateTag('all'), ...paths)).toEqual(['/t/1', '/t/2']);
    expect(await goneAfter(() => cache.invalidateTag('team 7, east'), ...paths)).toEqual(['/t/4']);
    expect(await goneAfter(() => cache.invalidateTag('nobody'), ...paths)).toEqual([]);
  });

  test('softly: it is served once more while it is fetched anew', async () => {
    xkeys.set('/soft', 'soft');
    const before = await get('/soft');
    await cache.invalidateTag('soft', { soft: true });
    expect(await get('/soft')).toBe(before);
    await eventually(
      () => get('/soft'),
      (body) => body !== before,
    );
  });
});
