/**
 * Upgrades (WebSocket and any other protocol, RFC 9110 §7.8). The handshake goes to an instance. After it, bytes pass
 * unchanged in both directions until either side ends.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Instance } from '../instance.js';
import type { Route } from '../route.js';
import type { Forwarder } from './forwarder.js';
import { Handshake, type HandshakeOptions } from './handshake.js';
import type { Door } from './incoming.js';
import { Tunnel } from './tunnel.js';
import { refuse } from './upgrade-answer.js';
import { noTargetError } from './upstream-error.js';

export interface UpgradeOptions extends HandshakeOptions {
  readonly door: Door;
  readonly forwarder: Forwarder;
  /** The most upgraded connections open at once. Further ones are rejected with 503. */
  readonly maxUpgraded: number;
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

  /** The number of open connections. */
  get open(): number {
    return this.#tunnels.size;
  }

  /** Takes over an upgrade request from the 'upgrade' event of a server. Never throws. */
  forward(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => undefined); // 'close' follows
    try {
      const { maxUpgraded, forwarder, door } = this.#options;
      const prepared = door.admit(req, undefined);
      if (this.#tunnels.size >= maxUpgraded) throw noTargetError(prepared.service);
      const route = forwarder.route(req, prepared);
      if (route === undefined) throw noTargetError(prepared.service);
      new Handshake(this.#options, req, prepared, socket, head, (upgraded, upstream) =>
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
}
