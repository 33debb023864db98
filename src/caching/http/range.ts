/** Ranges of stored responses (RFC 9110 §14, RFC 9111 §3.3, §3.4). */
import { randomBytes } from 'node:crypto';
import { isStrong, strongMatch } from './conditional.js';
import { fieldsOf, splitList, type FlatFields } from './fields.js';
import type { StoredResponse } from './stored-response.js';

/** Positions of the first and the last byte, both inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * More parts than this, or more than two overlapping ones, indicate an attack (RFC 9110 §17.15), so the whole response
 * is sent.
 */
const MOST_RANGES = 16;
const MOST_OVERLAPPING = 2;

/** Fields that describe the sent bytes. Each partial response has its own. */
const OF_THE_BYTES = new Set(['content-length', 'content-range', 'content-type', 'transfer-encoding']);

export interface PartialAnswer {
  readonly status: 206 | 416;
  readonly headers: FlatFields;
  readonly body: Uint8Array;
}

/**
 * The satisfiable ranges that a `Range` field requests of `size` bytes; empty: no range is satisfiable (416).
 * Undefined: the field must be ignored, because it has another unit, is malformed or is excessive (§14.2).
 */
export function parseRange(value: string, size: number): ByteRange[] | undefined {
  const [, set] = /^bytes=(.*)$/i.exec(value) ?? [];
  if (set === undefined) return undefined;
  const specs = splitList(set);
  if (specs.length === 0 || specs.length > MOST_RANGES) return undefined;
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const [, first, last] = /^(\d*)-(\d*)$/.exec(spec) ?? [];
    if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
    if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
    const range = first === '' ? suffix(Number(last), size) : { start: Number(first), end: endOf(last, size) };
    if (range.start <= range.end && range.start < size) ranges.push(range);
  }
  return overlaps(ranges) > MOST_OVERLAPPING ? undefined : ranges;
}

const suffix = (length: number, size: number): ByteRange => ({
  start: Math.max(0, size - length),
  end: length === 0 ? -1 : size - 1,
});

const endOf = (last: string, size: number): number => (last === '' ? size - 1 : Math.min(Number(last), size - 1));

/** How many ranges begin within an earlier one. */
function overlaps(ranges: readonly ByteRange[]): number {
  const sorted = [...ranges].sort((a, b) => a.start - b.start);
  let reached = -1;
  let count = 0;
  for (const { start, end } of sorted) {
    if (start <= reached) count++;
    reached = Math.max(reached, end);
  }
  return count;
}

/**
 * A `Content-Range` with the position and the total length (§14.4); undefined for anything else, including an unknown
 * length.
 */
export function parseContentRange(value: string | undefined): (ByteRange & { readonly size: number }) | undefined {
  const [, first, last, whole] = /^bytes (\d+)-(\d+)\/(\d+)$/i.exec(value ?? '') ?? [];
  if (first === undefined) return undefined;
  const range = { start: Number(first), end: Number(last), size: Number(whole) };
  return range.start <= range.end && range.end < range.size ? range : undefined;
}

/**
 * Answers a range request from the stored response: 206 or 416. Undefined if the field must be ignored or the stored
 * part does not hold the requested range. The caller has checked the method (GET only) and `If-Range`.
 */
export function answerRange(stored: StoredResponse, value: string): PartialAnswer | undefined {
  const { start, size } = stored.part ?? { start: 0, size: stored.body.length };
  const ranges = parseRange(value, size);
  if (ranges === undefined) return undefined;
  if (ranges.length === 0) return unsatisfiable(stored, size);
  const held = { start, end: start + stored.body.length - 1 };
  if (!ranges.every((range) => range.start >= held.start && range.end <= held.end)) return undefined;
  const slice = (range: ByteRange): Uint8Array => stored.body.subarray(range.start - start, range.end - start + 1);
  return ranges.length === 1 ? singlePart(stored, ranges[0]!, size, slice) : multipart(stored, ranges, size, slice);
}

