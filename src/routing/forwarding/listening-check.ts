/**
 * Asks whether anybody still listens at an instance's address, when a connection to it was lost: a process that was
 * killed is noticed at once, whether or not a request is sent there next.
 */
import { connect } from 'node:net';
import type { Target } from '../target.js';
import { isRefusal } from '../refusal.js';

/** How a connection ends that the other side closed or reset, in the words of undici and of the system. */
const LOST: ReadonlySet<unknown> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

export class ListeningCheck {
  readonly #target: Target;
  readonly #timeout: number;
  readonly #onRefused: () => void;
  #isRunning = false;

  /** @param timeout milliseconds; no answer within it says nothing */
  constructor(target: Target, timeout: number, onRefused: () => void) {
    this.#target = target;
    this.#timeout = timeout;
    this.#onRefused = onRefused;
  }

  /** A connection ended. One check at a time, however many end together. */
  connectionEnded(error: { readonly code?: unknown }): void {
    if (this.#isRunning || !LOST.has(error.code)) return;
    this.#isRunning = true;
    const { host, port } = this.#target;
    const socket = connect({ host, port, timeout: this.#timeout });
    socket.unref();
    socket.once('connect', () => socket.destroy());
    socket.once('timeout', () => socket.destroy());
    socket.once('error', (cause) => {
      if (isRefusal(cause)) this.#onRefused();
    });
    socket.once('close', () => (this.#isRunning = false));
  }
}
