/** Calls with the same key at the same time become one; each caller may leave it without harming the others. */
import { func, checkOptions } from '../shared/options.js';

/** How those that share an answer each get their own. */
export interface RequestDeduplicatorOptions<T> {
  /** What each caller gets of the shared result, where the result itself could be changed by one. Default: the result. */
  readonly copy?: (value: T) => T;
}

interface Flight<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  waiting: number;
}

/** Calls since the start, and how many were answered together. */
export interface DeduplicatorStats {
  /** Calls made. */
  readonly calls: number;
  /** Callers that joined a call another had made. */
  readonly shared: number;
  readonly inFlight: number;
}

/**
 * ```ts
 * const deduplicator = new RequestDeduplicator<User>();
 * const user = await deduplicator.run(`user:${id}`, (signal) => load(id, signal), { signal: req.signal });
 * ```
 *
 * Nothing is kept once a call is over: this is no cache. Whatever the result depends on, the caller's credentials
 * included, belongs into the key.
 */
export class RequestDeduplicator<T = unknown> {
  readonly #copy: ((value: T) => T) | undefined;
  readonly #flights = new Map<string, Flight<T>>();
  #calls = 0;
  #shared = 0;

  constructor(options?: RequestDeduplicatorOptions<T>) {
    this.#copy = checkOptions('RequestDeduplicator', options, { copy: func }).copy;
  }

  /**
   * Joins the call of this key, or makes it.
   *
   * @param call its signal aborts, with the last caller's reason, when every caller has left
   * @param options `signal`: leaves the call
   * @throws the call's error, or the reason of the caller's own signal
   */
  async run(
    key: string,
    call: (signal: AbortSignal) => T | Promise<T>,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<T> {
    signal?.throwIfAborted();
    let flight = this.#flights.get(key);
    if (flight === undefined) flight = this.#start(key, call);
    else this.#shared++;
    const value = await this.#wait(key, flight, signal);
    return this.#copy === undefined ? value : this.#copy(value);
  }

  getStats(): DeduplicatorStats {
    return { calls: this.#calls, shared: this.#shared, inFlight: this.#flights.size };
  }

  #start(key: string, call: (signal: AbortSignal) => T | Promise<T>): Flight<T> {
    this.#calls++;
    const abort = new AbortController();
    const result = (async () => call(abort.signal))();
    const flight: Flight<T> = { result, abort, waiting: 0 };
    this.#flights.set(key, flight);
    const land = (): void => this.#remove(key, flight);
    result.then(land, land); // also keeps a failure after everybody left from being unhandled
    return flight;
  }

  #wait(key: string, flight: Flight<T>, signal: AbortSignal | undefined): Promise<T> {
    flight.waiting++;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        flight.waiting--;
        if (flight.waiting === 0) {
          this.#remove(key, flight); // whoever comes now starts anew: this one is dying
          flight.abort.abort(signal?.reason);
        }
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', leave, { once: true });
      flight.result.then(resolve, reject).finally(() => signal?.removeEventListener('abort', leave));
    });
  }

  #remove(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
