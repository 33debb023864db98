/** Requests that undici cannot send, through Node's own client: `Expect: 100-continue`, trailers, upgrades. */
import { request as requestHttp, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Target } from '../target.js';
import { trailerFields } from './headers.js';
import { tlsConnectOptions, type UpstreamCall, type UpstreamOptions, type UpstreamRequest } from './upstream.js';

/** Opens a request on a connection of its own. */
export function openNodeRequest(
  target: Target,
  { maxHeaderSize, tls, connectTimeout }: Pick<UpstreamOptions, 'maxHeaderSize' | 'tls' | 'connectTimeout'>,
  { method, path, headers }: Pick<UpstreamRequest, 'method' | 'path' | 'headers'>,
): ClientRequest {
  const options: RequestOptions = {
    host: target.host,
    port: target.port,
    method,
    path,
    // Node takes raw fields as they are, repeated ones included.
    headers: headers,
    agent: false,
    maxHeaderSize,
    setHost: false,
    insecureHTTPParser: false,
  };
  const open = target.protocol === 'https' ? requestHttps : requestHttp;
  const request = open({ ...options, ...tlsConnectOptions(target, tls) });
  request.setNoDelay(true);
  request.once('socket', (socket) => {
    socket.setTimeout(connectTimeout);
    socket.once('timeout', () => {
      request.destroy(Object.assign(new Error('the connection took too long'), { code: 'ETIMEDOUT' }));
    });
    socket.once(connectEvent(target), () => socket.setTimeout(0));
  });
  return request;
}

/** undici's view of a request in flight, for one that goes through Node's client. */
class NodeController implements Dispatcher.DispatchController {
  readonly #request: ClientRequest;
  response: IncomingMessage | undefined;
  paused = false;
  aborted = false;
  reason: Error | null = null;

  constructor(request: ClientRequest) {
    this.#request = request;
  }

  abort(reason: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#request.destroy(reason);
  }

  pause(): void {
    this.paused = true;
    this.response?.pause();
  }

  resume(): void {
    this.paused = false;
    this.response?.resume();
  }
}

/** Sends a request and tells the call of it as undici would. */
export function sendThroughNode(
  target: Target,
  options: UpstreamOptions,
  upstreamRequest: UpstreamRequest,
  call: UpstreamCall,
): void {
  const request = openNodeRequest(target, options, { ...upstreamRequest, headers: framedFields(upstreamRequest) });
  const controller = new NodeController(request);
  let isOver = false;
  const fail = (error: Error): void => {
    if (isOver) return;
    isOver = true;
    call.onResponseError(controller, controller.reason ?? error);
  };
  request.once('socket', (socket) => {
    socket.once(connectEvent(target), () => {
      if (!controller.aborted) call.onRequestStart(controller, {});
    });
  });
  request.once('continue', () => {
    call.onContinue();
    sendBody(request, upstreamRequest, fail);
  });
  request.on('information', ({ statusCode, headers, statusMessage }) => {
    if (statusCode !== 100) call.onResponseStart(controller, statusCode, headers, statusMessage);
  });
  request.once('response', (response) => {
    controller.response = response;
    response.pause(); // until the call has seen the head
    response.on('data', (chunk: Buffer) => call.onResponseData(controller, chunk));
    response.once('error', fail);
    response.once('end', () => {
      if (isOver) return;
      isOver = true;
      call.onResponseEnd(controller, response.trailers);
      request.destroy(); // the upstream may have answered before it had the whole body
    });
    call.onResponseStarted();
    call.onResponseStart(controller, response.statusCode!, response.headers, response.statusMessage);
    if (!controller.paused) response.resume();
  });
  request.once('error', fail);
  request.once('close', () => fail(Object.assign(new Error('the connection closed'), { code: 'ECONNRESET' })));
  if (upstreamRequest.expectContinue) request.flushHeaders();
  else sendBody(request, upstreamRequest, fail);
}

export function connectEvent({ protocol }: Target): 'connect' | 'secureConnect' {
  return protocol === 'https' ? 'secureConnect' : 'connect';
}

/** The fields with those that say how the body ends: as it came, by its length or in chunks. */
function framedFields({ headers, body, expectContinue }: UpstreamRequest): string[] {
  const fields = expectContinue ? [...headers, 'Expect', '100-continue'] : [...headers];
  const hasLength = fields.some((field, i) => i % 2 === 0 && field.toLowerCase() === 'content-length');
  if (body instanceof Readable && !hasLength) fields.push('Transfer-Encoding', 'chunked');
  return fields;
}

function sendBody(request: ClientRequest, { body, trailers }: UpstreamRequest, fail: (error: Error) => void): void {
  if (!(body instanceof Readable)) {
    request.end(body ?? undefined);
    return;
  }
  body.on('data', (chunk: Buffer) => {
    if (!request.write(chunk)) body.pause();
  });
  request.on('drain', () => body.resume());
  body.once('error', fail);
  body.once('end', () => {
    request.addTrailers(trailerFields(trailers?.() ?? {}));
    request.end();
  });
}
