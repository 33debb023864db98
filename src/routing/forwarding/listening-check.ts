/**
 * Checks whether a process still listens at the address of an instance after a connection to it was lost. A process
 * that was killed is therefore noticed at once, without waiting for the next request.
 */
import { connect } from 'node:net';
import type { Target } from '../target.js';
import { isRefusal } from '../refusal.js';

/** The error codes of undici and the system for a connection that the other side closed or reset. */
const LOST: ReadonlySet<unknown> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

export class ListeningCheck {
  readonly #target: Target;
  readonly #timeout: number;
  readonly #onRefused: () => void;
  #isRunning = false;

  /** @param timeout milliseconds; a missing response within it is no evidence */
  constructor(target: Target, timeout: number, onRefused: () => void) {
    this.#target = target;
    this.#timeout = timeout;
    this.#onRefused = onRefused;
  }

  /** A connection ended. Only one check runs at a time, even if many connections end together. */
  connectionEnded(error: { readonly code?: unknown }): void {
    if (this.#isRunning || !LOST.has(error.code)) return;
    this.#isRunning = true;
    const { host, port, socketPath } = this.#target;
    const address = socketPath === undefined ? { host, port } : { path: socketPath };
    const socket = connect({ ...address, timeout: this.#timeout });
    socket.unref();
    socket.once('connect', () => socket.destroy());
    socket.once('timeout', () => socket.destroy());
    socket.once('error', (cause) => {
      if (isRefusal(cause)) this.#onRefused();
    });
    socket.once('close', () => (this.#isRunning = false));
  }
}
