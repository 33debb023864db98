import type { IncomingMessage } from 'node:http';
import fc from '../support/fast-check.js';
import { alignHost, readTarget } from '../../src/shared/request-target.js';

function request(url: string, hosts: readonly string[], extra: object = {}): IncomingMessage {
  const headers = hosts.length > 0 ? { host: hosts[0] } : {};
  const rawHeaders = hosts.flatMap((host, i) => [i % 2 === 0 ? 'Host' : 'hOsT', host]);
  return { url, method: 'GET', headers, rawHeaders, ...extra } as unknown as IncomingMessage;
}

type Change = (req: { -readonly [K in keyof IncomingMessage]: IncomingMessage[K] }) => void;

/** Changes that middleware may make to a request between two parts that read its target. */
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.constantFrom('/a', '/b c', 'http://x/y', '*', 'x:443').map(
    (url): Change =>
      (req) =>
        void (req.url = url),
  ),
  fc.constantFrom('a', 'b', 'b b', undefined).map(
    (host): Change =>
      (req) =>
        void (req.headers.host = host),
  ),
  fc.constantFrom('GET', 'CONNECT').map(
    (method): Change =>
      (req) =>
        void (req.method = method),
  ),
  fc.constantFrom('a', 'c').map(
    (authority): Change =>
      (req) =>
        void (req.headers[':authority'] = authority),
  ),
  fc.constantFrom('/m/a', undefined).map(
    (url): Change =>
      (req) =>
        void Object.assign(req, { originalUrl: url }),
  ),
  fc.constantFrom('Host', 'X').map(
    (name): Change =>
      (req) =>
        void req.rawHeaders.push(name, 'z'),
  ),
  fc.constantFrom('hOST', 'X').map(
    (name): Change =>
      (req) =>
        void (req.rawHeaders[0] = name),
  ),
  fc.constant<Change>((req) => void (req.rawHeaders = [...req.rawHeaders])),
);

describe('readTarget', () => {
  test('says the same of a request that was read before, with anything changed since, as of a new one', () => {
    const several = fc.array(fc.tuple(fc.nat(1), change), { maxLength: 12 });
    fc.assert(
      fc.property(several, (changes) => {
        const requests = [request('/a', ['a']), request('/a', ['a', 'b'], { httpVersion: '1.1' })];
        for (const [which, apply] of changes) {
          const req = requests[which]!;
          readTarget(req);
          apply(req);
          const copy = { ...req, headers: { ...req.headers }, rawHeaders: [...req.rawHeaders] } as IncomingMessage;
          const target = readTarget(req);
          expect(target).toEqual(readTarget(copy));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('takes a simulated request without raw fields', () => {
    const req = { ...request('/', [], { httpVersion: '1.1' }), rawHeaders: undefined } as unknown as IncomingMessage;
    expect(readTarget(req)).toBe('no Host field');
  });

  test('takes the host of the origin form from the Host field', () => {
    expect(readTarget(request('/a?b', ['shop.example']))).toEqual({
      form: 'origin',
      host: 'shop.example',
      scheme: undefined,
      path: '/a?b',
    });
  });

  test('lets the authority of the absolute form replace the Host field (RFC 9112 §3.2.2)', () => {
    const req = request('http://shop.example:81/a?b', ['evil.example']);
    expect(readTarget(req)).toEqual({ form: 'absolute', host: 'shop.example:81', scheme: 'http', path: '/a?b' });
  });

  test('adds the path that an absolute form leaves out', () => {
    expect(readTarget(request('http://shop.example?q', ['a']))).toMatchObject({ path: '/?q' });
  });

  test('reads the target that Express keeps when it strips the path of a mount', () => {
    expect(readTarget(request('/b', ['a'], { originalUrl: '/a/b' }))).toMatchObject({ path: '/a/b' });
  });

  test.each([
    [['a', 'b'], 'several Host fields'],
    [['a', 'a'], 'several Host fields'],
    [['a b'], 'an invalid Host field'],
    [['a@b'], 'an invalid Host field'],
    [['a/b'], 'an invalid Host field'],
    [['a:80:80'], 'an invalid Host field'],
    [['[::1'], 'an invalid Host field'],
  ])('finds fault with Host %j', (hosts, fault) => {
    expect(readTarget(request('/', hosts))).toBe(fault);
  });

  test.each(['http://', 'http://user@a/', 'http://a b/', 'ftp://a/', 'a', '', '/a b', '/a#b'])(
    'finds fault with the target %j',
    (target) => expect(readTarget(request(target, ['a']))).toBe('an invalid target'),
  );

  test('finds fault with HTTP/1.1 without a Host field, and not with HTTP/1.0 (RFC 9112 §3.2)', () => {
    expect(readTarget(request('/', [], { httpVersion: '1.1' }))).toBe('no Host field');
    expect(readTarget(request('/', [], { httpVersion: '1.0' }))).toMatchObject({ host: '' });
  });

  test('takes the host of HTTP/2 from :authority, and refuses a Host field that names another', () => {
    const headers = { ':authority': 'shop.example' };
    expect(readTarget(request('/', [], { headers }))).toMatchObject({ host: 'shop.example' });
    expect(readTarget(request('/', ['b'], { headers: { ...headers, host: 'b' } }))).toBe('conflicting hosts');
  });

  test('never yields a host with user information, a path or white space', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (target, host) => {
        const found = readTarget(request(target, [host]));
        if (typeof found !== 'string') expect(found.host).toMatch(/^[^\s@/?#\\]*$/);
      }),
    );
  });
});

test('alignHost sets the Host field to the effective host, for the code that reads it next', () => {
  const req = request('http://shop.example/', ['evil.example']);
  alignHost(req);
  expect(req.headers.host).toBe('shop.example');
});
