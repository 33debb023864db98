/** Responses on the socket of an upgrade request. Node has handed the socket over, so they are written as bytes. */
import type { Duplex } from 'node:stream';
import { ResilienceError } from '../../shared/errors.js';
import { problem } from '../../shared/problem.js';
import { headLines } from './answer-head.js';

/** Responds to an upgrade request that cannot be forwarded, and closes its connection. */
export function refuse(socket: Duplex, error: unknown): void {
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const known = ResilienceError.is(error) ? error : new ResilienceError('INTERNAL', 'the upgrade failed');
  const body = JSON.stringify(problem(known.code, known.code === 'INTERNAL' ? undefined : known.message));
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    ...(known.retryAfter !== undefined && { 'retry-after': String(Math.ceil(known.retryAfter)) }),
  };
  socket.end(headLines({ status: known.status, statusText: '', headers }, ['Connection: close']) + body);
  closeWhenWritten(socket);
}

/**
 * The client is not expected to send more. Its remaining bytes are read, so that closing does not discard the response.
 */
export function closeWhenWritten(socket: Duplex): void {
  socket.resume();
  socket.once('finish', () => socket.destroy());
}
