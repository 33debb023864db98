/** Writes a response with a checked head to the client, over HTTP/1 or HTTP/2. */
import type { ServerResponse } from 'node:http';
import { openFieldRecord, setValidField } from '../../shared/field-record.js';
import { isHttp2, isHttp2Response, responseStreamOf } from '../../shared/http2-message.js';
import { headLines, isBodiless, type ResponseHead } from './answer-head.js';
import { eachEndToEndField, trailerFields, type ResponseFields } from './headers.js';

/** Fields that a middleware in front of the proxy may have set already, and whose values add up. */
const ADDED_UP: ReadonlySet<string> = new Set([
  'set-cookie',
  'vary',
  'server-timing',
  'link',
  'ratelimit',
  'ratelimit-policy',
]);

/** Fields that describe one hop: the value that this side set about itself is kept (Trace Context level 2 §4). */
const OWN_HOLDS: ReadonlySet<string> = new Set(['traceresponse']);

/** The spelling of the names of response fields: unchanged, or from a table of lowercase names. */
export type FieldCase = ReadonlyMap<string, string> | undefined;

/** Sets the status and the fields of the response. Nothing is sent yet. */
export function setHead(res: ServerResponse, head: ResponseHead, fieldCase: FieldCase): void {
  const { status, statusText, headers } = head;
  const isOverHttp2 = isHttp2Response(res);
  res.statusCode = status;
  if (statusText !== '' && !isOverHttp2) res.statusMessage = statusText;
  // The head is checked, but the spellings of a table are not.
  const record = fieldCase === undefined ? openFieldRecord(res) : undefined;
  eachEndToEndField(headers, (name, given) => {
    const value = isOverHttp2 ? http2Value(name, given) : given;
    if (name === 'trailer' && !canSendTrailers(res, head)) return;
    if (name === 'content-length' && status === 204) return; // RFC 9110 §8.6
    if (OWN_HOLDS.has(name) && res.hasHeader(name)) return;
    if (ADDED_UP.has(name) && res.hasHeader(name)) appendField(res, name, value);
    else setValidField(res, record, fieldCase?.get(name) ?? name, name, value);
  });
}

/**
 * Sends the head before there is a body. `flushHeaders` writes bytes above ASCII as UTF-8, where the rest of Node writes
 * them as Latin-1. With an empty text the head is Latin-1 too, but a middleware that compresses may hold it back.
 */
export function flushHead(res: ServerResponse): void {
  if (isHttp2Response(res) || isAscii(res)) res.flushHeaders();
  else res.write('', 'latin1');
}

const ABOVE_ASCII = /[\x80-\xff]/;

function isAscii(res: ServerResponse): boolean {
  if (ABOVE_ASCII.test(res.statusMessage ?? '')) return false;
  const fields = res.getHeaders();
  for (const name in fields) if (ABOVE_ASCII.test(String(fields[name]))) return false;
  return true;
}

/** HTTP/2 responses have no `appendHeader` before Node 20.12. */
function appendField(res: ServerResponse, name: string, value: string | string[]): void {
  const before = res.getHeader(name);
  res.setHeader(name, [before, value].flat().map(String));
}

/** Node refuses some repeated fields in HTTP/2. On one line they mean the same (RFC 9110 §5.2), except for cookies. */
function http2Value(name: string, value: string | string[]): string | string[] {
  return typeof value === 'string' || name === 'set-cookie' ? value : value.join(', ');
}

/**
 * Removes everything that `setHead` has set, so that an error response inherits nothing from the response it replaces.
 *
 * @returns false if Node has already marked the response as one without a body; the connection cannot be used then
 */
export function resetHead(res: ServerResponse, head: ResponseHead): boolean {
  if (res.headersSent) return false;
  for (const name in head.headers) res.removeHeader(name);
  const wasBodiless = isBodiless(res.statusCode);
  res.statusCode = 200;
  if (!isHttp2Response(res)) res.statusMessage = undefined as never; // Node's phrase for the next status
  return !wasBodiless;
}

/** Trailers need HTTP/2 or chunks: HTTP/1.1, a body, and no announced length. */
function canSendTrailers(res: ServerResponse, { status, headers }: ResponseHead): boolean {
  const { req } = res;
  if (isHttp2(req)) return true;
  if (isBodiless(status) || req.method === 'HEAD' || req.httpVersion === '1.0') return false;
  return headers['content-length'] === undefined;
}

/** Adds the trailer section, if the response can have one. */
export function addTrailers(res: ServerResponse, trailers: ResponseFields): void {
  if (!res.chunkedEncoding && !isHttp2Response(res)) return;
  res.addTrailers(Object.fromEntries(trailerFields(trailers)));
}

/**
 * Passes on a checked 1xx response, as a proxy must (RFC 9110 §15.2). Node writes only some of them itself, so the lines
 * go to the socket. The socket belongs to this response once it is assigned, and nothing of the final response is
 * written yet.
 */
export function writeInformation(res: ServerResponse, head: ResponseHead): void {
  if (res.headersSent || head.status === 101) return; // a switch needs an upgrade
  const stream = responseStreamOf(res);
  if (stream !== undefined) {
    const fields: Record<string, string | string[] | number> = { ':status': head.status };
    eachEndToEndField(head.headers, (name, value) => (fields[name] = http2Value(name, value)));
    if (!stream.destroyed && !stream.headersSent) stream.additionalHeaders(fields);
    return;
  }
  const { socket, req } = res;
  if (req.httpVersion !== '1.1') return; // HTTP/1.0 has no 1xx responses
  if (socket?.writable === true) socket.write(headLines(head), 'latin1');
}

/** Asks the client to send its body. */
export function writeContinue(res: ServerResponse): void {
  if (!res.headersSent && !res.writableEnded && !res.destroyed) res.writeContinue();
}
