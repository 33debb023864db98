/** Answering from what is stored (RFC 9111 §4): whole, as a range, or as 304. */
import type { ServerResponse } from 'node:http';
import { appendCacheStatus } from './cache-status.js';
import { ifRangeHolds, isNotModified, type Preconditions } from './conditional.js';
import type { FlatFields } from './fields.js';
import { ageSeconds } from './freshness.js';
import { answerRange } from './range.js';
import { ageOf } from './reuse.js';
import type { StoredResponse } from './stored-response.js';

/** What of a request decides how the stored response is sent. */
export interface ServedRequest extends Preconditions {
  readonly isHead: boolean;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

/** They describe content, which a 304 has none of (RFC 9110 §15.4.5). */
const OF_CONTENT = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'content-language',
  'content-range',
  'transfer-encoding',
  'trailer',
]);

/** Whether a field, named in lowercase, describes content and so has no place in a 304. */
export function isContentField(name: string): boolean {
  return OF_CONTENT.has(name);
}

/**
 * Bytes up to which a body is kept as text too. Head and body then leave in one write instead of two gathered ones:
 * measured under Express, 4 % of the whole cost of a hit. Larger bodies would pay more for the copy than they save.
 */
const SMALL_BODY = 16 * 1024;

/** A stored response's fields, ready to be written: only `Age` and `Cache-Status` change from one second to the next. */
interface Prepared {
  /** The stored fields, then Age and Cache-Status. */
  readonly flat: string[];
  /** Members of Cache-Status by caches nearer to the origin. */
  readonly statusBefore: string | undefined;
  second: number;
  member: string;
  /** A small body as text, byte for byte: Node writes it together with the head, in one piece (see `SMALL_BODY`). */
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

/** Seconds of freshness left, as `Cache-Status` tells them: negative once stale. */
export function ttlSeconds(stored: StoredResponse, age: number): number {
  const left = Math.floor(stored.lifetime / 1000) - Math.floor(age / 1000);
  return stored.lifetime > age ? Math.max(0, left) : Math.min(-1, left);
}

/**
 * Sends a stored response to a GET or HEAD: 304 where the client has it already (§4.3.2), a part where it asks for one
 * (RFC 9110 §14), else the whole; always with `Age` (§5.1).
 *
 * @param member this cache's member of `Cache-Status`
 * @returns false, and nothing is sent, where only a part is stored and it does not hold what is asked
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
      write(res, 304, undefined, withoutContent(headers), undefined);
      return true;
    }
  }
  const mayHaveRange = !request.isHead && (stored.status === 200 || stored.part !== undefined);
  if (request.range !== undefined && mayHaveRange && ifRangeHolds(request.ifRange, stored)) {
    const partial = answerRange({ ...stored, headers }, request.range);
    if (partial !== undefined) {
      write(res, partial.status, undefined, partial.headers, partial.body);
      return true;
    }
  }
  if (stored.part !== undefined) return false;
  if (stored.trailers.length > 0 && !request.isHead && takesTrailers(res)) writeWithTrailers(res, stored, headers);
  else if (request.isHead) write(res, stored.status, stored.reason, headers, undefined);
  else if (stored.body.length > SMALL_BODY || Object.hasOwn(res, 'end')) {
    write(res, stored.status, stored.reason, headers, stored.body);
  } else {
    writeHead(res, stored.status, stored.reason, headers);
    res.end((ready.text ??= Buffer.from(stored.body).toString('latin1')), 'latin1');
  }
  return true;
}

function write(
  res: ServerResponse,
  status: number,
  reason: string | undefined,
  headers: FlatFields,
  body: Uint8Array | undefined,
): void {
  writeHead(res, status, reason, headers);
  if (body === undefined || body.length === 0) res.end();
  else res.end(body);
}

function writeHead(res: ServerResponse, status: number, reason: string | undefined, headers: FlatFields): void {
  if (Object.hasOwn(res, 'writeHead')) {
    // Someone hooks the head (compression, sessions): they read fields where `setHeader` puts them.
    setHeaders(res, headers);
    if (reason === undefined) res.writeHead(status);
    else res.writeHead(status, reason);
  } else if (reason === undefined) res.writeHead(status, headers as string[]);
  else res.writeHead(status, reason, headers as string[]);
}

/** Sets flat fields one by one; several lines of a name become one array. */
function setHeaders(res: ServerResponse, headers: FlatFields): void {
  const seen = new Set<string>();
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase();
    if (seen.has(name)) res.appendHeader(headers[i]!, headers[i + 1]!);
    else res.setHeader(headers[i]!, headers[i + 1]!);
    seen.add(name);
  }
}

/** Trailers need chunks, which HTTP/1.0 does not know. */
function takesTrailers({ req }: ServerResponse): boolean {
  return req.httpVersionMajor > 1 || req.httpVersionMinor >= 1;
}

function writeWithTrailers(res: ServerResponse, stored: StoredResponse, headers: FlatFields): void {
  const trailers: [string, string][] = [];
  for (let i = 0; i < stored.trailers.length; i += 2) trailers.push([stored.trailers[i]!, stored.trailers[i + 1]!]);
  const names = [...new Set(trailers.map(([name]) => name))].join(', ');
  writeHead(res, stored.status, stored.reason, [...headers, 'Trailer', names]);
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
