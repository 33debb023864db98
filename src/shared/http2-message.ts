/** Whether a message is one of HTTP/2, as the compatibility API of Node creates them, over TLS and in cleartext. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';

/** The version is a property of the request itself, and cheap to read. */
export function isHttp2(req: IncomingMessage): boolean {
  return req.httpVersionMajor === 2;
}

/** Asks its request, because a property that a response lacks costs up to a microsecond on Node 20 and 22. */
export function isHttp2Response(res: ServerResponse): boolean {
  const req = res.req as IncomingMessage | undefined; // a simulated response may have none
  return req !== undefined && isHttp2(req);
}

/** The stream of an HTTP/2 request. A simulated request may have none. */
export function requestStreamOf(req: IncomingMessage): ServerHttp2Stream | undefined {
  return isHttp2(req) ? streamOf(req) : undefined;
}

/** The stream of an HTTP/2 response. A simulated response may have none. */
export function responseStreamOf(res: ServerResponse): ServerHttp2Stream | undefined {
  return isHttp2Response(res) ? streamOf(res) : undefined;
}

function streamOf(message: object): ServerHttp2Stream | undefined {
  const { stream } = message as { stream?: Partial<ServerHttp2Stream> };
  return typeof stream?.id === 'number' ? (stream as ServerHttp2Stream) : undefined;
}
