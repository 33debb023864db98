/** The handshake of an upgrade: at one instance, and at another one if the first cannot be reached. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Transform, type Duplex } from 'node:stream';
import { startTimer, type Clock } from '../../shared/clock.js';
import type { Instance } from '../instance.js';
import type { IntelligentRouter } from '../intelligent-router.js';
import type { Route } from '../route.js';
import { judgeAnswer } from '../verdict.js';
import { checkHead, headLines, isBodiless } from './answer-head.js';
import { attemptFields } from './headers.js';
import type { PreparedRequest } from './incoming.js';
import { isIdempotent, isSafe } from './methods.js';
import { openNodeRequest } from './node-transport.js';
import { fieldsOf } from './raw-fields.js';
import { connectEvent } from './tls.js';
import { closeWhenWritten, refuse } from './upgrade-answer.js';
import type { UpstreamOptions } from './upstream-call.js';
import { isConnectionLost, timeoutError, upstreamError } from './upstream-error.js';
import { fieldsAt, pathAt } from './upstream-request.js';

export interface HandshakeOptions {
  readonly router: IntelligentRouter;
  readonly clock: Clock;
  readonly attempts: number;
  readonly upstream: UpstreamOptions;
}

/** The most bytes that a client may send before the handshake is complete. */
const MAX_EARLY = 65_536;

export class Handshake {
  readonly #options: HandshakeOptions;
  readonly #req: IncomingMessage;
  readonly #prepared: PreparedRequest;
  readonly #socket: Duplex;
  /**
   * The bytes that the client sends before the instance has agreed. They are read, because otherwise this proxy would
   * not notice that the client disconnects.
   */
  readonly #early: Buffer[];
  #earlySize = 0;
  readonly #onUpgraded: (route: Route, upstream: Duplex) => void;
  readonly #tried = new Set<Instance>();
  #request: ClientRequest | undefined;
  #route: Route | undefined;
  /** Whether the request was written to a connection. */
  #wasSent = false;
  #isOver = false;
  readonly #onGone = (): void => this.#giveUp();
  readonly #onEarly = (chunk: Buffer): void => {
    this.#early.push(chunk);
    this.#earlySize += chunk.length;
    if (this.#earlySize > MAX_EARLY) this.#socket.pause();
  };
  readonly #deadline;

