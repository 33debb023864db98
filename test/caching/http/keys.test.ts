import type { IncomingMessage } from 'node:http';
import fc from '../../support/fast-check.js';
import { appendCacheStatus, cacheName, cacheStatus } from '../../../src/caching/http/cache-status.js';
import { fieldsOf, splitList, unquote } from '../../../src/caching/http/fields.js';
import {
  cacheGroups,
  groupTag,
  invalidates,
  isSafeMethod,
  relatedTargets,
} from '../../../src/caching/http/invalidation.js';
import {
  keyOf,
  keyPatterns,
  resourceOf as readResource,
  resourceOfUrl,
  type Resource,
} from '../../../src/caching/http/request-key.js';
import { compileTrust, type TrustedHop } from '../../../src/shared/client-address.js';

function request(url: string, headers: Record<string, string>, encrypted = false): IncomingMessage {
  const socket = { remoteAddress: '10.0.0.1', encrypted };
  return { url, headers, rawHeaders: [], socket } as unknown as IncomingMessage;
}
const resourceOf = (req: IncomingMessage, trust: TrustedHop): Resource => readResource(req, trust)!;
const nobody = compileTrust(false);
const everybody = compileTrust(true);
/** The key and the facet, which together name the copies of a request. */
const key = (url: string, headers: Record<string, string> = {}, trust = nobody, encrypted = false) => {
  const resource = resourceOf(request(url, { host: 'example.com', ...headers }, encrypted), trust);
  return keyOf('GET', resource) + resource.facet;
};

describe('keys: method, scheme, host and full target', () => {
  test('what is the same', () => {
    expect(key('/a?x=1')).toBe('http:GET /a?x=1 http://example.com');
    expect(keyOf('HEAD', resourceOf(request('/a', { host: 'h' }), nobody))).toBe(
      keyOf('GET', resourceOf(request('/a', { host: 'h' }), nobody)),
    );
    expect(key('/a', { host: 'EXAMPLE.com:80' })).toBe(key('/a'));
    expect(key('http://example.com/a', { host: 'other' })).toBe(key('/a'));
    expect(key('http://example.com')).toBe(key('/'));
  });

  test('what differs', () => {
    const keys = [
      key('/a'),
      key('/a?'),
      key('/b'),
      key('/a', { host: 'other' }),
      key('/a', { host: 'example.com:8080' }),
      key('/a', {}, nobody, true),
      keyOf('POST', resourceOf(request('/a', { host: 'example.com' }), nobody)),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test.each(['x-forwarded-host', 'x-original-url', 'forwarded'])(
    '%s differs at its end, however long it is',
    (name) => {
      const value = (end: string): string => `host=${'a'.repeat(10_000)}${end}`;
      expect(key('/a', { [name]: value('1') })).not.toBe(key('/a', { [name]: value('2') }));
    },
  );

  test('only a trusted peer determines the scheme and the host', () => {
    const forwarded = { host: 'public.example', 'x-forwarded-host': 'public.example', 'x-forwarded-proto': 'https' };
    expect(key('/a', forwarded, everybody)).toBe('http:GET /a https://public.example');
    const standard = { host: 'public.example', forwarded: 'for=1.2.3.4;proto=https;host="public.example"' };
    expect(key('/a', standard, everybody)).toBe('http:GET /a https://public.example');
    expect(key('/a', forwarded)).not.toBe(key('/a'));
    expect(key('/a', forwarded)).not.toBe(key('/a', { ...forwarded, 'x-forwarded-host': 'evil' }));
  });

  test.each([
    'x-forwarded-host',
    'x-host',
    'x-original-url',
    'x-rewrite-url',
    'x-http-method-override',
    'x-forwarded-prefix',
  ])('what an application may read instead of the host is part of the key: %s', (name) => {
    expect(key('/a', { [name]: 'evil' })).not.toBe(key('/a'));
  });

  test('clients behind an untrusted proxy that only names them share copies', () => {
    expect(key('/a', { forwarded: 'for=1.2.3.4' })).toBe(key('/a', { forwarded: 'for=5.6.7.8' }));
    expect(key('/a', { 'x-forwarded-for': '1.2.3.4' })).toBe(key('/a'));
  });

  test('a host cannot pass for another part of the key', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        const resources = [a, b].map((host) => readResource(request('/a', { host }), nobody));
        if (resources.includes(undefined)) return true; // no valid host: nothing is stored
        const same = keyOf('GET', resources[0]!) === keyOf('GET', resources[1]!);
        return !same || a.toLowerCase().replace(/:80$/, '') === b.toLowerCase().replace(/:80$/, '');
      }),
    );
  });

  test.each([
    ['x-forwarded-proto', 'javascript'],
    ['x-forwarded-proto', 'https, http'],
    ['x-forwarded-proto', 'https,'],
    ['x-forwarded-host', 'evil'],
    ['x-forwarded-host', ', example.com'],
    ['x-forwarded-host', 'example.com, evil'],
    ['x-forwarded-host', '"a,b", evil'],
    ['x-forwarded-port', '1337'],
    ['forwarded', 'host=evil'],
    ['forwarded', 'for=a, host=evil'],
    ['forwarded', 'host=example.com;host=evil'],
    ['forwarded', 'proto="javascript"'],
    ['x-forwarded-prefix', '/evil'],
  ])('a field that the key does not contain separates the copies, also from a trusted proxy: %s: %s', (name, value) => {
    expect(key('/a', { [name]: value }, everybody)).not.toBe(key('/a', {}, everybody));
  });

  test('fields of a trusted proxy that repeat the origin in the key do not separate the copies', () => {
    const plain = keyOf('GET', resourceOf(request('/a', { host: 'example.com' }, true), everybody));
    const said = { 'x-forwarded-proto': 'https', 'x-forwarded-port': '443', 'x-forwarded-host': 'Example.com' };
    expect(key('/a', said, everybody)).toBe(plain);
    expect(key('/a', { forwarded: 'for=1.2.3.4;by=b;proto=https, for=9.9.9.9' }, everybody)).toBe(plain);
  });

  test('the handler and the key see one host (RFC 9112 §3.2.2)', () => {
    const req = request('http://shop.example/page', { host: 'evil.example' });
    expect(resourceOf(req, nobody)).toMatchObject({ target: '/page', origin: 'http://shop.example' });
    expect(req.headers.host).toBe('shop.example');
  });

  test.each(['foo', 'http:///x', '/a b', 'example.com:443'])('a target of %s names nothing', (url) => {
    expect(readResource(request(url, { host: 'example.com' }), nobody)).toBeUndefined();
  });

  test('a target that was rewritten before is another resource, a mount path is not', () => {
    const seen = (originalUrl: string, baseUrl: string, url: string): string => {
      const req = Object.assign(request(url, { host: 'example.com' }), { originalUrl, baseUrl });
      const resource = resourceOf(req, nobody);
      return keyOf('GET', resource) + resource.facet;
    };
    expect(seen('/api/x?q', '/api', '/x?q')).toBe(key('/api/x?q'));
    expect(seen('/api?q', '/api', '/?q')).toBe(key('/api?q'));
    expect(seen('/api', '/api', '/')).toBe(key('/api'));
    const rewritten = [key('/home'), seen('/home', '', '/en/home'), seen('/home', '', '/de/home')];
    expect(new Set(rewritten).size).toBe(3);
  });

  test('patterns and addresses', () => {
    expect(keyPatterns('/api/*')).toEqual(['http:GET /api/* *']);
    expect(keyPatterns('https://H/api/*')).toEqual(['http:GET /api/* https://h', 'http:GET /api/* https://h\n*']);
    expect(resourceOfUrl('http://H:80/a?b')).toEqual({ target: '/a?b', origin: 'http://h' });
    expect(resourceOfUrl('/a')).toEqual({ target: '/a', origin: undefined });
  });
});

