import type { IncomingMessage } from 'node:http';
import fc from '../support/fast-check.js';
import {
  addressKey,
  canonicalAddress,
  clientAddress,
  compileTrust,
  isLoopback,
  parseAddress,
  type TrustProxy,
} from '../../src/shared/client-address.js';

function request(remoteAddress: string | undefined, forwarded?: string | string[]): IncomingMessage {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage;
}

const client = (peer: string, forwarded: string | undefined, trust: TrustProxy): string =>
  clientAddress(request(peer, forwarded), compileTrust(trust));

describe('an address has one spelling', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:C000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['0000:0000:0000:0000:0000:ffff:c000:0201', '192.0.2.1'],
    ['192.0.2.1:8080', '192.0.2.1'],
    ['[::ffff:192.0.2.1]:8080', '192.0.2.1'],
    ['2001:DB8::1', '2001:db8:0:0:0:0:0:1'],
    ['[2001:db8::1]:443', '2001:db8:0:0:0:0:0:1'],
    ['[2001:db8::1]', '2001:db8:0:0:0:0:0:1'],
    ['fe80::1%eth0', 'fe80:0:0:0:0:0:0:1'],
    ['[fe80::1%eth0]:443', 'fe80:0:0:0:0:0:0:1'],
    [' 192.0.2.1 ', '192.0.2.1'],
    ['::', '0:0:0:0:0:0:0:0'],
    ['1::', '1:0:0:0:0:0:0:0'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0:0:0:c000:221'],
  ])('%s is %s', (written, canonical) => {
    expect(canonicalAddress(written)).toBe(canonical);
  });

  test.each(['', 'unknown', '_hidden', '010.0.0.1', '1.2.3', '1.2.3.4.5', '::ffff:1.2.3.4:80', '2001:db8::1::2'])(
    '%p is none and stays as it is',
    (text) => {
      expect(parseAddress(text)).toBeUndefined();
      expect(canonicalAddress(text)).toBe(text);
    },
  );

  test('every way to write an IPv6 address gives the same spelling', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const canonical = canonicalAddress(address);
        expect(canonicalAddress(`[${address.toUpperCase()}]:1`)).toBe(canonical);
        expect(canonicalAddress(canonical)).toBe(canonical);
      }),
    );
  });
});

describe('a client is counted by its network', () => {
  test.each([
    ['192.0.2.1', 56, '192.0.2.1'],
    ['::ffff:192.0.2.1', 56, '192.0.2.1'],
    ['2001:db8:1:2ff:ffff::1', 56, '2001:db8:1:200:0:0:0:0/56'],
    ['2001:db8:1:2ff::', 64, '2001:db8:1:2ff:0:0:0:0/64'],
    ['2001:db8:1:2ff::', 48, '2001:db8:1:0:0:0:0:0/48'],
    ['2001:db8:1:2ff::', 128, '2001:db8:1:2ff:0:0:0:0/128'],
    ['2001:db8:ffff::', 36, '2001:db8:f000:0:0:0:0:0/36'],
    ['not an address', 56, 'not an address'],
  ])('%s with /%i is %s', (address, prefix, key) => {
    expect(addressKey(address, prefix)).toBe(key);
  });
});

describe('X-Forwarded-For counts only as far as hops are trusted', () => {
  test.each<[string, string, string | undefined, TrustProxy, string]>([
    ['nobody is trusted', '10.0.0.1', '192.0.2.9', false, '10.0.0.1'],
    ['the peer alone', '10.0.0.1', '192.0.2.9', 1, '192.0.2.9'],
    ['one hop: what is further left is a claim', '10.0.0.1', '6.6.6.6, 192.0.2.9', 1, '192.0.2.9'],
    ['two hops', '10.0.0.1', '6.6.6.6, 192.0.2.9, 10.0.0.2', 2, '192.0.2.9'],
    ['more hops than the list has', '10.0.0.1', '192.0.2.9', 5, '192.0.2.9'],
    ['zero hops', '10.0.0.1', '192.0.2.9', 0, '10.0.0.1'],
    ['everybody', '10.0.0.1', '6.6.6.6, 192.0.2.9', true, '6.6.6.6'],
    ['a network', '10.0.0.1', '6.6.6.6, 192.0.2.9, 10.9.9.9', '10.0.0.0/8', '192.0.2.9'],
    ['a network the peer is not in', '11.0.0.1', '192.0.2.9', '10.0.0.0/8', '11.0.0.1'],
    ['a mapped peer', '::ffff:10.0.0.1', '192.0.2.9', ['10.0.0.0/8'], '192.0.2.9'],
    ['a mapped network', '10.0.0.1', '192.0.2.9', ['::ffff:10.0.0.0/104'], '192.0.2.9'],
    ['a name', '127.0.0.1', '192.0.2.9', 'loopback', '192.0.2.9'],
    ['a list in one string', '192.168.1.1', '192.0.2.9', 'loopback, uniquelocal', '192.0.2.9'],
    ['ports and brackets', '127.0.0.1', '[2001:db8::1]:5', 'loopback', '2001:db8:0:0:0:0:0:1'],
    ['garbage where a trusted hop would have written', '127.0.0.1', '192.0.2.9, unknown', 'loopback', '127.0.0.1'],
    ['garbage behind the client', '127.0.0.1', 'unknown, 192.0.2.9', 'loopback', '192.0.2.9'],
    ['no header', '127.0.0.1', undefined, true, '127.0.0.1'],
    ['an empty header', '127.0.0.1', '', true, '127.0.0.1'],
  ])('%s', (_, peer, forwarded, trust, expected) => {
    expect(client(peer, forwarded, trust)).toBe(expected);
  });

  test('a client cannot move its own key by what it sends, however it is written', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), { maxLength: 5 }), (claims) => {
        const forwarded = [...claims, '192.0.2.9'].join(', ');
        expect(client('10.0.0.1', forwarded, '10.0.0.0/8')).toBe('192.0.2.9');
      }),
    );
  });

  test('a header that came several times is one list', () => {
    const req = request('10.0.0.1', ['6.6.6.6', '192.0.2.9']);
    expect(clientAddress(req, compileTrust(1))).toBe('192.0.2.9');
  });

  test('a socket that is gone has no address', () => {
    expect(clientAddress(request(undefined), compileTrust(true))).toBe('');
  });
});

test.each([
  '',
  '10.0.0.0/',
  '10.0.0.0/33',
  '10.0.0.0/x',
  '10.0.0.0/8/8',
  '10.0.0.0/1e1',
  '::/129',
  '::ffff:1.2.3.4/95',
  'lo',
])('a network written %p is refused, not taken for another', (network) => {
  expect(() => compileTrust([network])).toThrow(TypeError);
});

test('loopback is 127.0.0.0/8 and ::1, mapped too', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].every(isLoopback)).toBe(true);
  expect(['128.0.0.1', '::2', '', undefined].some(isLoopback)).toBe(false);
});
