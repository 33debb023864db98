/** How a request's body is framed, where a mistake would let one side read a body as the next request. */
import type { IncomingMessage } from 'node:http';
import { ResilienceError } from '../../shared/errors.js';

/**
 * Whether the body comes in chunks.
 *
 * @throws ResilienceError BAD_REQUEST for any coding but chunked alone, which cannot be passed on as it is, and for one in
 *   HTTP/1.0, whose framing counts as faulty (RFC 9112 §6.1)
 */
export function isChunked({ headers, httpVersion }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return false;
  if (httpVersion !== '1.0' && coding.trim().toLowerCase() === 'chunked') return true;
  throw new ResilienceError('BAD_REQUEST', 'the transfer coding cannot be forwarded', {
    headers: { Connection: 'close' },
  });
}
