/** Sends a stored response (RFC 9111 §4): whole, as a range, or as 304. */
import { ServerResponse } from 'node:http';
import { appendCacheStatus } from './cache-status.js';
import { ifRangeHolds, isNotModified, type Preconditions } from './conditional.js';
import type { FlatFields } from './fields.js';
import { ageSeconds } from './freshness.js';
import { keepsLinesOf } from './head-hook.js';
import { answerRange } from './range.js';
import { ageOf } from './reuse.js';
import type { StoredResponse } from './stored-response.js';
import { isHttp2Response } from '../../shared/http2-message.js';

/** The parts of a request that decide how the stored response is sent. */
export interface ServedRequest extends Preconditions {
  readonly isHead: boolean;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

/** Fields that describe content, which a 304 does not have (RFC 9110 §15.4.5). */
const OF_CONTENT = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'content-language',
  'content-range',
  'transfer-encoding',
  'trailer',
]);

/** Whether a field, named in lowercase, describes content and must not be in a 304. */
export function isContentField(name: string): boolean {
  return OF_CONTENT.has(name);
}

/**
 * Size in bytes up to which a body is also kept as text. Head and body are then sent in one write instead of two
 * gathered ones, which saves 4 % of the whole cost of a hit (measured under Express). For larger bodies the copy would
 * cost more than it saves.
 */
const SMALL_BODY = 16 * 1024;

/**
 * The fields of a stored response, ready to be written. Only `Age` and `Cache-Status` change from one second to the
 * next.
 */
interface Prepared {
  /** The stored fields, then Age and Cache-Status. */
  readonly flat: string[];
  /** Members of Cache-Status from caches nearer to the origin. */
  readonly statusBefore: string | undefined;
  second: number;
  member: string;
  /**
   * A small body as text with exactly the same bytes: Node writes it together with the head, in one piece (see
   * `SMALL_BODY`).
   */
  text: string | undefined;
}

const prepared = new WeakMap<StoredResponse, Prepared>();

function prepare(stored: StoredResponse): Prepared {
  const flat: string[] = [];
  const before: string[] = [];
  for (let i = 0; i < stored.headers.length; i += 2) {
    const name = stored.headers[i]!;
    if (name.toLowerCase() === 'cache-status') before.push(stored.headers[i + 1]!);
    else flat.push(name, stored.headers[i + 1]!);
  }
  flat.push('Age', '0', 'Cache-Status', '');
  const statusBefore = before.length === 0 ? undefined : before.join(', ');
  return { flat, statusBefore, second: -1, member: '', text: undefined };
}

/**
 * The fields to send with a stored response of this age. Kept from call to call and changed in place: Node copies them
 * into the head before `writeHead` returns.
 */
function headersAt(ready: Prepared, age: number, member: string): string[] {
  const { flat } = ready;
  const second = ageSeconds(age);
  if (second !== ready.second) {
    ready.second = second;
    flat[flat.length - 3] = String(second);
  }
  if (member !== ready.member) {
    ready.member = member;
    flat[flat.length - 1] = appendCacheStatus(ready.statusBefore, member);
  }
  return flat;
}

/** The remaining seconds of freshness, as in `Cache-Status`: negative once stale. */
export function ttlSeconds(stored: StoredResponse, age: number): number {
  const left = Math.floor(stored.lifetime / 1000) - Math.floor(age / 1000);
  return stored.lifetime > age ? Math.max(0, left) : Math.min(-1, left);
}

/**
 * Sends a stored response to a GET or HEAD. Sends 304 if the client has it already (§4.3.2), a part if the request asks
 * for one (RFC 9110 §14), else the whole; always with `Age` (§5.1).
 *
 * @param member this cache's member of `Cache-Status`
 * @returns false, without sending, if only a part is stored that does not hold the requested range
 */
