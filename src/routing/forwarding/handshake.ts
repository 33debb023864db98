/** The handshake of an upgrade: at an instance, and at another one when the first cannot be reached. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { startTimer, type Clock } from '../../shared/clock.js';
import type { Instance } from '../instance.js';
import type { IntelligentRouter } from '../intelligent-router.js';
import type { Route } from '../route.js';
import { judgeAnswer } from '../verdict.js';
import type { Forwarder } from './forwarder.js';
import { openNodeRequest } from './node-transport.js';
import { requestTarget } from './request-target.js';
import { closeWhenWritten, headLines, refuse } from './upgrade-answer.js';
import type { UpstreamOptions } from './upstream.js';
import { timeoutError, upstreamError } from './upstream-error.js';

export interface HandshakeOptions {
  readonly service: string;
  readonly router: IntelligentRouter;
  readonly forwarder: Forwarder;
  readonly clock: Clock;
  readonly attempts: number;
  /** Milliseconds until the instance has agreed. */
  readonly timeout: number;
  readonly upstream: UpstreamOptions;
}

/** Bytes a client may send ahead. */
const MAX_EARLY = 65_536;

export class Handshake {
  readonly #options: HandshakeOptions;
  readonly #req: IncomingMessage;
  readonly #socket: Duplex;
  /** What the client sends before the instance has agreed: read, or nobody would notice that it leaves. */
  readonly #early: Buffer[];
  #earlySize = 0;
  readonly #fields: string[];
  readonly #onUpgraded: (route: Route, upstream: Duplex) => void;
  readonly #tried = new Set<Instance>();
  #request: ClientRequest | undefined;
  #route: Route | undefined;
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
    socket: Duplex,
    head: Buffer,
    fields: string[],
    onUpgraded: (route: Route, upstream: Duplex) => void,
  ) {
    this.#options = options;
    this.#req = req;
    this.#socket = socket;
    this.#early = head.length > 0 ? [head] : [];
    this.#fields = fields;
    this.#onUpgraded = onUpgraded;
    this.#deadline = startTimer(options.clock, () => this.#timeOut(), options.timeout);
    socket.once('end', this.#onGone);
    socket.once('close', this.#onGone);
    socket.on('data', this.#onEarly);
  }

  start(route: Route): void {
    this.#route = route;
    this.#tried.add(route.instance);
    const { path } = requestTarget(this.#req);
    const { upstream } = this.#options;
    const request = openNodeRequest(route.target, upstream, { method: 'GET', path, headers: this.#fields });
    this.#request = request;
    request.once('upgrade', (response, socket, head) => this.#upgraded(route, response, socket, head));
    request.once('response', (response) => this.#rejected(route, response));
    request.once('error', (error) => this.#failed(route, request, error));
    request.end();
  }

  #upgraded(route: Route, response: IncomingMessage, upstream: Duplex, head: Buffer): void {
    if (!this.#finish()) {
      upstream.destroy();
      return;
    }
    route.answered('good');
    const { statusCode = 101, statusMessage = '', headers } = response;
    const extra = ['Connection: Upgrade', `Upgrade: ${headers.upgrade ?? this.#req.headers.upgrade ?? ''}`];
    this.#socket.write(headLines(statusCode, statusMessage, headers, extra), 'latin1');
    if (head.length > 0) this.#socket.write(head);
    for (const chunk of this.#early) upstream.write(chunk);
    this.#onUpgraded(route, upstream);
  }

  /** The instance said no, and why: that is the client's answer. */
  #rejected(route: Route, response: IncomingMessage): void {
    if (!this.#finish()) return;
    const { statusCode = 502, statusMessage = '', headers } = response;
    route.answered(judgeAnswer(statusCode, headers));
    this.#socket.write(headLines(statusCode, statusMessage, headers, ['Connection: close']), 'latin1');
    response.pipe(this.#socket);
    closeWhenWritten(this.#socket);
    response.once('error', () => this.#socket.destroy());
    response.once('close', () => route.end());
    this.#socket.once('close', () => response.destroy());
  }

  #failed(route: Route, request: ClientRequest, error: Error): void {
    if (this.#isOver || request !== this.#request) return;
    route.failed(error);
    route.end();
    const { router, service, attempts, forwarder } = this.#options;
    // A handshake changes nothing, and no byte of an answer came: another instance may be asked.
    const next =
      this.#tried.size < attempts ? router.acquire(service, forwarder.key(this.#req), this.#tried) : undefined;
    if (next !== undefined) this.start(next);
    else if (this.#finish()) refuse(this.#socket, upstreamError(service, error));
  }

  #timeOut(): void {
    const route = this.#route;
    if (!this.#finish()) return;
    route?.failed();
    route?.end();
    this.#request?.destroy();
    refuse(this.#socket, timeoutError(this.#options.service));
  }

  #giveUp(): void {
    const route = this.#route;
    if (!this.#finish()) return;
    route?.end();
    this.#request?.destroy();
    this.#socket.destroy();
  }

  /** Whether this ends it: the first of answer, failure, deadline and the client's leaving does. */
  #finish(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#deadline.cancel();
    this.#socket.off('end', this.#onGone);
    this.#socket.off('close', this.#onGone);
    this.#socket.off('data', this.#onEarly);
    this.#socket.pause(); // whoever reads on begins where this ended
    return true;
  }
}
