/**
 * Upgrades (WebSocket and whatever else, RFC 9110 §7.8): the handshake goes to an instance, and from then on bytes go
 * both ways untouched until either side ends.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { ResilienceError } from '../../shared/errors.js';
import type { Instance } from '../instance.js';
import type { Route } from '../route.js';
import { FORWARDED_FIELDS } from './forwarded.js';
import { Handshake, type HandshakeOptions } from './handshake.js';
import { attemptFields } from './headers.js';
import { Tunnel } from './tunnel.js';
import { refuse } from './upgrade-answer.js';
import { noTargetError } from './upstream-error.js';

export interface UpgradeOptions extends HandshakeOptions {
  /** Upgraded connections open at once; further ones are refused with 503. */
  readonly maxUpgraded: number;
}

const NOT_FORWARDED: ReadonlySet<string> = new Set([...FORWARDED_FIELDS, 'content-length', 'expect']);

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
