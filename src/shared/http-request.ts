/** Requests between the parts of a fleet (health checks, purges, messages), with Node's own client: nothing to install. */
import { request as requestHttp, type Agent, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { ResilienceError } from './errors.js';
import { nodeModule } from './node-modules.js';

/** The parts of a request other than its URL. */
export interface HttpRequestOptions {
  /** Default 'GET'. */
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
  /** The agent for the scheme of the URL; false: a new connection. Default: that of Node, which keeps connections open. */
  readonly agent?: Agent | false | undefined;
  /** Ends the request, and the response if it has begun. */
  readonly signal: AbortSignal;
}

/**
 * Sends one request, without redirects and without a proxy from the environment: the instance itself must respond. Resolves
 * with the head of the response; the body must be read or destroyed.
 *
 * @param url an http or https URL
 * @throws Error with Node's `code`, for example ECONNREFUSED; an AbortError when the signal aborts first
 */
export function sendRequest(url: string, options: HttpRequestOptions): Promise<IncomingMessage> {
  const { method = 'GET', headers = {}, body, agent, signal } = options;
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? nodeModule('node:https').request : requestHttp;
    const sent = send(url, { method, headers, signal, ...(agent !== undefined && { agent }) });
    sent.once('response', resolve);
    sent.on('error', reject); // after the head, too, where the body reports it
    sent.end(body);
  });
}

/**
 * The whole body.
 *
 * @throws ResilienceError UPSTREAM_INVALID above `maxBytes`; the error of the stream if it breaks off
 */
export async function readBody(stream: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Leaving the loop destroys the stream.
    if (size > maxBytes) throw new ResilienceError('UPSTREAM_INVALID', `the body is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
