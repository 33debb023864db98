/** The kinds of request that every scenario is asked with, as the bytes on the wire. */

/** Written behind every kind that keeps its connection, so that the end of the exchange is the end of the connection. */
const LAST = 'GET /end HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';

export interface RequestKind {
  readonly name: string;
  /** The request, or several, for a target, a byte per character. The server closes the connection after the last. */
  readonly bytes: (target: string) => string;
  /** Whether the connection is kept depends on how the response is framed: only the first message is compared by reading. */
  readonly isFramingBound?: true;
}

function request(line: string, fields: readonly string[] = [], body = '', ending = 'Connection: close'): string {
  return [line, 'Host: a.test', ...fields, ...(ending === '' ? [] : [ending]), '', body].join('\r\n');
}

const simple = (method: string, fields: readonly string[] = [], body = '') => (target: string): string =>
  request(`${method} ${target} HTTP/1.1`, fields, body); // prettier-ignore

const JSON_BODY = '{"a":1,"b":"two"}';
const json = [`Content-Type: application/json`, `Content-Length: ${JSON_BODY.length}`];
const form = ['Content-Type: application/x-www-form-urlencoded', 'Content-Length: 7'];
const CHUNKED = '5\r\nhello\r\n6\r\n world\r\n0\r\nX-Check: 1\r\n\r\n';

export const REQUEST_KINDS: readonly RequestKind[] = [
  { name: 'GET', bytes: simple('GET') },
  { name: 'HEAD', bytes: simple('HEAD') },
  { name: 'OPTIONS', bytes: simple('OPTIONS') },
  { name: 'DELETE', bytes: simple('DELETE') },
  { name: 'POST of JSON', bytes: simple('POST', json, JSON_BODY) },
  { name: 'PUT of a form', bytes: simple('PUT', form, 'a=1&b=2') },
  { name: 'PATCH without a body', bytes: simple('PATCH', ['Content-Length: 0']) },
  { name: 'POST in chunks with a trailer', bytes: simple('POST', ['Transfer-Encoding: chunked', 'Trailer: X-Check'], CHUNKED) },
  { name: 'GET with a body', bytes: simple('GET', json, JSON_BODY) },
  { name: 'a method of WebDAV', bytes: simple('PROPFIND', ['Depth: 1', 'Content-Length: 0']) },
  { name: 'If-None-Match: *', bytes: simple('GET', ['If-None-Match: *']) },
  { name: 'If-None-Match of a tag', bytes: simple('GET', ['If-None-Match: W/"x", "x"']) },
  { name: 'If-Modified-Since', bytes: simple('GET', ['If-Modified-Since: Wed, 01 Jan 2031 00:00:00 GMT']) },
  { name: 'If-Match and If-Unmodified-Since', bytes: simple('GET', ['If-Match: "y"', 'If-Unmodified-Since: Wed, 01 Jan 2014 00:00:00 GMT']) },
  { name: 'a range', bytes: simple('GET', ['Range: bytes=2-9']) },
  { name: 'several ranges', bytes: simple('GET', ['Range: bytes=0-1,4-5']) },
  { name: 'a range past the end', bytes: simple('GET', ['Range: bytes=9999999-']) },
  { name: 'If-Range', bytes: simple('GET', ['Range: bytes=0-3', 'If-Range: "x"']) },
  { name: 'credentials', bytes: simple('GET', ['Authorization: Bearer abc', 'Cookie: sid=1; theme=dark']) },
  { name: 'negotiation', bytes: simple('GET', ['Accept: application/json', 'Accept-Encoding: gzip', 'Accept-Language: de']) },
  { name: 'no-cache', bytes: simple('GET', ['Cache-Control: no-cache', 'Pragma: no-cache']) },
  { name: 'a trace of its own', bytes: simple('GET', ['tracestate: a=1', 'baggage: b=2']) },
  { name: 'a query', bytes: (target) => simple('GET')(`${target}&callback=cb&a[]=1&x=%C3%BC+y`) },
  { name: 'repeated fields', bytes: simple('GET', ['X-Forwarded-For: 10.0.0.1', 'X-Multi: 1', 'X-Multi: 2', 'TE: trailers']) },
  { name: 'the absolute form', bytes: (target) => simple('GET')(`http://a.test${target}`) },
  { name: 'keep-alive', bytes: (target) => request(`GET ${target} HTTP/1.1`, [], '', '') + LAST },
  { name: 'three pipelined', bytes: (target) => request(`GET ${target} HTTP/1.1`, [], '', '').repeat(3) + LAST },
  { name: 'a body, then pipelined', bytes: (target) => request(`POST ${target} HTTP/1.1`, json, JSON_BODY, '') + LAST },
  { name: 'HTTP/1.0', bytes: (target) => request(`GET ${target} HTTP/1.0`, [], '', '') },
  { name: 'HTTP/1.0 keep-alive', bytes: (target) => request(`GET ${target} HTTP/1.0`, [], '', 'Connection: keep-alive') + LAST, isFramingBound: true },
  // The body comes along, which is allowed (RFC 9110 §10.1.1): a server that closes before it came would reset the connection.
  { name: 'Expect: 100-continue', bytes: simple('POST', ['Expect: 100-continue', ...json], JSON_BODY) },
  { name: 'Upgrade that the server ignores', bytes: (target) => request(`GET ${target} HTTP/1.1`, ['Upgrade: websocket'], '', 'Connection: Upgrade, close') },
]; // prettier-ignore
