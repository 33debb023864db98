/** In what this proxy and nginx are known to differ, each with the row of docs/routing.md that explains it. */
import type { RawRequest } from './proxy-raw-requests.js';

export interface Difference {
  /** The cells of the row. */
  readonly row: readonly [request: string, here: string, nginx: string];
  applies(request: RawRequest): boolean;
}

const has = (pattern: RegExp) => (request: RawRequest) =>
  [...request.hosts, ...request.lines].some((line) => pattern.test(line));

const isRepeated =
  (name: RegExp) =>
  ({ lines }: RawRequest): boolean =>
    lines.filter((line) => name.test(line)).length > 1;

const hasNoForward = has(/^Max-Forwards: 0/);

/** Requests that one of the two refuses, or answers itself. */
export const OUTCOMES: readonly Difference[] = [
  {
    row: ['`TRACE`', 'forwards it', '405'],
    applies: ({ method }) => method === 'TRACE',
  },
  {
    row: ['`OPTIONS` with `Max-Forwards: 0`', '204 from the proxy (RFC 9110 §7.6.2)', 'forwards it'],
    applies: (request) => request.method === 'OPTIONS' && hasNoForward(request),
  },
  {
    row: ['`%00`, or a `%` without two digits, in the path', 'forwards the path unchanged', '400'],
    applies: ({ target }) => /%00|%zz/.test(target),
  },
  {
    row: ['bytes above ASCII in the path', '400', 'forwards them'],
    applies: ({ target }) => target.includes('\u00e9'),
  },
  { row: ['a fragment in the target', '400', 'forwards it'], applies: ({ target }) => target.includes('#') },
  {
    row: ['user information in the target or in `Host`', '400', 'forwards it'],
    applies: (request) => request.target.includes('@') || has(/^Host: .*@/)(request),
  },
  {
    row: ['a whole URL of another scheme than http and https', '400', 'forwards it'],
    applies: ({ target }) => target.startsWith('ftp:'),
  },
  { row: ['an empty `Host`', 'forwards it', '400'], applies: has(/^Host:$/) },
  // eslint-disable-next-line no-control-regex -- it is what is looked for
  { row: ['control characters in a field', '400', 'forwards them, except for NUL'], applies: has(/\u0001/) },
  {
    row: ['`Expect: 100-continue`', 'the instance decides', 'sends 100 itself'],
    applies: has(/^Expect: 100-continue/),
  },
  { row: ['another `Expect`', '417', 'forwards it'], applies: has(/^Expect: tea/) },
  {
    row: ['chunks whose lines end with LF alone', '400', 'accepts them'],
    applies: ({ framing }) => framing === 'chunks of bare line feeds',
  },
  {
    row: ['a transfer coding other than `chunked`', '400', '501'],
    applies: ({ framing }) => /coding|identity/.test(framing),
  },
  {
    row: [
      '`Authorization` or `If-None-Match` twice',
      'forwards the first `Authorization`, and joins `If-None-Match` to one list',
      '400',
    ],
    applies: (request) => isRepeated(/^Authorization/)(request) || isRepeated(/^If-None-Match/)(request),
  },
  {
    row: ['HTTP/1.2 or HTTP/2.0 in the request line', '400', 'forwards HTTP/1.2, and 505'],
    applies: ({ version }) => /[^01]$/.test(version) || version === 'HTTP/2.0',
  },
];

/** Fields that the instances see differently, by their lowercase names. */
export const FIELDS: ReadonlyArray<Difference & { readonly names: RegExp }> = [
  {
    names: /^(?:via|x-forwarded-.*|forwarded|x-real-ip)$/,
    row: [
      '`X-Forwarded-*`, `Forwarded` and `X-Real-IP` of a client',
      'replaces them with its own, and adds `Via`',
      'passes them, unless configured otherwise',
    ],
    applies: () => true,
  },
  {
    names: /^(?:content-length|transfer-encoding)$/,
    row: [
      'a body in chunks',
      'stays in chunks',
      'gets a length if all of it is here. A POST without a body gets no `Content-Length: 0`',
    ],
    applies: () => true,
  },
  {
    names: /^(?:proxy-authorization|te|connection|keep-alive)$/,
    row: [
      '`Proxy-Authorization`, and `TE: trailers`',
      'removes the first and passes the second',
      'passes the first and removes the second',
    ],
    applies: () => true,
  },
  {
    names: /^(?:host|x-forwarded-host)$/,
    row: ['HTTP/1.0 without `Host`', 'sends the host of the target', 'sends an empty `Host`'],
    applies: ({ hosts }) => hosts.length === 0,
  },
  {
    names: /[_.]/,
    row: ['field names with `_` or `.`', 'passes them', 'removes them, unless configured otherwise'],
    applies: () => true,
  },
  {
    names: /^x-a$/,
    row: [
      'a field that `Connection` names',
      'removes it (RFC 9110 §7.6.1), except for those that gateways rely on',
      'passes it',
    ],
    applies: has(/^Connection: X-A/),
  },
  {
    names: /^content-type$/,
    row: ['`Content-Type` twice', 'forwards the first, which is the one that Node reads', 'passes both'],
    applies: isRepeated(/^Content-Type/),
  },
  {
    names: /^max-forwards$/,
    row: ['`Max-Forwards` twice', 'forwards the first, which is the one that Node reads', 'passes both'],
    applies: isRepeated(/^Max-Forwards/),
  },
  {
    names: /^max-forwards$/,
    row: ['`Max-Forwards` above 0', 'decrements it for OPTIONS and TRACE', 'passes it unchanged'],
    applies: ({ method }) => method === 'OPTIONS',
  },
];
