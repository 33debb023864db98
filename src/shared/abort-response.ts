/** Aborts a response so that the client cannot mistake the part it received for the whole. */
import type { ServerResponse } from 'node:http';
import { responseStreamOf } from './http2-message.js';

/** NGHTTP2_INTERNAL_ERROR. Node's default for a destroyed stream is NO_ERROR, which RFC 9113 §8.1 allows after a whole response. */
const INTERNAL_ERROR = 2;

/** HTTP/1.1: destroys the connection. HTTP/2: resets the stream, a moment later. */
export function abortResponse(res: ServerResponse): void {
  const stream = responseStreamOf(res);
  if (stream === undefined) res.destroy();
  else afterFrame(() => stream.close(INTERNAL_ERROR));
}

/**
 * Runs work that sends HTTP/2 frames by itself: resetting a stream, destroying a session. Node runs handlers, and the
 * promises they settle, while nghttp2 still reads a frame. If nghttp2 sends a reset at that time, it frees a stream that it
 * is reading. Two resets in one such moment end a process on Node 20.20.2 (nodejs/node#64113, which reports 22.23.1; not
 * seen with 22.23.3 and 24.21.0). One client can cause that.
 */
export function afterFrame(work: () => void): void {
  setImmediate(work);
}
