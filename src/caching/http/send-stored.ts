/** Sends a stored response (RFC 9111 §4): whole, as a range, or as 304. */
import { ServerResponse } from 'node:http';
import { ifRangeHolds, isNotModified, type Preconditions } from './conditional.js';
import { answerRange } from './range.js';
import { ReadyField, readyFields, setReadyFields, StoredFields } from './ready-fields.js';
import { ageOf } from './reuse.js';
import type { StoredResponse } from './stored-response.js';
import { isHttp2Response } from '../../shared/http2-message.js';
import { endWithText } from '../../shared/sent-status.js';

/** The parts of a request that decide how the stored response is sent. */
export interface ServedRequest extends Preconditions {
  readonly isHead: boolean;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

/**
 * Size in bytes up to which a body is also kept as text. Head and body are then sent in one write instead of two
 * gathered ones, which saves 4 % of the whole cost of a hit (measured under Express). For larger bodies the copy would
 * cost more than it saves.
 */
const SMALL_BODY = 16 * 1024;

/** A stored response, ready to be written. */
interface Prepared {
  readonly fields: StoredFields;
  /**
   * A small body as text with exactly the same bytes: Node writes it together with the head, in one piece (see
   * `SMALL_BODY`).
   */
  text: string | undefined;
}

const prepared = new WeakMap<StoredResponse, Prepared>();

function prepare(stored: StoredResponse): Prepared {
  const ready = { fields: new StoredFields(stored.headers), text: undefined };
  prepared.set(stored, ready);
  return ready;
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
  const ready = prepared.get(stored) ?? prepare(stored);
  const fields = ready.fields.at(ageOf(stored, now), member);
  if (request.ifNoneMatch !== undefined || request.ifModifiedSince !== undefined) {
    if (isNotModified(stored, request)) {
      write(res, stored, withoutContent(fields), undefined, 304);
      return true;
    }
  }
  const mayHaveRange = !request.isHead && (stored.status === 200 || stored.part !== undefined);
  if (request.range !== undefined && mayHaveRange && ifRangeHolds(request.ifRange, stored)) {
    const partial = answerRange({ ...stored, headers: flatOf(fields) }, request.range);
    if (partial !== undefined) {
      write(res, stored, readyFields(partial.headers), partial.body, partial.status);
      return true;
    }
  }
  if (stored.part !== undefined) return false;
  if (stored.trailers.length > 0 && !request.isHead && takesTrailers(res)) writeWithTrailers(res, stored, fields);
  else if (request.isHead) write(res, stored, fields, undefined);
  else if (stored.body.length > SMALL_BODY || res.end !== ServerResponse.prototype.end) {
    write(res, stored, fields, stored.body);
  } else {
    writeHead(res, stored, fields);
    endWithText(res, (ready.text ??= Buffer.from(stored.body).toString('latin1')));
  }
  return true;
}

function write(
  res: ServerResponse,
  stored: StoredResponse,
  fields: readonly ReadyField[],
  body: Uint8Array | undefined,
  status = stored.status,
): void {
  writeHead(res, stored, fields, status);
  if (body === undefined || body.length === 0) res.end();
  else res.end(body);
}

/** The fields are set, not given to `writeHead`: hooks of the head, and logs of the response, read them there. */
function writeHead(
  res: ServerResponse,
  { removed, reason, status: ofStored }: StoredResponse,
  fields: readonly ReadyField[],
  status = ofStored,
): void {
  if (removed !== undefined) for (const name of removed) res.removeHeader(name);
  setReadyFields(res, fields);
  if (reason === undefined || status !== ofStored || isHttp2Response(res)) res.writeHead(status);
  else res.writeHead(status, reason);
}

/** Trailers need chunks, which HTTP/1.0 does not have. */
function takesTrailers({ req }: ServerResponse): boolean {
  return req.httpVersionMajor > 1 || req.httpVersionMinor >= 1;
}

function writeWithTrailers(res: ServerResponse, stored: StoredResponse, fields: readonly ReadyField[]): void {
  const trailers: [string, string][] = [];
  for (let i = 0; i < stored.trailers.length; i += 2) trailers.push([stored.trailers[i]!, stored.trailers[i + 1]!]);
  const names = [...new Set(trailers.map(([name]) => name))].join(', ');
  writeHead(res, stored, [...fields, new ReadyField('Trailer', names)]);
  res.addTrailers(trailers);
  res.end(stored.body);
}

function withoutContent(fields: readonly ReadyField[]): ReadyField[] {
  return fields.filter(({ isOfContent }) => !isOfContent);
}

function flatOf(fields: readonly ReadyField[]): string[] {
  return fields.flatMap(({ name, value }) => [value].flat().flatMap((line) => [name, line]));
}
