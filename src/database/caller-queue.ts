/** The callers that wait for a connection, each with its deadline, its way to leave and its span. */
import { startTimer, type Clock } from '../shared/clock.js';
import { ResilienceError, messageOf } from '../shared/errors.js';
import { bindContext, startSpan } from '../shared/instrumentation.js';
import type { DatabaseConnection } from './connection.js';
import type { PoolCounters } from './pool-statistics.js';
import type { BorrowOrigin, PooledConnection } from './pooled-connection.js';
import { WaiterQueue } from './waiter-queue.js';

export interface CallerQueueOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly maxWaiting: number;
  readonly counters: PoolCounters;
  /** What the pool looks like, for the message of a timeout: '10 of 10 in use'. */
  readonly describe: () => string;
  /** The last failure to connect, if that may be why nothing came. */
  readonly lastFailure: () => unknown;
  /** Called when a caller has left without a connection. */
  readonly onLeave: () => void;
}

export interface Wait {
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
  readonly origin: BorrowOrigin | undefined;
}

interface Caller<C extends DatabaseConnection> {
  receive(connection: PooledConnection<C>, now: number): void;
  readonly refuse: (error: unknown) => void;
  readonly origin: BorrowOrigin | undefined;
}

export class CallerQueue<C extends DatabaseConnection> {
  readonly #options: CallerQueueOptions;
  readonly #queue = new WaiterQueue<Caller<C>>();

  constructor(options: CallerQueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#queue.length;
  }

  /** Waits at the end of the queue. */
  enqueue(wait: Wait): Promise<PooledConnection<C>> {
    const { name, maxWaiting } = this.#options;
    if (this.#queue.length < maxWaiting) return new Promise((resolve, reject) => this.#join(wait, resolve, reject));
    return Promise.reject(new ResilienceError('QUEUE_FULL', `pool '${name}': ${maxWaiting} callers wait already`));
  }

  #join(
    { timeout, signal, origin }: Wait,
    resolve: (connection: PooledConnection<C>) => void,
    reject: (error: unknown) => void,
  ): void {
    const { clock, counters, name, onLeave } = this.#options;
    const since = clock.now();
    const span = startSpan('pool.acquire', { 'db.client.connection.pool.name': name, waiting: this.#queue.length });
    const settle = (now: number, error?: unknown): void => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      counters.recordWait(now - since);
      span?.end(error);
    };
    const refuse = (error: unknown): void => {
      settle(clock.now(), error);
      reject(error);
    };
    const leave = (error: unknown): void => {
      if (!this.#queue.remove(place)) return;
      refuse(error);
      onLeave();
    };
    const onAbort = (): void => leave(signal?.reason);
    const expire = (): void => {
      counters.timeouts++;
      leave(this.#timeoutError(timeout));
    };
    // Whoever gives back the connection calls this; the caller's code must go on in its own trace, not in that one's.
    const receive = bindContext((connection: PooledConnection<C>, now: number) => {
      settle(now);
      resolve(connection);
    });
    const place = this.#queue.push({ receive, refuse: bindContext(refuse), origin });
    const timer = startTimer(clock, expire, timeout);
    signal?.addEventListener('abort', onAbort, { once: true });
  }

  #timeoutError(timeout: number): ResilienceError {
    const { name, describe, lastFailure } = this.#options;
    const cause = lastFailure();
    const failure = cause === undefined ? '' : `; connecting failed: ${messageOf(cause)}`;
    const message = `pool '${name}': timeout, no connection became available within ${timeout} ms (${describe()})${failure}`;
    return new ResilienceError('POOL_TIMEOUT', message, { cause });
  }

  /** Serves the caller that has waited longest; `lend` is told where it came from. */
  serveNext(now: number, lend: (origin: BorrowOrigin | undefined) => PooledConnection<C>): void {
    const caller = this.#queue.shift();
    caller?.receive(lend(caller.origin), now);
  }

  /** Sends everybody away. */
  refuseAll(error: () => unknown): void {
    for (let caller = this.#queue.shift(); caller !== undefined; caller = this.#queue.shift()) caller.refuse(error());
  }
}
