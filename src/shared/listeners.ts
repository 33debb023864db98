/**
 * Subscribers of one event. They are foreign code: one that throws or rejects stops neither the others nor the caller.
 */
import { messageOf } from './errors.js';
import { ownResult } from './user-value.js';
import { warn } from './warnings.js';

/** A callback of the user. What it returns is only looked at to catch the rejection of an async one. */
export type Listener<A extends readonly unknown[]> = (...args: A) => unknown;

export class Listeners<A extends readonly unknown[]> {
  readonly #event: string;
  #listeners: ReadonlyArray<{ readonly call: Listener<A> }> = [];

  /** @param event named in the warning when a listener fails, e.g. 'HealthMonitor.onHealthChange' */
  constructor(event: string) {
    this.#event = event;
  }

  get size(): number {
    return this.#listeners.length;
  }

  /** Adds a listener; the same function may be added twice. Returns what removes it again. */
  add(call: Listener<A>): () => void {
    if (typeof call !== 'function') throw new TypeError(`${this.#event}: expected a function, got ${typeof call}`);
    const entry = { call };
    this.#listeners = [...this.#listeners, entry];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }

  /** Calls every listener there is now, in the order they were added. Never throws. */
  emit(...args: A): void {
    for (const { call } of this.#listeners) callGuarded(this.#event, call, ...args);
  }

  clear(): void {
    this.#listeners = [];
  }
}

/** Calls foreign code; a throw or a rejection becomes a process warning that names `where`. */
export function callGuarded<A extends readonly unknown[]>(where: string, call: Listener<A>, ...args: A): void {
  try {
    ownResult(call(...args), (error) => warnOfFailure(where, error));
  } catch (error) {
    warnOfFailure(where, error);
  }
}

function warnOfFailure(where: string, error: unknown): void {
  warn('TOOLOO_LISTENER_FAILED', `${where}: a listener failed: ${messageOf(error)}`);
}
