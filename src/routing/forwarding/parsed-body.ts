/** A body that a parser in front has read already: written down again, because the stream is empty. */
import type { IncomingMessage } from 'node:http';
import { ResilienceError } from '../../shared/errors.js';

/** Fields that describe the bytes as they came, not as they are written again. */
export const BODY_FIELDS: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-md5',
  'digest',
  'content-digest',
]);

/**
 * The bytes of a body that was parsed into `req.body`; undefined when nothing has read it.
 *
 * @throws ResilienceError NOT_CONFIGURED when what was read cannot be written again (e.g. multipart)
 */
export function serializeParsedBody(req: IncomingMessage): Buffer | undefined {
  if (!req.readableEnded) return undefined;
  const { body, rawBody } = req as { body?: unknown; rawBody?: unknown };
  if (Buffer.isBuffer(rawBody)) return rawBody;
  if (Buffer.isBuffer(body)) return body;
  if (typeof body === 'string') return Buffer.from(body);
  const type = (req.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (body !== undefined && (type === 'application/json' || type.endsWith('+json'))) {
    return Buffer.from(JSON.stringify(body));
  }
  if (typeof body === 'object' && body !== null && type === 'application/x-www-form-urlencoded') {
    return Buffer.from(serializeForm(body));
  }
  throw new ResilienceError(
    'NOT_CONFIGURED',
    'proxyBalanced: the body was consumed by a parser and cannot be forwarded; mount the proxy before the parser',
  );
}

/** Nested values in brackets, as the extended form parsers read them: `a[b]=1&a[c][0]=2`. */
function serializeForm(form: object): string {
  const pairs: string[] = [];
  const add = (name: string, value: unknown): void => {
    if (typeof value === 'object' && value !== null) {
      for (const [key, member] of Object.entries(value)) add(name === '' ? key : `${name}[${key}]`, member);
    } else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
    }
  };
  add('', form);
  return pairs.join('&');
}