export function sendStored(
  res: ServerResponse,
  stored: StoredResponse,
  request: ServedRequest,
  member: string,
  now: number,
): boolean {
  let ready = prepared.get(stored);
  if (ready === undefined) prepared.set(stored, (ready = prepare(stored)));
  const headers = headersAt(ready, ageOf(stored, now), member);
  if (request.ifNoneMatch !== undefined || request.ifModifiedSince !== undefined) {
    if (isNotModified(stored, request)) {
      write(res, stored, withoutContent(headers), undefined, 304);
      return true;
    }
  }
  const mayHaveRange = !request.isHead && (stored.status === 200 || stored.part !== undefined);
  if (request.range !== undefined && mayHaveRange && ifRangeHolds(request.ifRange, stored)) {
    const partial = answerRange({ ...stored, headers }, request.range);
    if (partial !== undefined) {
      write(res, stored, partial.headers, partial.body, partial.status);
      return true;
    }
  }
  if (stored.part !== undefined) return false;
  if (stored.trailers.length > 0 && !request.isHead && takesTrailers(res)) writeWithTrailers(res, stored, headers);
  else if (request.isHead) write(res, stored, headers, undefined);
  else if (stored.body.length > SMALL_BODY || res.end !== ServerResponse.prototype.end) {
    write(res, stored, headers, stored.body);
  } else {
    writeHead(res, stored, headers);
    res.end((ready.text ??= Buffer.from(stored.body).toString('latin1')), 'latin1');
  }
  return true;
}

function write(
  res: ServerResponse,
  stored: StoredResponse,
  headers: FlatFields,
  body: Uint8Array | undefined,
  status = stored.status,
): void {
  writeHead(res, stored, headers, status);
  if (body === undefined || body.length === 0) res.end();
  else res.end(body);
}

/**
 * Writes each line as it was stored. An array for `writeHead` is the fastest way. It keeps repeated names only if no
 * field is set on the response yet: Node 20 otherwise keeps only the last line of them.
 */
function writeHead(res: ServerResponse, stored: StoredResponse, headers: FlatFields, status = stored.status): void {
  const { reason, removed } = stored;
  if (removed !== undefined) for (const name of removed) res.removeHeader(name);
  const isFree =
    res.writeHead === ServerResponse.prototype.writeHead && !isHttp2Response(res) && res.getHeaderNames().length === 0;
  const isPlain = isFree && keepsLinesOf(res);
  // Someone else set fields or hooks the head (compression, sessions): they read fields where `setHeader` puts them.
  if (!isPlain) setHeaders(res, headers);
  const given = isPlain ? [headers as string[]] : [];
  const phrase = reason === undefined || status !== stored.status || isHttp2Response(res) ? [] : [reason];
  (res.writeHead as (...args: unknown[]) => unknown)(status, ...phrase, ...given);
}

/** Sets flat fields one by one; several lines of a name become one array. */
function setHeaders(res: ServerResponse, headers: FlatFields): void {
  const lines = new Map<string, string[]>();
  for (let i = 0; i < headers.length; i += 2) {
    const lower = headers[i]!.toLowerCase();
    const earlier = lines.get(lower);
    if (earlier === undefined) {
      lines.set(lower, [headers[i + 1]!]);
      res.setHeader(headers[i]!, headers[i + 1]!);
    } else {
      earlier.push(headers[i + 1]!);
      res.setHeader(headers[i]!, earlier);
    }
  }
}

/** Trailers need chunks, which HTTP/1.0 does not have. */
function takesTrailers({ req }: ServerResponse): boolean {
  return req.httpVersionMajor > 1 || req.httpVersionMinor >= 1;
}

function writeWithTrailers(res: ServerResponse, stored: StoredResponse, headers: FlatFields): void {
  const trailers: [string, string][] = [];
  for (let i = 0; i < stored.trailers.length; i += 2) trailers.push([stored.trailers[i]!, stored.trailers[i + 1]!]);
  const names = [...new Set(trailers.map(([name]) => name))].join(', ');
  writeHead(res, stored, [...headers, 'Trailer', names]);
  res.addTrailers(trailers);
  res.end(stored.body);
}

function withoutContent(headers: FlatFields): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (!isContentField(headers[i]!.toLowerCase())) kept.push(headers[i]!, headers[i + 1]!);
  }
  return kept;
}
