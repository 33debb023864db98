/** Requests as bytes, well-formed and not, for comparing how two proxies read them. */
import fc from '../support/fast-check.js';

export interface RawRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  /** Lines without their end. */
  readonly hosts: readonly string[];
  readonly lines: readonly string[];
  readonly framing: keyof typeof FRAMINGS;
}

const chunk = (text: string, extension = ''): string => `${text.length.toString(16)}${extension}\r\n${text}\r\n`;

/** The framing fields, and the body that follows the head. */
const FRAMINGS = {
  none: [[], ''],
  length: [['Content-Length: 5'], 'hello'],
  'a length of 0': [['Content-Length: 0'], ''],
  'a length with a sign': [['Content-Length: +5'], 'hello'],
  'a length that is not a number': [['Content-Length: five'], 'hello'],
  'two equal lengths': [['Content-Length: 5', 'Content-Length: 5'], 'hello'],
  'two lengths': [['Content-Length: 5', 'Content-Length: 6'], 'hello'],
  'a list of lengths': [['Content-Length: 5, 5'], 'hello'],
  chunks: [['Transfer-Encoding: chunked'], `${chunk('he')}${chunk('llo')}0\r\n\r\n`],
  'chunks, in capitals': [['Transfer-Encoding: CHUNKED'], `${chunk('hello')}0\r\n\r\n`],
  'chunks with an extension': [['Transfer-Encoding: chunked'], `${chunk('hello', ';a=b')}0\r\n\r\n`],
  'chunks with trailers': [['Transfer-Encoding: chunked', 'Trailer: X-T'], `${chunk('hello')}0\r\nX-T: 1\r\n\r\n`],
  'chunks of bare line feeds': [['Transfer-Encoding: chunked'], '5\nhello\n0\n\n'],
  'a chunk size that is not a number': [['Transfer-Encoding: chunked'], 'x\r\nhello\r\n0\r\n\r\n'],
  'a chunk longer than its size': [['Transfer-Encoding: chunked'], '2\r\nhello\r\n0\r\n\r\n'],
  'chunks and a length': [['Transfer-Encoding: chunked', 'Content-Length: 5'], `${chunk('hello')}0\r\n\r\n`],
  'a coding before chunked': [['Transfer-Encoding: gzip, chunked'], `${chunk('hello')}0\r\n\r\n`],
  'a coding after chunked': [['Transfer-Encoding: chunked, gzip'], `${chunk('hello')}0\r\n\r\n`],
  'an unknown coding': [['Transfer-Encoding: xchunked'], `${chunk('hello')}0\r\n\r\n`],
  'chunked twice': [['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], `${chunk('hello')}0\r\n\r\n`],
  identity: [['Transfer-Encoding: identity'], ''],
} as const satisfies Record<string, readonly [fields: readonly string[], body: string]>;

const METHODS = ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PURGE', 'get', 'G(T'];

const TARGETS = [
  '/a',
  '/a',
  '/a?b=c&d',
  '/a/../b',
  '/../b',
  '/a/%2e%2e/b',
  '/a//b',
  '/a/./b',
  '/%61',
  '/a%2fb',
  '/a%00b',
  '/a%zz',
  '/a\\b',
  '/a"b',
  '/a<b>',
  '/\u00e9',
  '/a#f',
  '/a b',
  '*',
  'a',
  'http://b.example/a',
  'http://user@b.example/a',
  'http://b.example',
  'ftp://b.example/a',
];

const HOSTS = [
  ['Host: a.example'],
  ['Host: a.example'],
  ['Host: a.example'],
  ['Host: a.example:8080'],
  ['Host: A.Example'],
  ['Host: [::1]:80'],
  ['Host:'],
  ['Host: a b'],
  ['Host: a/b'],
  ['Host: a@b'],
  ['Host: a.example', 'Host: b.example'],
  [],
];

const LINES = [
  'X-A: 1',
  'X-A:2',
  'x-a: \u00e9',
  'X-A: ',
  'X-A: a\tb',
  'X-A: a\u0001b',
  'X-A: a\u0000b',
  'X_A: 1',
  'X.A: 1',
  'X A: 1',
  'X-A : 1',
  ': 1',
  'no colon',
  'X-A: 1\r\n folded',
  'X-Long: 12345678901234567890',
  'Cookie: a=1',
  'Cookie: b=2',
  'Content-Type: text/plain',
  'Range: bytes=0-1',
  'If-None-Match: "x"',
  'Accept-Encoding: gzip',
  'X-Forwarded-For: 203.0.113.9',
  'X-Real-IP: 203.0.113.9',
  'Forwarded: for=203.0.113.9',
  'Authorization: Basic YTpi',
  'Proxy-Authorization: Basic YTpi',
  'TE: trailers',
  'TE: gzip',
  'Keep-Alive: timeout=5',
  'Connection: X-A',
  'Max-Forwards: 0',
  'Max-Forwards: 5',
  'Expect: 100-continue',
  'Expect: tea',
  'Upgrade: websocket',
  'Via: 1.1 other',
];

export const rawRequests: fc.Arbitrary<RawRequest> = fc.record({
  method: fc.constantFrom(...METHODS),
  target: fc.constantFrom(...TARGETS),
  version: fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'HTTP/1.'),
  hosts: fc.constantFrom(...HOSTS),
  lines: fc.array(fc.constantFrom(...LINES), { maxLength: 3 }),
  framing: fc.oneof(
    fc.constantFrom<RawRequest['framing']>('none', 'length', 'chunks'),
    fc.constantFrom(...(Object.keys(FRAMINGS) as Array<RawRequest['framing']>)),
  ),
});

/** The request, which asks for its connection to be closed. */
export function bytesOf({ method, target, version, hosts, lines, framing }: RawRequest): Buffer {
  const [fields, body] = FRAMINGS[framing];
  const head = [`${method} ${target} ${version}`, ...hosts, ...lines, ...fields, 'Connection: close'];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1');
}