function unsatisfiable(stored: StoredResponse, size: number): PartialAnswer {
  const headers = [...without(stored.headers, OF_THE_BYTES), 'Content-Range', `bytes */${size}`, 'Content-Length', '0'];
  return { status: 416, headers, body: new Uint8Array(0) };
}

type Slice = (range: ByteRange) => Uint8Array;

function singlePart(stored: StoredResponse, range: ByteRange, size: number, slice: Slice): PartialAnswer {
  const body = slice(range);
  const headers = [
    ...without(stored.headers, new Set([...OF_THE_BYTES].filter((name) => name !== 'content-type'))),
    'Content-Range',
    contentRange(range, size),
    'Content-Length',
    String(body.length),
  ];
  return { status: 206, headers, body };
}

/** `multipart/byteranges` (§14.6), with the parts in the requested order. */
function multipart(stored: StoredResponse, ranges: readonly ByteRange[], size: number, slice: Slice): PartialAnswer {
  const boundary = randomBytes(16).toString('hex');
  const type = fieldsOf(stored.headers)['content-type'];
  const chunks: Uint8Array[] = [];
  for (const range of ranges) {
    const typeLine = type === undefined ? '' : `Content-Type: ${type}\r\n`;
    const head = `\r\n--${boundary}\r\n${typeLine}Content-Range: ${contentRange(range, size)}\r\n\r\n`;
    chunks.push(Buffer.from(head, 'latin1'), slice(range));
  }
  chunks.push(Buffer.from(`\r\n--${boundary}--\r\n`));
  const body = Buffer.concat(chunks);
  const headers = [
    ...without(stored.headers, OF_THE_BYTES),
    'Content-Type',
    `multipart/byteranges; boundary=${boundary}`,
    'Content-Length',
    String(body.length),
  ];
  return { status: 206, headers, body };
}

const contentRange = ({ start, end }: ByteRange, size: number): string => `bytes ${start}-${end}/${size}`;

function without(flat: FlatFields, names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    if (!names.has(flat[i]!.toLowerCase())) kept.push(flat[i]!, flat[i + 1]!);
  }
  return kept;
}

/**
 * Combines a stored part and a newer one to a larger part or to the whole; undefined if they may not be combined. They
 * must be parts of one representation, proven by the same strong tag, with no byte missing between them (RFC 9111
 * §3.4).
 */
export function combineParts(stored: StoredResponse, newer: StoredResponse): StoredResponse | undefined {
  if (stored.part === undefined || newer.part === undefined || stored.part.size !== newer.part.size) return undefined;
  if (stored.etag === undefined || newer.etag === undefined || !strongMatch(stored.etag, newer.etag)) return undefined;
  const [first, second] = stored.part.start <= newer.part.start ? [stored, newer] : [newer, stored];
  const { start, size } = first.part!;
  const gap = second.part!.start - (start + first.body.length);
  if (gap > 0) return undefined;
  // Overlapping bytes are equal, because the parts belong to the same bytes.
  const body = Buffer.concat([first.body, second.body.subarray(Math.min(-gap, second.body.length))]);
  return body.length === size ? asComplete(newer, body) : { ...newer, body, part: { start, size } };
}

/** A representation with all its parts equals a 200. */
function asComplete(newer: StoredResponse, body: Uint8Array): StoredResponse {
  const kept = without(newer.headers, new Set(['content-range', 'content-length']));
  return { ...newer, status: 200, headers: [...kept, 'Content-Length', String(body.length)], body, part: undefined };
}

/**
 * The `Range` that would complete a stored part, if a single range does. Undefined if the part is whole or has gaps on
 * both sides. Also undefined without a strong tag, which must prove that the missing range belongs to the part.
 */
export function missingRange({ part, body, etag }: StoredResponse): ByteRange | undefined {
  if (part === undefined || etag === undefined || !isStrong(etag)) return undefined;
  const end = part.start + body.length;
  if (part.start === 0 && end < part.size) return { start: end, end: part.size - 1 };
  return part.start > 0 && end === part.size ? { start: 0, end: part.start - 1 } : undefined;
}
