/** Calls with the same key at the same time become one; each caller may leave it without harming the others. */
import { func, checkOptions } from '../shared/options.js';

/** How those that share an answer each get their own. */
export interface RequestDeduplicatorOptions<T> {
  /**
   * Makes a copy of the shared result for each caller, if callers may change it. Default: all get the result itself.
   */
  readonly copy?: (value: T) => T;
}

interface Flight<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  waiting: number;
}

/** Calls since the start, and how many were answered together. */
export interface DeduplicatorStats {
  /** Number of calls that ran. */
  readonly calls: number;
  /** Number of callers that joined the running call of another. */
  readonly shared: number;
  readonly inFlight: number;
}

/**
 * Results are not kept after the call: this is not a cache. Everything that the result depends on must be part of the
 * key, including the caller's credentials.
 *
 * @example
 * import { RequestDeduplicator } from '@tooloo/resilience';
 *
 * const deduplicator = new RequestDeduplicator<Response>({ copy: (response) => response.clone() });
 * const response = await deduplicator.run('prices', (signal) => fetch('http://billing:3000/prices', { signal }));
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
    result.then(land, land); // also keeps a failure after all callers have left from being unhandled
    return flight;
  }

  #wait(key: string, flight: Flight<T>, signal: AbortSignal | undefined): Promise<T> {
    flight.waiting++;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        flight.waiting--;
        if (flight.waiting === 0) {
          this.#remove(key, flight); // later callers start a new flight, because this one is being aborted
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
