/** Answers on a socket that an upgrade request came on: Node has handed it over, so they are written as bytes. */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { ResilienceError } from '../../shared/errors.js';
import { problem } from '../../shared/problem.js';
import { eachEndToEndField, type ResponseFields } from './headers.js';

/** The head of a response: what passes on of these fields, and some of its own. */
export function headLines(
  status: number,
  statusText: string,
  headers: ResponseFields,
  extra: readonly string[],
): string {
  const lines = [`HTTP/1.1 ${status} ${statusText || (STATUS_CODES[status] ?? '')}`];
  eachEndToEndField(headers, (name, value) => {
    for (const one of typeof value === 'string' ? [value] : value) lines.push(`${name}: ${one}`);
  });
  return `${[...lines, ...extra].join('\r\n')}\r\n\r\n`;
}

/** Answers an upgrade request that cannot be forwarded, and closes its connection. */
export function refuse(socket: Duplex, error: unknown): void {
  const known = ResilienceError.is(error) ? error : new ResilienceError('INTERNAL', 'the upgrade failed');
  const body = JSON.stringify(problem(known.code, known.code === 'INTERNAL' ? undefined : known.message));
  const fields: Record<string, string> = {
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(body)),
    ...(known.retryAfter !== undefined && { 'Retry-After': String(Math.ceil(known.retryAfter)) }),
  };
  socket.end(headLines(known.status, '', fields, ['Connection: close']) + body);
  closeWhenWritten(socket);
}

/** Nothing more is wanted from the client: what it still sends is read, so that closing does not discard the answer. */
export function closeWhenWritten(socket: Duplex): void {
  socket.resume();
  socket.once('finish', () => socket.destroy());
}