describe('invalidation (RFC 9111 §4.4, RFC 9875)', () => {
  test('by methods that are not known to be safe, when they succeed', () => {
    expect(['GET', 'HEAD', 'OPTIONS', 'QUERY'].every(isSafeMethod)).toBe(true);
    expect(['POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH', 'WHATEVER'].every((method) => invalidates(method, 200))).toBe(
      true,
    );
    expect([199, 400, 404, 500].some((status) => invalidates('POST', status))).toBe(false);
    expect(invalidates('GET', 200)).toBe(false);
    expect(invalidates('POST', 302)).toBe(true);
  });

  test('of Location and Content-Location, of the same origin only', () => {
    const related = (location: string) => relatedTargets('http://h/a/b', { location });
    expect(related('c')).toEqual(['http://h/a/c']);
    expect(related('/x?y#z')).toEqual(['http://h/x?y']);
    expect(related('http://other/x')).toEqual([]);
    expect(related('https://h/x')).toEqual([]);
    expect(related('http://[')).toEqual([]);
    expect(relatedTargets('http://h/', { location: '/a', 'content-location': '/a' })).toEqual(['http://h/a']);
  });

  test('groups are Lists of Strings', () => {
    expect(cacheGroups('"a", "b b";x=1')).toEqual(['a', 'b b']);
    expect(cacheGroups('a, "b"')).toEqual([]);
    expect(cacheGroups('"a')).toEqual([]);
    expect(cacheGroups(undefined)).toEqual([]);
    const many = Array.from({ length: 32 }, (_, i) => `"${String(i).padStart(32, 'x')}"`).join(', ');
    expect(cacheGroups(many)).toHaveLength(32);
    expect(groupTag('http://a', 'g')).not.toBe(groupTag('http://b', 'g'));
  });
});

describe('Cache-Status (RFC 9211)', () => {
  test('hit and fwd exclude each other', () => {
    expect(cacheStatus('x', { hit: true, ttl: 5 })).toBe('x; hit; ttl=5');
    expect(cacheStatus('x', { hit: false, fwd: 'stale', fwdStatus: 304, stored: true, collapsed: true })).toBe(
      'x; fwd=stale; fwd-status=304; stored; collapsed',
    );
    expect(cacheStatus('x', { hit: false, fwd: 'miss', key: 'http:GET /ü" http://h' })).toBe(
      'x; fwd=miss; key="http:GET /%C3%BC\\" http://h"',
    );
  });

  test('is appended behind caches nearer to the origin', () => {
    expect(appendCacheStatus('origin; hit', 'x; hit; ttl=1')).toBe('origin; hit, x; hit; ttl=1');
    expect(appendCacheStatus(undefined, 'x; hit; ttl=1')).toBe('x; hit; ttl=1');
    expect(cacheName('tooloo')).toBe('tooloo');
    expect(cacheName('my cache')).toBe('"my cache"');
  });
});

describe('field grammar', () => {
  test('lists', () => {
    expect(splitList('a, "b, \\" c" ,, d')).toEqual(['a', '"b, \\" c"', 'd']);
    expect(unquote('"a\\"b"')).toBe('a"b');
    expect(unquote('"a')).toBeUndefined();
    expect(fieldsOf(['A', '1', 'a', '2'])).toEqual(Object.assign(Object.create(null) as object, { a: '1, 2' }));
  });

  test('splitting loses nothing but commas and space outside quotes', () => {
    fc.assert(fc.property(fc.string(), (text) => splitList(text).join('').length <= text.length));
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z0-9=]+$/)), (members) => {
        expect(splitList(members.join(' , '))).toEqual(members);
      }),
    );
  });
});
