import type { CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { cacheRig, until, type CacheRig, type Origin } from '../support/cache-rig.js';

let rig: CacheRig;
afterEach(() => rig?.close());

async function given(origin: Origin, options?: CacheResponseOptions): Promise<CacheRig> {
  rig = await cacheRig(origin, options);
  return rig;
}

const range = (value: string, more: Record<string, string> = {}) => ({ headers: { Range: value, ...more } });

const WHOLE = '0123456789';
const FIELDS = { 'Cache-Control': 'max-age=60', 'Content-Type': 'text/plain' };

/** Serves single ranges of `WHOLE` and records what was asked for. */
function ranged(etag: string | undefined, asked: (string | undefined)[] = []): Origin {
  return (req, res) => {
    asked.push(req.headers.range);
    const headers = { ...FIELDS, ...(etag !== undefined && { ETag: etag }) };
    const holds = req.headers['if-range'] === undefined || req.headers['if-range'] === etag;
    const [, first, last] = (holds && /^bytes=(\d*)-(\d*)$/.exec(req.headers.range ?? '')) || [];
    if (first === undefined || last === undefined) return void res.writeHead(200, headers).end(WHOLE);
    const start = first === '' ? WHOLE.length - Number(last) : Number(first);
    const end = first === '' || last === '' ? WHOLE.length - 1 : Number(last);
    res.writeHead(206, { ...headers, 'Content-Range': `bytes ${start}-${end}/10` });
    res.end(WHOLE.slice(start, end + 1));
  };
}

test.each([
  ['bytes=0-1', 206, '01', 'bytes 0-1/10'],
  ['bytes=8-', 206, '89', 'bytes 8-9/10'],
  ['bytes=-1', 206, '9', 'bytes 9-9/10'],
  ['bytes=10-', 416, '', 'bytes */10'],
  ['items=0-1', 200, WHOLE, undefined],
  ['bytes=5-4', 200, WHOLE, undefined],
])('from a stored whole, %s is %i', async (value, status, body, contentRange) => {
  const { ask, seen } = await given(ranged('"1"'));
  await ask('/');
  const answer = await ask('/', range(value));
  expect(answer).toMatchObject({ status, body, cache: 'hit; ttl=60' });
  expect(answer.headers['content-range']).toBe(contentRange);
  expect(answer.headers['content-length']).toBe(String(body.length));
  expect(seen).toHaveLength(1);
});

test('several ranges in one answer; If-Range is strong; HEAD has none', async () => {
  const { ask } = await given(ranged('"1"'));
  await ask('/');
  const several = await ask('/', range('bytes=0-0,9-9'));
  expect(several.headers['content-type']).toMatch(/^multipart\/byteranges; boundary=/);
  expect(several.body.match(/Content-Range: bytes \d-\d\/10/g)).toHaveLength(2);
  expect((await ask('/', range('bytes=0-0', { 'If-Range': '"1"' }))).status).toBe(206);
  expect((await ask('/', range('bytes=0-0', { 'If-Range': '"2"' }))).status).toBe(200);
  expect((await ask('/', range('bytes=0-0', { 'If-Range': 'W/"1"' }))).status).toBe(200);
  expect((await ask('/', { method: 'HEAD', ...range('bytes=0-0') })).status).toBe(200);
  expect((await ask('/', range('bytes=0-0', { 'If-None-Match': '"1"' }))).status).toBe(304);
});

test('a part is stored and answers what lies within it', async () => {
  const asked: (string | undefined)[] = [];
  const { ask } = await given(ranged(undefined, asked));
  expect((await ask('/', range('bytes=-5'))).cache).toBe('fwd=uri-miss; stored');
  expect(await ask('/', range('bytes=6-8'))).toMatchObject({ status: 206, body: '678', cache: 'hit; ttl=60' });
  expect((await ask('/', range('bytes=-5'))).body).toBe('56789');
  expect(await ask('/', range('bytes=0-1'))).toMatchObject({ status: 206, body: '01', cache: 'fwd=partial; stored' });
  expect(asked).toEqual(['bytes=-5', 'bytes=0-1']);
  expect((await ask('/')).status).toBe(200);
});

test('a part whose body is not its range is not stored: a middleware has compressed it', async () => {
  const origin: Origin = (req, res) => {
    const isPart = req.headers.range !== undefined;
    res.writeHead(isPart ? 206 : 200, { ...FIELDS, ETag: '"1"', ...(isPart && { 'Content-Range': 'bytes 0-3/10' }) });
    res.end(isPart ? 'twelve bytes' : WHOLE);
  };
  const { ask } = await given(origin);
  expect((await ask('/', range('bytes=0-3'))).body).toBe('twelve bytes');
  expect((await ask('/', range('bytes=0-1'))).body).toBe('twelve bytes');
  expect((await ask('/')).body).toBe(WHOLE);
});

test('parts under one strong tag are combined, a stored part is completed', async () => {
  const asked: (string | undefined)[] = [];
  const { ask } = await given(ranged('"1"', asked));
  await ask('/', range('bytes=0-2'));
  await ask('/', range('bytes=3-5'));
  expect((await ask('/', range('bytes=1-4'))).body).toBe('1234');
  const whole = await ask('/');
  expect(whole).toMatchObject({ status: 200, body: WHOLE, cache: 'fwd=partial; fwd-status=206; stored' });
  expect([whole.headers['content-length'], whole.headers['content-range']]).toEqual(['10', undefined]);
  expect(asked).toEqual(['bytes=0-2', 'bytes=3-5', 'bytes=6-9']);
  expect(await ask('/')).toMatchObject({ body: WHOLE, cache: 'hit; ttl=60' });
});

test('a part is not completed with a part of something else', async () => {
  const { ask } = await given(ranged('"1"'));
  await ask('/', range('bytes=0-4'));
  rig.origin = ranged('"2"');
  expect(await ask('/')).toMatchObject({ status: 200, body: WHOLE, headers: { etag: '"2"' } });
  rig.origin = ranged('"3"');
  expect((await ask('/')).headers.etag).toBe('"2"');
});

test('a stale whole is validated for a range too', async () => {
  const { ask, clock } = await given((req, res) => {
    const isSame = req.headers['if-none-match'] === '"1"';
    res.writeHead(isSame ? 304 : 200, { ...FIELDS, ETag: '"1"' });
    res.end(isSame ? undefined : WHOLE);
  });
  await ask('/');
  clock.tick(61_000);
  expect(await ask('/', range('bytes=0-1'))).toMatchObject({
    status: 206,
    body: '01',
    cache: 'fwd=stale; fwd-status=304',
  });
});

test('416 and multipart answers of the origin are not stored', async () => {
  const { ask } = await given(
    (_req, res) => void res.writeHead(416, { ...FIELDS, 'Content-Range': 'bytes */10' }).end(),
  );
  await ask('/', range('bytes=10-'));
  rig.origin = ranged('"1"');
  expect((await ask('/')).status).toBe(200);
  rig.origin = (_req, res) =>
    void res.writeHead(206, { ...FIELDS, 'Content-Type': 'multipart/byteranges; boundary=x' }).end('--x--');
  await ask('/multi', range('bytes=0-0,5-5'));
  rig.origin = ranged('"1"');
  expect((await ask('/multi')).body).toBe(WHOLE);
});

test('the refresh in the background asks for the whole', async () => {
  const asked: (string | undefined)[] = [];
  const origin = ranged('"1"', asked);
  const { ask, clock, cache } = await given(origin, { staleWhileRevalidate: 60_000 });
  await ask('/');
  clock.tick(61_000);
  expect((await ask('/', range('bytes=0-1'))).body).toBe('01');
  await until(() => cache.stats().stored === 2);
  expect(asked).toEqual([undefined, undefined]);
});
