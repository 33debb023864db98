/** An upgraded connection: bytes go both ways untouched, and either side's end ends both. */
import type { Duplex } from 'node:stream';

/** Two sockets that have become one. */
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
