/** Serializes again a body that a parser in front has already read, because the request stream is empty then. */
import type { IncomingMessage } from 'node:http';
import { ResilienceError } from '../../shared/errors.js';

/** Fields that describe the received bytes, and not the bytes that are serialized again. */
export const BODY_FIELDS: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-md5',
  'digest',
  'content-digest',
]);

/** The bytes and their type. */
export interface ParsedBody {
  readonly bytes: Buffer;
  readonly type: string | undefined;
}

/**
 * The bytes of a body that was parsed into `req.body`; undefined if no parser has read it.
 *
 * @throws ResilienceError NOT_CONFIGURED if the parsed value cannot be serialized again (e.g. multipart)
 */
export function serializeParsedBody(req: IncomingMessage): ParsedBody | undefined {
  if (!req.readableEnded) return undefined;
  const { body, rawBody } = req as { body?: unknown; rawBody?: unknown };
  const type = req.headers['content-type'];
  if (Buffer.isBuffer(rawBody)) return { bytes: rawBody, type };
  if (Buffer.isBuffer(body)) return { bytes: body, type };
  const text = serialize(body, (type ?? '').split(';', 1)[0]!.trim().toLowerCase(), sentLength(req));
  if (text !== undefined) return { bytes: Buffer.from(text), type: type && asUtf8(type) };
  throw new ResilienceError(
    'NOT_CONFIGURED',
    'proxyBalanced: the body was consumed by a parser and cannot be forwarded; mount the proxy before the parser',
  );
}

/** The length that the client sent; undefined if a content coding makes it differ from the length of the parsed text. */
function sentLength({ headers }: IncomingMessage): number | undefined {
  if (headers['content-encoding'] !== undefined || headers['content-length'] === undefined) return undefined;
  return Number(headers['content-length']);
}

/**
 * Parsers may be set to read any type (`express.json({ type: '*\/*' })`), so a value may have several serializations.
 * The correct one has as many bytes as were received.
 */
function serialize(body: unknown, type: string, length: number | undefined): string | undefined {
  if (body === undefined || type.startsWith('multipart/')) return undefined;
  const isJson = type === 'application/json' || type.endsWith('+json');
  if (typeof body === 'string' && !isJson) return body;
  const json = JSON.stringify(body) as string | undefined;
  if (typeof body === 'string')
    return Buffer.byteLength(body) === length || isJsonText(body, json, length) ? body : json;
  if (type !== 'application/x-www-form-urlencoded' || typeof body !== 'object' || body === null) return json;
  const form = serializeForm(body);
  return json !== undefined && Buffer.byteLength(json) === length && form.length !== length ? json : form;
}

/**
 * Whether a string is the JSON text itself, as `express.text()` leaves it, and not the string that a JSON parser found.
 */
function isJsonText(text: string, json: string | undefined, length: number | undefined): boolean {
  if (json !== undefined && Buffer.byteLength(json) === length) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The new serialization is UTF-8, regardless of the original charset. */
function asUtf8(type: string): string {
  return type.replace(/;\s*charset\s*=\s*(?:"[^"]*"|[^;\s]*)/i, '; charset=utf-8');
}

/**
 * Nested values in brackets, as the extended form parsers read them: `a[b]=1`. A list of plain values repeats its name,
 * and every parser reads it as the same list. A list of a single value needs brackets to stay a list.
 */
function serializeForm(form: object): string {
  const pairs: string[] = [];
  const add = (name: string, value: unknown): void => {
    if (Array.isArray(value) && value.every((one) => typeof one !== 'object')) {
      const repeated = value.length === 1 ? `${name}[]` : name;
      for (const one of value) add(repeated, one);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, member] of Object.entries(value)) add(name === '' ? key : `${name}[${key}]`, member);
    } else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
    }
  };
  add('', form);
  return pairs.join('&');
}
