/** Writes an upstream's response to the client, as it comes. */
import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { ResponseHead } from './attempt.js';
import { eachEndToEndField, trailerFields, type ResponseFields } from './headers.js';

/** Fields that those in front of the proxy may have set already, and that add up. */
const ADDED_UP: ReadonlySet<string> = new Set([
  'set-cookie',
  'vary',
  'server-timing',
  'link',
  'ratelimit',
  'ratelimit-policy',
]);

/** Fields that are about one hop: what this side says of its own part holds (Trace Context level 2 §4). */
const OWN_HOLDS: ReadonlySet<string> = new Set(['traceresponse']);

/**
 * Sets status and fields of the response; nothing is sent yet.
 *
 * @throws what Node throws for a field it will not send
 */
export function setHead(res: ServerResponse, { status, statusText, headers }: ResponseHead): void {
  res.statusCode = status;
  if (statusText !== '' && statusText !== STATUS_CODES[status]) res.statusMessage = statusText;
  eachEndToEndField(headers, (name, value) => {
    if (name === 'trailer' && !canSendTrailers(res, headers)) return;
    if (name === 'content-length' && status === 204) return; // RFC 9110 §8.6
    if (OWN_HOLDS.has(name) && res.hasHeader(name)) return;
    if (ADDED_UP.has(name) && res.hasHeader(name)) res.appendHeader(name, value);
    else res.setHeader(name, value);
  });
}

/** Trailers need chunks: HTTP/1.1, a body, and no length said before. */
function canSendTrailers(res: ServerResponse, headers: ResponseFields): boolean {
  return res.req.httpVersion !== '1.0' && res.req.method !== 'HEAD' && headers['content-length'] === undefined;
}

/** Adds the trailer section, where the response can have one. */
export function addTrailers(res: ServerResponse, trailers: ResponseFields): void {
  if (res.chunkedEncoding) res.addTrailers(Object.fromEntries(trailerFields(trailers)));
}

/**
 * Passes a 1xx response on (RFC 9110 §15.2). Node writes only some of them by itself, so the lines go to the socket: it
 * belongs to this response once it is assigned, and nothing of the final one is written yet.
 */
export function writeInformation(res: ServerResponse, { status, statusText, headers }: ResponseHead): void {
  const { socket, req } = res;
  if (socket === null || res.headersSent || !socket.writable) return;
  if (req.httpVersion !== '1.1' || status === 101) return; // 1.0 knows no 1xx; a switch needs an upgrade
  let lines = `HTTP/1.1 ${status} ${statusText || (STATUS_CODES[status] ?? '')}\r\n`;
  eachEndToEndField(headers, (name, value) => {
    for (const one of typeof value === 'string' ? [value] : value) lines += `${name}: ${one}\r\n`;
  });
  socket.write(`${lines}\r\n`, 'latin1');
}
