/** An upgraded connection. Bytes pass unchanged in both directions, and the end of either side ends both. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * Milliseconds of silence after which the system checks whether a peer is still there, so that a lost peer frees its
 * place.
 */
const KEEPALIVE_DELAY = 30_000;

/** Two connected sockets. */
export class Tunnel {
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
      (from as Partial<Socket>).setKeepAlive?.(true, KEEPALIVE_DELAY);
      from.pipe(to, { end: false });
      from.on('error', () => undefined); // 'close' follows
      from.once('end', () => this.end());
      from.once('close', () => this.end());
    }
  }

  /** Ends both sides after writing the bytes already received for each. */
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
