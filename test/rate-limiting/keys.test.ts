import type { IncomingMessage } from 'node:http';
import { clientAddressKey, headerKey } from '../../src/rate-limiting/index.js';
import { compactKey } from '../../src/rate-limiting/keys.js';
import { hiddenKey } from '../../src/shared/hidden-key.js';

const request = (remoteAddress: string, headers: Record<string, string | string[]> = {}): IncomingMessage =>
  ({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage;

test('the client’s address is its key in any spelling: the whole of IPv4, the network of IPv6', () => {
  const key = clientAddressKey();
  expect(key(request('192.0.2.1'))).toBe('192.0.2.1');
  expect(key(request('::ffff:192.0.2.1'))).toBe('192.0.2.1');
  expect(key(request('2001:db8::1'))).toBe(key(request('2001:DB8:0:ff::2')));
  expect(key(request('2001:db8::1'))).not.toBe(key(request('2001:db8:0:100::1')));
  expect(clientAddressKey(1)(request('10.0.0.1', { 'x-forwarded-for': '192.0.2.7' }))).toBe('192.0.2.7');
});

test('many addresses are not all remembered, and keep their keys', () => {
  const key = clientAddressKey();
  for (let i = 0; i < 5_000; i++) {
    expect(key(request(`10.0.${i >> 8}.${i & 255}`))).toBe(`10.0.${i >> 8}.${i & 255}`);
  }
});

describe('a header as key', () => {
  const key = headerKey('X-API-Key', { secret: 'one' });

  test('is a keyed hash: the same for the same value, and useless without the secret', () => {
    const hashed = key(request('192.0.2.1', { 'x-api-key': 'k1' }));
    expect(hashed).toBe(key(request('192.0.2.2', { 'x-api-key': 'k1' })));
    expect(hashed).not.toBe(key(request('192.0.2.1', { 'x-api-key': 'k2' })));
    expect(hashed).not.toBe(headerKey('x-api-key', { secret: 'two' })(request('', { 'x-api-key': 'k1' })));
    expect(hashed).not.toContain('k1');
  });

  test('falls back to the address, and cannot be mistaken for one', () => {
    expect(key(request('192.0.2.1'))).toBe('192.0.2.1');
    expect(key(request('192.0.2.1', { 'x-api-key': '192.0.2.1' }))).toMatch(/^h:/);
    const fallback = headerKey('x-api-key', { secret: 's', fallback: () => 'anonymous' });
    expect(fallback(request('192.0.2.1'))).toBe('anonymous');
  });

  test('needs a name and a secret', () => {
    expect(() => headerKey('', { secret: 's' })).toThrow(RangeError);
    expect(() => headerKey('x', { secret: '' })).toThrow(RangeError);
  });
});

test('a long key becomes a short one of its own', () => {
  expect(compactKey('x'.repeat(128))).toBe('x'.repeat(128));
  expect(compactKey('x'.repeat(129))).toHaveLength(43);
  expect(compactKey('x'.repeat(129))).not.toBe(compactKey('x'.repeat(130)));
  expect(hiddenKey('a')).toBe(hiddenKey('a'));
  expect(hiddenKey('a')).not.toBe(hiddenKey('b'));
});
