import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { isBackgroundRequest } from '../../src/shared/background-request.js';
import { cacheRig, counting, settled, until, type CacheRig, type Origin } from '../support/cache-rig.js';

let rig: CacheRig;
afterEach(() => rig?.close());

async function given(origin: Origin, options?: CacheResponseOptions): Promise<CacheRig> {
  rig = await cacheRig(origin, options);
  return rig;
}

const failing =
  (status: number): Origin =>
  (_req, res) => {
    res.writeHead(status, { 'Content-Type': 'text/plain', ETag: '"error"' });
    res.end('error');
  };

describe('stale-while-revalidate (RFC 5861 §3)', () => {
  test('answers at once and refreshes by running the handler again', async () => {
    const { ask, clock, seen, cache } = await given(
      counting({ 'Cache-Control': 'max-age=10, stale-while-revalidate=20' }),
    );
    await ask('/a?b', { headers: { 'X-Field': 'f' } });
    clock.tick(15_000);
    const stale = await ask('/a?b', { headers: { 'X-Field': 'f', 'If-None-Match': '"x"', Range: 'items=1' } });
    expect([stale.body, stale.cache, stale.headers.age]).toEqual(['answer 1', 'hit; ttl=-5', '15']);
    await until(() => cache.stats().stored === 2);
    const refresh = seen[1]!;
    expect([refresh.method, refresh.url, isBackgroundRequest(refresh)]).toEqual(['GET', '/a?b', true]);
    expect(refresh.headers).toMatchObject({ 'x-field': 'f' });
    expect([refresh.headers['if-none-match'], refresh.headers.range]).toEqual([undefined, undefined]);
    expect(isBackgroundRequest(seen[0]!)).toBe(false);
    expect(await ask('/a?b')).toMatchObject({ body: 'answer 2', cache: 'hit; ttl=10' });
    expect(cache.stats()).toMatchObject({ refreshes: 1, staleHits: 1, inFlight: 0 });
  });

  test('validates with the stored tag', async () => {
    const tags: (string | undefined)[] = [];
    const { ask, clock, cache } = await given((req, res) => {
      tags.push(req.headers['if-none-match']);
      const isSame = req.headers['if-none-match'] === '"1"';
      res.writeHead(isSame ? 304 : 200, { ETag: '"1"', 'Cache-Control': 'max-age=10, stale-while-revalidate=20' });
      res.end(isSame ? undefined : 'body');
    });
    await ask('/');
    clock.tick(15_000);
    await ask('/');
    await until(() => cache.stats().revalidated === 1);
    await settled();
    expect(tags).toEqual([undefined, '"1"']);
    expect(await ask('/')).toMatchObject({ body: 'body', cache: 'hit; ttl=10' });
  });

  test('one refresh however many ask', async () => {
    const waiting: ServerResponse[] = [];
    const { ask, clock, seen } = await given(counting({ 'Cache-Control': 'max-age=10, stale-while-revalidate=20' }));
    await ask('/');
    clock.tick(15_000);
    rig.origin = (_req, res) => void waiting.push(res);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/')));
    expect(new Set(answers.map(({ body }) => body))).toEqual(new Set(['answer 1']));
    expect(seen).toHaveLength(2);
    waiting[0]!.writeHead(200, { 'Cache-Control': 'max-age=10' }).end('new');
    await settled();
    expect((await ask('/')).body).toBe('new');
  });

  test('ends on time', async () => {
    const { ask, clock } = await given(counting({ 'Cache-Control': 'max-age=10, stale-while-revalidate=20' }));
    await ask('/');
    clock.tick(30_000);
    expect(await ask('/')).toMatchObject({ body: 'answer 2', cache: 'fwd=stale; stored' });
  });

  test('is an option for responses that do not say, never against must-revalidate', async () => {
    const { ask, clock } = await given(counting({ 'Cache-Control': 'max-age=10' }), { staleWhileRevalidate: 20_000 });
    await ask('/');
    clock.tick(15_000);
    expect((await ask('/')).cache).toBe('hit; ttl=-5');
    rig.origin = counting({ 'Cache-Control': 'max-age=10, must-revalidate' });
    await ask('/must');
    clock.tick(15_000);
    expect((await ask('/must')).cache).toBe('fwd=stale; stored');
  });

  test('a refresh that fails leaves what is stored and tries again', async () => {
    const { ask, clock, cache } = await given(counting({ 'Cache-Control': 'max-age=10, stale-while-revalidate=60' }));
    await ask('/');
    clock.tick(15_000);
    rig.origin = failing(500);
    for (const refreshes of [1, 2]) {
      expect((await ask('/')).body).toBe('answer 1');
      await until(() => cache.stats().refreshes === refreshes && cache.stats().inFlight === 0);
    }
  });

  test('a refresh that never ends is given up, and none is left behind by close', async () => {
    const { ask, clock, cache } = await given(counting({ 'Cache-Control': 'max-age=10, stale-while-revalidate=6000' }));
    await ask('/');
    clock.tick(15_000);
    rig.origin = () => undefined;
    await ask('/');
    await until(() => rig.seen.length === 2);
    expect(cache.stats().inFlight).toBe(1);
    await clock.advance(60_000);
    await until(() => cache.stats().inFlight === 0);
    await ask('/');
    await until(() => rig.seen.length === 3);
    cache.close();
    await until(() => cache.stats().inFlight === 0);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('stale-if-error (RFC 5861 §4)', () => {
  test.each([500, 502, 503, 504])('covers %i', async (status) => {
    const { ask, clock } = await given(counting({ 'Cache-Control': 'max-age=10, stale-if-error=20', 'X-Own': '1' }));
    await ask('/');
    clock.tick(15_000);
    rig.origin = failing(status);
    const covered = await ask('/');
    expect(covered).toMatchObject({
      status: 200,
      body: 'answer 1',
      cache: `fwd=stale; fwd-status=${status}; detail=stale-if-error`,
    });
    expect(covered.headers).toMatchObject({ 'x-own': '1', age: '15' });
    expect(covered.headers.etag).toBeUndefined();
  });

  test('covers a handler that throws, fails or hangs up without an answer', async () => {
    const { ask, clock } = await given(counting({ 'Cache-Control': 'max-age=10, stale-if-error=2000' }));
    await ask('/');
    clock.tick(15_000);
    for (const origin of [
      (): void => {
        throw new Error('handler');
      },
      (_req: IncomingMessage, res: ServerResponse): void => void res.destroy(),
    ]) {
      rig.origin = origin;
      expect((await ask('/')).body).toBe('answer 1');
    }
  });

  test('neither other statuses, nor longer than said, nor without being said', async () => {
    const { ask, clock } = await given(counting({ 'Cache-Control': 'max-age=10, stale-if-error=20' }));
    await ask('/');
    clock.tick(15_000);
    rig.origin = failing(404);
    expect((await ask('/')).status).toBe(404);
    clock.tick(15_000);
    rig.origin = failing(500);
    expect((await ask('/')).status).toBe(500);
    rig.origin = counting({ 'Cache-Control': 'max-age=10' });
    await ask('/unsaid');
    clock.tick(15_000);
    rig.origin = failing(500);
    expect((await ask('/unsaid')).status).toBe(500);
    const asked = await ask('/unsaid', { headers: { 'Cache-Control': 'stale-if-error=60' } });
    expect(asked.body).toBe('answer 1');
  });

  test('is an option for responses that do not say', async () => {
    const { ask, clock } = await given(counting({ 'Cache-Control': 'max-age=10' }), { staleIfError: 20_000 });
    await ask('/');
    clock.tick(15_000);
    rig.origin = failing(503);
    expect((await ask('/')).body).toBe('answer 1');
  });

  test.each([
    ['a gateway error', failing(502)],
    ['no answer', (_req: IncomingMessage, res: ServerResponse): void => void res.destroy()],
  ])('must-revalidate: %s is a 504 (RFC 9111 §5.2.2.2)', async (_what, origin) => {
    const { ask, clock } = await given(counting({ 'Cache-Control': 'max-age=10, must-revalidate, stale-if-error=60' }));
    await ask('/');
    clock.tick(15_000);
    rig.origin = origin;
    expect((await ask('/')).status).toBe(504);
  });

  test('a client that leaves does not make the stored response its fallback', async () => {
    const { ask, clock, cache } = await given(counting({ 'Cache-Control': 'max-age=10, stale-if-error=60' }));
    await ask('/');
    clock.tick(15_000);
    rig.origin = failing(500);
    expect((await ask('/')).body).toBe('answer 1');
    expect(cache.stats()).toMatchObject({ errorsCovered: 1, staleHits: 1 });
  });
});
