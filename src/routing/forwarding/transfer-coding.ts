/** How the body of a request is framed. A mistake here would let one side read a body as the next request. */
import type { IncomingMessage } from 'node:http';
import { ResilienceError } from '../../shared/errors.js';
import { isHttp2 } from '../../shared/http2-message.js';

/** No body, a body of known length, or a chunked body. HTTP/2 without a length counts as chunked. */
export type Framing =
  { readonly kind: 'none' } | { readonly kind: 'length'; readonly length: number } | { readonly kind: 'chunked' };

const NONE: Framing = { kind: 'none' };
const CHUNKED: Framing = { kind: 'chunked' };

/**
 * How the body of a request is framed.
 *
 * @throws ResilienceError BAD_REQUEST for a transfer coding other than chunked alone, because it cannot be passed on
 *   unchanged. Also for one in HTTP/1.0, which counts as faulty framing (RFC 9112 §6.1), and for one together with a
 *   length (§6.3).
 */
export function requestFraming(req: IncomingMessage): Framing {
  const { headers, httpVersion } = req;
  const coding = headers['transfer-encoding'];
  const length = headers['content-length'];
  if (coding !== undefined) {
    if (httpVersion !== '1.1' || coding.trim().toLowerCase() !== 'chunked' || length !== undefined) {
      throw unframed('the transfer coding cannot be forwarded');
    }
    return CHUNKED;
  }
  if (length !== undefined) {
    if (!/^\d{1,15}$/.test(length)) throw unframed('the content length is invalid');
    return Number(length) === 0 ? NONE : { kind: 'length', length: Number(length) };
  }
  return isHttp2(req) && !endsWithHead(req) ? CHUNKED : NONE;
}

function endsWithHead(req: IncomingMessage): boolean {
  return (req as { stream?: { endAfterHeaders?: boolean } }).stream?.endAfterHeaders === true;
}

function unframed(message: string): ResilienceError {
  return new ResilienceError('BAD_REQUEST', message, { headers: { Connection: 'close' } });
}
