import http, { type IncomingMessage } from 'node:http';
import request from 'supertest';
import { compose } from '../../src/middleware/compose.js';
import { isDirectLocalRequest, refuseControl, requireControl, sameSecret } from '../../src/shared/control-access.js';

/** A request as the rules see it. */
function from(remoteAddress: string | undefined, headers: Record<string, string> = {}): IncomingMessage {
  return { socket: { remoteAddress }, headers: { host: 'localhost:3100', ...headers } } as unknown as IncomingMessage;
}

describe('a direct local request', () => {
  test.each<[string, string | undefined, Record<string, string>, boolean]>([
    ['a program on this machine', '127.0.0.1', {}, true],
    ['over IPv6', '::1', {}, true],
    ['IPv4 as IPv6', '::ffff:127.0.0.1', {}, true],
    ['all of 127/8', '127.9.9.9', {}, true],
    ['a page of this very server', '127.0.0.1', { origin: 'http://localhost:3100', 'sec-fetch-site': 'same-origin' }, true], // prettier-ignore
    ['an address typed into the browser', '127.0.0.1', { 'sec-fetch-site': 'none' }, true],
    ['a name pointed at this machine (DNS rebinding)', '127.0.0.1', { host: 'evil.example:3100' }, false],
    ['another machine', '10.0.0.5', {}, false],
    ['a connection that is gone', undefined, {}, false],
    ['through a proxy here', '127.0.0.1', { 'x-forwarded-for': '203.0.113.9' }, false],
    ['through a proxy that says Forwarded', '127.0.0.1', { forwarded: 'for=203.0.113.9' }, false],
    ['through a proxy that says Via', '127.0.0.1', { via: '1.1 edge' }, false],
    ['through nginx', '127.0.0.1', { 'x-real-ip': '203.0.113.9' }, false],
    ["another site's page", '127.0.0.1', { origin: 'https://evil.example' }, false],
    ['a sandboxed page', '127.0.0.1', { origin: 'null' }, false],
    ["another site's image tag", '127.0.0.1', { 'sec-fetch-site': 'cross-site' }, false],
    ['a sibling site', '127.0.0.1', { 'sec-fetch-site': 'same-site' }, false],
    ['claiming to be local from elsewhere', '10.0.0.5', { 'x-forwarded-for': '127.0.0.1' }, false],
  ])('%s', (_, address, headers, expected) => {
    expect(isDirectLocalRequest(from(address, headers))).toBe(expected);
  });
});

describe('refuseControl', () => {
  const codeOf = (req: IncomingMessage, token?: string): string | undefined => refuseControl(req, token)?.code;
  const remote = (headers: Record<string, string> = {}): IncomingMessage => from('10.0.0.5', headers);

  test('without a configured token, every request is refused', () => {
    expect(codeOf(from('127.0.0.1'))).toBe('CONTROL_FORBIDDEN');
    expect(codeOf(remote())).toBe('CONTROL_FORBIDDEN');
    expect(codeOf(remote({ authorization: 'Bearer guess' }))).toBe('CONTROL_FORBIDDEN');
  });

  test('opened to loopback, direct local requests are allowed, and requests with the token', () => {
    const loopback = (req: IncomingMessage, token?: string) => refuseControl(req, token, 'loopback')?.code;
    expect(loopback(from('127.0.0.1'))).toBeUndefined();
    expect(loopback(from('127.0.0.1'), 's3cret')).toBeUndefined();
    expect(loopback(from('127.0.0.1', { via: '1.1 edge' }), 's3cret')).toBe('CONTROL_TOKEN_REQUIRED');
    expect(loopback(remote())).toBe('CONTROL_FORBIDDEN');
    expect(loopback(remote({ 'x-control-token': 's3cret' }), 's3cret')).toBeUndefined();
  });

  test('with a configured token, requests with the token are allowed from anywhere, and all others are refused', () => {
    expect(codeOf(remote({ authorization: 'Bearer s3cret' }), 's3cret')).toBeUndefined();
    expect(codeOf(remote({ authorization: 'bearer  s3cret' }), 's3cret')).toBeUndefined();
    expect(codeOf(remote({ 'x-control-token': 's3cret' }), 's3cret')).toBeUndefined();
    expect(codeOf(from('127.0.0.1'), 's3cret')).toBe('CONTROL_TOKEN_REQUIRED');
    expect(codeOf(remote(), 's3cret')).toBe('CONTROL_TOKEN_REQUIRED');
  });

  test.each([
    ['wrong', { authorization: 'Bearer s3creT' }],
    ['a prefix', { authorization: 'Bearer s3cre' }],
    ['empty', { 'x-control-token': '' }],
    ['wrong in one header, right in the other', { 'x-control-token': 'x', authorization: 'Bearer s3cret' }],
  ])('a token that is %s is refused, locally too', (_, headers) => {
    expect(codeOf(remote(headers), 's3cret')).toBe('CONTROL_FORBIDDEN');
    expect(codeOf(from('127.0.0.1', headers), 's3cret')).toBe('CONTROL_FORBIDDEN');
  });

  test('another scheme is no token', () => {
    expect(codeOf(remote({ authorization: 'Basic czNjcmV0' }), 's3cret')).toBe('CONTROL_TOKEN_REQUIRED');
  });

  test('the refusal never shows the token', () => {
    const refusal = refuseControl(remote({ authorization: 'Bearer guess' }), 's3cret');
    expect(JSON.stringify(refusal) + refusal!.message).not.toMatch(/s3cret|guess/);
  });
});

test('requireControl lets through or answers problem+json with the challenge', async () => {
  const server = http.createServer(compose(requireControl('s3cret'), (_req, res) => res.end('in')));
  expect((await request(server).get('/').set('X-Control-Token', 's3cret')).text).toBe('in');
  const refused = await request(server).get('/');
  expect(refused.status).toBe(401);
  expect(refused.headers['www-authenticate']).toBe('Bearer realm="control"');
  expect(refused.body).toMatchObject({ ok: false, code: 'CONTROL_TOKEN_REQUIRED' });
  const admitted = await request(server).get('/').set('Via', '1.1 edge').set('Authorization', 'Bearer s3cret');
  expect(admitted.text).toBe('in');
});

test('sameSecret compares whole secrets of any length', () => {
  expect([sameSecret('a', 'a'), sameSecret('a', 'b'), sameSecret('a', 'aa'), sameSecret('', '')]).toEqual([
    true,
    false,
    false,
    true,
  ]);
});
