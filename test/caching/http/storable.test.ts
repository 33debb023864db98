import { parseCacheControl } from '../../../src/caching/http/cache-control.js';
import { storableFields, whyNotStorable } from '../../../src/caching/http/storable.js';
import { varyNames } from '../../../src/caching/http/vary.js';

function why(
  response: Record<string, string>,
  {
    status = 200,
    shared = true,
    request = {},
    lifetime = 60_000,
  }: { status?: number; shared?: boolean; request?: Record<string, string>; lifetime?: number } = {},
) {
  return whyNotStorable({
    credentials: { cookie: request.cookie !== undefined, authorization: request.authorization !== undefined },
    varies: varyNames(response.vary),
    lifetime,
    requestDirectives: parseCacheControl(request['cache-control']),
    status,
    fields: response,
    directives: parseCacheControl(response['cache-control']),
    shared,
  });
}

describe('storing (RFC 9111 §3)', () => {
  test.each([
    ['no-store', 'no-store'],
    ['private, max-age=60', 'private'],
    ['private="x-user", max-age=60', undefined],
    ['max-age=60', undefined],
    ['no-store, must-understand', undefined],
  ])('Cache-Control: %s → %s', (value, expected) => {
    expect(why({ 'cache-control': value })).toBe(expected);
  });

  test('must-understand forbids what is not understood and overrides no-store for the rest (§5.2.2.3)', () => {
    expect(why({ 'cache-control': 'must-understand, max-age=60' }, { status: 299 })).toBe('status');
    expect(why({ 'cache-control': 'must-understand, no-store, max-age=60' }, { status: 404 })).toBeUndefined();
  });

  test.each([304, 412, 416, 417, 428, 429, 431, 511, 101])('%i is never stored', (status) => {
    expect(why({ 'cache-control': 'public, max-age=60' }, { status })).toBe('status');
  });

  test.each([200, 203, 204, 299, 301, 302, 400, 404, 410, 499, 500, 503, 599])('%i may be', (status) => {
    expect(why({ 'cache-control': 'max-age=60' }, { status })).toBeUndefined();
  });

  test('a request with credentials needs permission (§3.5)', () => {
    const request = { authorization: 'Bearer x' };
    expect(why({ 'cache-control': 'max-age=60' }, { request })).toBe('request-authorization');
    expect(why({ 'cache-control': 'max-age=60' }, { request, shared: false })).toBeUndefined();
    for (const value of ['public', 's-maxage=60']) {
      expect(why({ 'cache-control': `max-age=60, ${value}` }, { request })).toBeUndefined();
    }
    expect(why({ 'cache-control': 'max-age=60, must-revalidate' }, { request })).toBe('request-authorization');
    expect(why({ 'cache-control': 'max-age=60', vary: 'Authorization' }, { request })).toBe('request-authorization');
    expect(why({ 'cache-control': 'public, no-cache' }, { request })).toBe('request-authorization');
    expect(why({ 'cache-control': 'public, no-cache', vary: 'Authorization' }, { request })).toBeUndefined();
  });

  test.each([
    ['max-age=60', undefined, 'request-cookie'],
    ['max-age=60, must-revalidate', undefined, 'request-cookie'],
    ['max-age=60', 'Cookie', undefined],
    ['max-age=60', 'Accept', 'request-cookie'],
    ['max-age=60, public', undefined, undefined],
    ['s-maxage=60', undefined, undefined],
    ['public, no-cache', undefined, 'request-cookie'],
  ])(
    'the answer to a cookie belongs to its sender, unless it says otherwise: %s, Vary: %s → %s',
    (value, vary, expected) => {
      const fields = { 'cache-control': value, ...(vary !== undefined && { vary }) };
      expect(why(fields, { request: { cookie: 'sid=1' } })).toBe(expected);
      expect(why(fields, { request: { cookie: 'sid=1' }, shared: false })).toBeUndefined();
    },
  );

  test('two users with equal validators never share what is validated each time', () => {
    const request = { cookie: 'sid=1' };
    expect(why({ 'cache-control': 'public, max-age=0' }, { request, lifetime: 0 })).toBe('request-cookie');
  });

  test('a response with Set-Cookie is not stored by default', () => {
    const cookie = { 'set-cookie': 'a=b' };
    expect(why({ ...cookie, 'cache-control': 'max-age=60' })).toBe('set-cookie');
    expect(why({ ...cookie, 'cache-control': 'public, max-age=60' })).toBeUndefined();
    expect(why({ ...cookie, 'cache-control': 'max-age=60, no-cache="Set-Cookie"' })).toBeUndefined();
  });

  test('Vary: * and request no-store', () => {
    expect(why({ vary: 'a, *' })).toBe('vary');
    expect(why({}, { request: { 'cache-control': 'no-store' } })).toBe('request-no-store');
  });
});

test('fields that are not stored (§3.1): of the connection, of one request, of one client, and those named', () => {
  const flat = [
    ...['A', '1', 'B', '2', 'C', '3', 'D', '4', 'Content-Type', 'text/plain'],
    ...['Connection', 'a', 'Keep-Alive', 'x', 'Proxy-Authenticate', 'x', 'Proxy-Connection', 'x', 'Upgrade', 'x'],
    ...['Transfer-Encoding', 'chunked', 'Set-Cookie', 'x', 'Age', '5', 'Traceresponse', 'x', 'X-Request-Id', 'x'],
    ...['RateLimit', 'x', 'RateLimit-Policy', 'x', 'X-RateLimit-Remaining', '1', 'Server-Timing', 'x', 'TE', 'x'],
  ];
  const directives = parseCacheControl('no-cache="b", private="c"');
  expect(storableFields(flat, 'A, close', { directives, shared: true })).toEqual([
    'D',
    '4',
    'Content-Type',
    'text/plain',
  ]);
  expect(storableFields(flat, 'A', { directives, shared: false })).toContain('C');
});