  constructor(
    options: HandshakeOptions,
    req: IncomingMessage,
    prepared: PreparedRequest,
    socket: Duplex,
    head: Buffer,
    onUpgraded: (route: Route, upstream: Duplex) => void,
  ) {
    this.#options = options;
    this.#req = req;
    this.#prepared = prepared;
    this.#socket = socket;
    this.#early = head.length > 0 ? [head] : [];
    this.#onUpgraded = onUpgraded;
    this.#deadline = startTimer(options.clock, () => this.#timeOut(), prepared.timeout);
    socket.once('end', this.#onGone);
    socket.once('close', this.#onGone);
    socket.on('data', this.#onEarly);
  }

  /** Tries an instance. Never throws. */
  start(route: Route): void {
    this.#route = route;
    this.#tried.add(route.instance);
    this.#guarded(() => {
      const { target } = route;
      const { method, path, fields, changesOrigin } = this.#prepared;
      const protocol = ['Connection', 'Upgrade', 'Upgrade', this.#req.headers.upgrade ?? ''];
      const headers = [...fieldsAt(target, attemptFields(fields, undefined, this.#req), changesOrigin), ...protocol];
      const request = openNodeRequest(target, this.#options.upstream, { method, path: pathAt(target, path), headers });
      this.#request = request;
      this.#wasSent = false;
      request.once('socket', (socket) => socket.once(connectEvent(target), () => (this.#wasSent = true)));
      request.once('upgrade', (response, socket, head) => {
        socket.on('error', () => undefined); // 'close' follows
        this.#guarded(() => this.#upgraded(route, response, socket, head), socket);
      });
      request.once('response', (response) => this.#guarded(() => this.#rejected(route, response), response));
      request.on('error', (error) => this.#guarded(() => this.#failed(route, request, error)));
      request.end();
    });
  }

  /** An exception ends this handshake alone. */
  #guarded(step: () => void, upstream?: { destroy(): unknown }): void {
    try {
      step();
    } catch (error) {
      upstream?.destroy();
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const route = this.#route;
    this.#finish();
    route?.end();
    this.#request?.on('error', () => undefined).destroy();
    refuse(this.#socket, error);
  }

  #upgraded(route: Route, response: IncomingMessage, upstream: Duplex, head: Buffer): void {
    if (this.#isOver) {
      upstream.destroy();
      return;
    }
    const checked = this.#checked(route, response);
    this.#finish();
    route.answered('good');
    const extra = ['Connection: Upgrade', `Upgrade: ${response.headers.upgrade ?? this.#req.headers.upgrade ?? ''}`];
    this.#socket.write(headLines(checked, extra), 'latin1');
    if (head.length > 0) this.#socket.write(head);
    for (const chunk of this.#early) upstream.write(chunk);
    this.#onUpgraded(route, upstream);
  }

  /** The instance rejected the upgrade with a response, which goes to the client. */
  #rejected(route: Route, response: IncomingMessage): void {
    if (this.#isOver) {
      response.destroy();
      return;
    }
    const checked = this.#checked(route, response);
    this.#finish();
    route.answered(judgeAnswer(checked.status, checked.headers));
    // In chunks where its length is not known: an end that only the connection marks could not look truncated.
    const hasChunks =
      !isBodiless(checked.status) && this.#req.method !== 'HEAD' && checked.headers['content-length'] === undefined;
    const framing = hasChunks ? ['Transfer-Encoding: chunked'] : [];
    this.#socket.write(headLines(checked, [...framing, 'Connection: close']), 'latin1');
    (hasChunks ? response.pipe(chunks()) : response).pipe(this.#socket);
    closeWhenWritten(this.#socket);
    response.setTimeout(this.#prepared.timeout, () => response.destroy());
    response.on('error', () => this.#socket.destroy());
    response.once('close', () => {
      route.end();
      if (!response.complete) this.#socket.destroy(); // a truncated response must look truncated
    });
    // Node's server keeps a connection half open after the client has closed it.
    this.#socket.once('end', () => this.#socket.destroy());
    this.#socket.once('close', () => response.destroy());
  }

  #checked(
    route: Route,
    { statusCode = 0, statusMessage = '', rawHeaders }: IncomingMessage,
  ): ReturnType<typeof checkHead> {
    try {
      return checkHead(statusCode, statusMessage, fieldsOf(rawHeaders));
    } catch (error) {
      route.failed(error);
      throw upstreamError(this.#prepared.service, error);
    }
  }

  #failed(route: Route, request: ClientRequest, error: Error): void {
    if (this.#isOver || request !== this.#request) return;
    route.failed(error);
    route.end();
    const { router, attempts } = this.#options;
    const { service, key } = this.#prepared;
    const mayTryNext = this.#tried.size < attempts && this.#mayResend(error);
    const next = mayTryNext ? router.acquire(service, key, this.#tried) : undefined;
    if (next !== undefined) this.start(next);
    else this.#fail(upstreamError(service, error));
  }

  /** An instance may take the request for one without an upgrade, so that its method decides, as for any other. */
  #mayResend(error: Error): boolean {
    const { method } = this.#prepared;
    return !this.#wasSent || isSafe(method) || (isIdempotent(method) && isConnectionLost(error));
  }

  #timeOut(): void {
    if (this.#isOver) return;
    this.#route?.failed();
    this.#fail(timeoutError(this.#prepared.service));
  }

  #giveUp(): void {
    if (this.#isOver) return;
    const route = this.#route;
    this.#finish();
    route?.end();
    this.#request?.on('error', () => undefined).destroy();
    this.#socket.destroy();
  }

  /** The first of these ends it: a response, a failure, the deadline or the disconnection of the client. */
  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadline.cancel();
    this.#socket.off('end', this.#onGone);
    this.#socket.off('close', this.#onGone);
    this.#socket.off('data', this.#onEarly);
    this.#socket.pause(); // the next reader begins where this one ended
  }
}

/** Frames what passes as chunks. */
function chunks(): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      this.push(`${chunk.length.toString(16)}\r\n`);
      this.push(chunk);
      done(null, '\r\n');
    },
    flush(done) {
      done(null, '0\r\n\r\n');
    },
  });
}
