/**
 * Upgrades (WebSocket and whatever else, RFC 9110 §7.8): the handshake goes to an instance, and from then on bytes go
 * both ways untouched until either side ends.
 */
import { STATUS_CODES, type ClientRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { startTimer, type Clock } from '../../shared/clock.js';
import { ResilienceError } from '../../shared/errors.js';
import { problem } from '../../shared/problem.js';
import type { Instance } from '../instance.js';
import type { IntelligentRouter } from '../intelligent-router.js';
import type { Route } from '../route.js';
import type { Forwarder } from './forwarder.js';
import { FORWARDED_FIELDS } from './forwarded.js';
import { attemptFields, eachEndToEndField, type ResponseFields } from './headers.js';
import { openNodeRequest } from './node-transport.js';
import { requestTarget } from './request-target.js';
import type { UpstreamOptions } from './upstream.js';
import { noTargetError, timeoutError, upstreamError } from './upstream-error.js';

export interface UpgradeOptions {
  readonly service: string;
  readonly router: IntelligentRouter;
  readonly forwarder: Forwarder;
  readonly clock: Clock;
  readonly attempts: number;
  /** Milliseconds until the instance has agreed. */
  readonly timeout: number;
  readonly upstream: UpstreamOptions;
  /** Upgraded connections open at once; further ones are refused with 503. */
  readonly maxUpgraded: number;
}

/** Two sockets that have become one. */
class Tunnel {
  readonly #client: Duplex;
  readonly #upstream: Duplex;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(client: Duplex, upstream: Duplex, onClose: () => void) {
    this.#client = client;
    this.#upstream = upstream;
    this.#onClose = onClose;
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.pipe(to, { end: false });
      from.on('error', () => undefined); // 'close' follows
      from.once('end', () => this.end());
      from.once('close', () => this.end());
    }
  }

  /** Ends both sides, after what was already received for each is written. */
  end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const socket of [this.#client, this.#upstream]) {
      if (socket.destroyed) continue;
      socket.end(() => socket.destroy());
    }
    this.#onClose();
  }

  /** Ends both sides now. */
  destroy(): void {
    this.#client.destroy();
    this.#upstream.destroy();
    this.end();
  }
}

export class UpgradeForwarder {
  readonly #options: UpgradeOptions;
  readonly #tunnels = new Map<Tunnel, Instance>();
  readonly #stopListening: () => void;

  constructor(options: UpgradeOptions) {
    this.#options = options;
    this.#stopListening = options.router.onTargetChange(({ instance, state }) => {
      if (state !== 'draining' && state !== 'removed') return;
      for (const [tunnel, used] of [...this.#tunnels]) if (used === instance) tunnel.end();
    });
  }

  /** Connections open. */
  get open(): number {
    return this.#tunnels.size;
  }

  /** Takes an upgrade request over, as a server's 'upgrade' event gives it. */
  forward(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => undefined); // 'close' follows
    try {
      const { service, maxUpgraded, forwarder } = this.#options;
      if (this.#tunnels.size >= maxUpgraded) throw noTargetError(service);
      const fields = this.#fields(req);
      const route = forwarder.route(req, forwarder.key(req));
      if (route === undefined) throw noTargetError(service);
      new Handshake(this.#options, req, socket, head, fields, (upgraded, upstream) =>
        this.#join(socket, upstream, upgraded),
      ).start(route);
    } catch (error) {
      refuse(socket, error);
    }
  }

  /** Ends every connection. */
  close(): void {
    this.#stopListening();
    for (const tunnel of [...this.#tunnels.keys()]) tunnel.destroy();
  }

  #join(client: Duplex, upstream: Duplex, route: Route): void {
    const tunnel = new Tunnel(client, upstream, () => {
      this.#tunnels.delete(tunnel);
      route.end();
    });
    this.#tunnels.set(tunnel, route.instance);
  }

  #fields(req: IncomingMessage): string[] {
    const { headers } = req;
    if (Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined) {
      // Its body would be taken for the first bytes of the new protocol by one side and not by the other.
      throw new ResilienceError('BAD_REQUEST', 'an upgrade request must not have a body');
    }
    const fields = attemptFields(this.#options.forwarder.fields(req, NOT_FORWARDED), undefined);
    return [...fields, 'Connection', 'Upgrade', 'Upgrade', headers.upgrade ?? ''];
  }
}

const NOT_FORWARDED: ReadonlySet<string> = new Set([...FORWARDED_FIELDS, 'content-length', 'expect']);

/** Bytes a client may send ahead. */
const MAX_EARLY = 65_536;

/** One handshake, at another instance when the first cannot be reached. */
class Handshake {
  readonly #options: UpgradeOptions;
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
    options: UpgradeOptions,
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
    route.answered(true);
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
    route.answered(statusCode < 500);
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

function headLines(status: number, statusText: string, headers: ResponseFields, extra: readonly string[]): string {
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
function closeWhenWritten(socket: Duplex): void {
  socket.resume();
  socket.once('finish', () => socket.destroy());
}
