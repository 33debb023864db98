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
import { keyOf, keyPatterns, resourceOf, resourceOfUrl } from '../../../src/caching/http/request-key.js';
import { compileTrust } from '../../../src/shared/client-address.js';

function request(url: string, headers: Record<string, string>, encrypted = false): IncomingMessage {
  return { url, headers, socket: { remoteAddress: '10.0.0.1', encrypted } } as unknown as IncomingMessage;
}
const nobody = compileTrust(false);
const everybody = compileTrust(true);
const key = (url: string, headers: Record<string, string> = {}, trust = nobody, encrypted = false) =>
  keyOf('GET', resourceOf(request(url, { host: 'example.com', ...headers }, encrypted), trust));

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

  test('only a trusted peer tells scheme and host', () => {
    const forwarded = { 'x-forwarded-host': 'public.example', 'x-forwarded-proto': 'https' };
    expect(key('/a', forwarded, everybody)).toBe('http:GET /a https://public.example');
    expect(key('/a', { forwarded: 'for=1.2.3.4;proto=https;host="public.example"' }, everybody)).toBe(
      'http:GET /a https://public.example',
    );
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
        const same = key('/a', { host: a }) === key('/a', { host: b });
        return !same || a.toLowerCase().replace(/:80$/, '') === b.toLowerCase().replace(/:80$/, '');
      }),
    );
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
