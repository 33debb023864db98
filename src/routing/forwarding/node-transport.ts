/** Sends requests that undici cannot send through Node's own client: `Expect: 100-continue`, trailers, upgrades. */
import { request as requestHttp, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { startTimer, monotonicClock, type Timer } from '../../shared/clock.js';
import { nodeModule } from '../../shared/node-modules.js';
import type { Target } from '../target.js';
import { fieldsOf } from './raw-fields.js';
import { connectEvent, tlsConnectOptions } from './tls.js';
import type { UpstreamCall, UpstreamOptions, UpstreamRequest } from './upstream-call.js';

/** Milliseconds a body is held back if the instance does not say whether it wants it (RFC 9110 §10.1.1). */
const CONTINUE_TIMEOUT = 1000;

/**
 * Opens a request on its own connection.
 *
 * @throws the error of Node for a request that it refuses to write
 */
export function openNodeRequest(
  target: Target,
  { maxHeaderSize, tls, connectTimeout }: Pick<UpstreamOptions, 'maxHeaderSize' | 'tls' | 'connectTimeout'>,
  { method, path, headers }: Pick<UpstreamRequest, 'method' | 'path' | 'headers'>,
): ClientRequest {
  const options: RequestOptions = {
    ...(target.socketPath === undefined ? { host: target.host, port: target.port } : { socketPath: target.socketPath }),
    method,
    path,
    headers, // Node takes raw fields as they are, repeated ones included
    agent: false,
    maxHeaderSize,
    setHost: false,
    insecureHTTPParser: false,
  };
  const open = target.protocol === 'https' ? nodeModule('node:https').request : requestHttp;
  const request = open({ ...options, ...tlsConnectOptions(target, tls) });
  request.setNoDelay(true);
  request.once('socket', (socket) => {
    socket.setDefaultEncoding('latin1'); // a head that Node sends alone would be UTF-8
    socket.setTimeout(connectTimeout);
    socket.once('timeout', () => {
      request.destroy(Object.assign(new Error('the connection took too long'), { code: 'ETIMEDOUT' }));
    });
    socket.once(connectEvent(target), () => socket.setTimeout(0));
  });
  return request;
}

/** The view of a request that undici's handlers expect, for a request that uses Node's client. */
class NodeController implements Dispatcher.DispatchController {
  readonly #request: ClientRequest;
  response: IncomingMessage | undefined;
  paused = false;
  aborted = false;
  reason: Error | null = null;

  constructor(request: ClientRequest) {
    this.#request = request;
  }

  get rawHeaders(): string[] | null {
    return this.response?.rawHeaders ?? null;
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

/**
 * Sends a request and reports to the call as undici would. Never throws. If Node refuses to send the request,
 * `onResponseError` is called in the next microtask, as for any failed connection.
 */
export function sendThroughNode(
  target: Target,
  options: UpstreamOptions,
  call: UpstreamCall,
  sent: UpstreamRequest,
): void {
  let request: ClientRequest | undefined;
  try {
    request = openNodeRequest(target, options, { ...sent, headers: framedFields(sent) });
    new NodeExchange(request, target, call, sent).start();
  } catch (error) {
    request?.on('error', () => undefined).destroy();
    queueMicrotask(() => call.onResponseError(undefined as never, refusedByNode(error)));
  }
}

/** None of it was sent, and another instance would not change that. */
function refusedByNode(error: unknown): Error {
  return Object.assign(new Error('Node does not send this request', { cause: error }), { code: 'UND_ERR_INVALID_ARG' });
}

/** One request through Node's client, from its connection to its last byte. */
class NodeExchange {
  readonly #request: ClientRequest;
  readonly #target: Target;
  readonly #call: UpstreamCall;
  readonly #sent: UpstreamRequest;
  readonly #controller: NodeController;
  #continueTimer: Timer | undefined;
  #isOver = false;

  constructor(request: ClientRequest, target: Target, call: UpstreamCall, sent: UpstreamRequest) {
    this.#request = request;
    this.#target = target;
    this.#call = call;
    this.#sent = sent;
    this.#controller = new NodeController(request);
  }

  start(): void {
    const request = this.#request;
    request.once('socket', (socket) => {
      socket.once(connectEvent(this.#target), () => {
        if (this.#controller.aborted) return;
        this.#call.onRequestStart(this.#controller, {});
        if (this.#sent.expectContinue) this.#awaitContinue();
      });
    });
    request.on('continue', () => this.#continue());
    request.on('information', ({ statusCode, rawHeaders, statusMessage }) => {
      if (statusCode === 100) return;
      this.#call.onResponseStart(this.#controller, statusCode, fieldsOf(rawHeaders), statusMessage);
    });
    request.once('response', (response) => this.#answered(response));
    request.on('error', (error) => this.#fail(error)); // Node may emit several
    request.once('close', () => {
      this.#fail(Object.assign(new Error('the connection closed'), { code: 'ECONNRESET' }));
    });
    if (this.#sent.expectContinue) request.flushHeaders();
    else this.#sendBody();
  }

  #awaitContinue(): void {
    this.#continueTimer = startTimer(monotonicClock, () => this.#continue(), CONTINUE_TIMEOUT);
  }

  #continue(): void {
    if (!this.#sent.expectContinue || this.#isOver || this.#controller.response !== undefined) return;
    if (this.#continueTimer === undefined) return;
    this.#continueTimer.cancel();
    this.#continueTimer = undefined;
    this.#call.onContinue();
    this.#sendBody();
  }

  #answered(response: IncomingMessage): void {
    const call = this.#call;
    this.#continueTimer?.cancel();
    this.#controller.response = response;
    response.pause(); // until the call has seen the head
    response.on('data', (chunk: Buffer) => call.onResponseData(this.#controller, chunk));
    response.on('error', (error) => this.#fail(error));
    response.once('end', () => {
      if (this.#isOver) return;
      this.#isOver = true;
      call.onResponseEnd(this.#controller, fieldsOf(response.rawTrailers));
      this.#request.destroy(); // the upstream may have answered before it had the whole body
    });
    call.onResponseStarted();
    const { statusCode, rawHeaders, statusMessage } = response;
    call.onResponseStart(this.#controller, statusCode!, fieldsOf(rawHeaders), statusMessage);
    if (!this.#controller.paused) response.resume();
  }

  #fail(error: Error): void {
    this.#continueTimer?.cancel();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#call.onResponseError(this.#controller, this.#controller.reason ?? error);
  }

  #sendBody(): void {
    const { body, trailers } = this.#sent;
    const request = this.#request;
    if (!(body instanceof Readable)) {
      request.end(body ?? undefined);
      return;
    }
    body.on('data', (chunk: Buffer) => {
      if (!request.write(chunk)) body.pause();
    });
    request.on('drain', () => body.resume());
    body.on('error', (error) => this.#fail(error));
    body.once('close', () => {
      // The body was taken away before its end, so the instance must not mistake the part it received for the whole.
      if (!body.readableEnded) request.destroy();
    });
    body.once('end', () => {
      try {
        if (trailers !== undefined) request.addTrailers(trailers());
        request.end();
      } catch (error) {
        request.destroy(refusedByNode(error));
      }
    });
  }
}

/** The fields with those that announce the end of the body: its length, which is present already, or chunks. */
function framedFields({ headers, body, isChunked, expectContinue }: UpstreamRequest): string[] {
  const fields = expectContinue ? [...headers, 'Expect', '100-continue'] : [...headers];
  if (body instanceof Readable && isChunked) fields.push('Transfer-Encoding', 'chunked');
  return fields;
}
