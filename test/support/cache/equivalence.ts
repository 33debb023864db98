/** Which answers mean the same: what a copy may change of an answer, and what a cache may make of it (RFC 9110, RFC 9111). */
import { fieldOf, type Received, type Sent } from './client.js';

/** Fields that may differ between an answer and its stored copy, or frame it. */
const APART = new Set([
  'age',
  'cache-status',
  'date',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
]);
/** Fields of content, which a 304 may leave out (RFC 9110 §15.4.5). */
const OF_CONTENT = new Set(['content-type', 'content-encoding', 'content-language', 'content-range']);

export function linesOf({ lines }: Received, without: ReadonlySet<string> = new Set()): string[] {
  return lines
    .filter(([name]) => !APART.has(name) && !without.has(name))
    .flatMap(([name, value]) => (name === 'vary' ? varies(value) : [`${name}: ${value}`]))
    .sort();
}

/** The names of a `Vary`: how they are divided into lines says nothing, and a 304 may add to them. */
const varies = (value: string): string[] => value.split(',').map((name) => `vary: ${name.trim().toLowerCase()}`);

export const describeAnswer = (answer: Received): string =>
  answer.isTorn ? `torn (${answer.status})` : `${answer.status} ${linesOf(answer).join(' | ')} '${answer.body}'`;

const BY_COMPRESSION = new Set(['vary: accept-encoding', 'content-encoding: gzip']);

function sameLines(a: Received, b: Received, without?: ReadonlySet<string>): boolean {
  // Compression encodes and varies what it can compress: no 304 and no multipart.
  const isBare = [a, b].some((one) => one.status === 304 || /^multipart/.test(fieldOf(one, 'content-type') ?? ''));
  const of = (one: Received): string =>
    String(linesOf(one, without).filter((line) => !isBare || !BY_COMPRESSION.has(line)));
  return of(a) === of(b);
}

/** The head of a stored GET was made for its content; a handler may not encode what it does not send. */
const ofContentOnly = (method: string): readonly string[] => (method === 'HEAD' ? ['content-encoding'] : []);

/** Whether all lines and all bytes are equal, except for the fields that frame a message. */
export function isSame(answer: Received, bare: Received, { method }: Sent): boolean {
  if (answer.isTorn || bare.isTorn) return answer.isTorn && bare.isTorn;
  if (answer.status !== bare.status) return false;
  if (answer.status === 304) return sameLines(answer, bare, OF_CONTENT);
  return answer.body === bare.body && sameLines(answer, bare, new Set(ofContentOnly(method)));
}

/**
 * Whether the answer is what a cache makes of a whole one: a 304 to a condition that it meets (RFC 9111 §4.3.2), or the
 * part that was asked for (RFC 9110 §14).
 *
 * @param whole the bare application's answer to the same request without conditions and ranges
 */
export function isMadeOf(answer: Received, whole: Received, sent: Sent): boolean {
  if (whole.isTorn || answer.isTorn || whole.status !== 200) return false;
  if (answer.status === 304) return meetsCondition(whole, sent) && sameLines(answer, whole, OF_CONTENT);
  if (answer.status === 200) {
    const without = new Set(['accept-ranges', ...ofContentOnly(sent.method)]);
    return answer.body === whole.body && sameLines(answer, whole, without);
  }
  if (sent.headers.range === undefined || sent.method !== 'GET') return false;
  if (answer.status === 416) {
    return [whole.body, whole.raw].some(({ length }) => fieldOf(answer, 'content-range') === `bytes */${length}`);
  }
  if (answer.status !== 206) return false;
  const without = new Set(['content-range', 'content-type', 'accept-ranges']);
  return (
    sameLines(answer, whole, without) &&
    partsOf(answer).every((part) => isPart(part, whole.body) || isPart(part, whole.raw))
  );
}

function meetsCondition(whole: Received, { headers }: Sent): boolean {
  const opaque = (tag: string): string => tag.trim().replace(/^W\//, '');
  const condition = headers['if-none-match'];
  const etag = fieldOf(whole, 'etag');
  if (condition !== undefined) return etag !== undefined && opaque(condition) === opaque(etag);
  const since = Date.parse(headers['if-modified-since'] ?? '');
  return Date.parse(fieldOf(whole, 'last-modified') ?? fieldOf(whole, 'date') ?? '') <= since;
}

interface Part {
  readonly range: string | undefined;
  readonly body: string;
}

function partsOf(answer: Received): Part[] {
  const boundary = /^multipart\/byteranges; boundary="?([^"]+)"?$/.exec(fieldOf(answer, 'content-type') ?? '')?.[1];
  if (boundary === undefined) return [{ range: fieldOf(answer, 'content-range'), body: answer.body }];
  const parts = answer.body.split(`--${boundary}`).slice(1, -1);
  return parts.map((part) => {
    const end = part.indexOf('\r\n\r\n');
    return { range: /content-range: (.*)/i.exec(part.slice(0, end))?.[1], body: part.slice(end + 4, -2) };
  });
}

function isPart({ range, body }: Part, whole: string): boolean {
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range ?? '') ?? [];
  return Number(size) === whole.length && body === whole.slice(Number(first), Number(last) + 1);
}
