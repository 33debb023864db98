/** The callers that wait for a connection, each with its deadline, its way to leave and its span. */
import { startTimer, type Clock, type Timer } from '../shared/clock.js';
import { ResilienceError, messageOf } from '../shared/errors.js';
import { bindContext, startSpan, type RecordedSpan } from '../shared/instrumentation.js';
import type { DatabaseConnection } from './connection.js';
import type { PoolCounters } from './pool-statistics.js';
import type { BorrowOrigin, PooledConnection } from './pooled-connection.js';
import { WaiterQueue, type Waiter } from '../shared/waiter-queue.js';

export interface CallerQueueOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly maxWaiting: number;
  /** Milliseconds that nearly every caller waits at most. */
  readonly usualTimeout: number;
  readonly counters: PoolCounters;
  /** What the pool looks like, for the message of a timeout: '10 of 10 in use'. */
  readonly describe: () => string;
  /** The last failure to connect, if that may be why nothing came. */
  readonly lastFailure: () => unknown;
  /** Called when a caller has left without a connection. */
  readonly onLeave: () => void;
}

export interface Wait {
  /** The time by the clock. */
  readonly now: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
  readonly origin: BorrowOrigin | undefined;
}

interface Caller<C extends DatabaseConnection> extends Wait {
  resolve(connection: PooledConnection<C>): void;
  readonly reject: (error: unknown) => void;
  readonly span: RecordedSpan | undefined;
  /** Set for a caller with a timeout of its own. */
  timer: Timer | undefined;
  onAbort: (() => void) | undefined;
}

export class CallerQueue<C extends DatabaseConnection> {
  readonly #options: CallerQueueOptions;
  readonly #queue = new WaiterQueue<Caller<C>>();
  /**
   * One timer for all callers with the usual timeout, because they expire in the order of their calls. A timer each
   * would be a third of the cost of a wait, and nearly all of them would be cancelled. It keeps the process alive while
   * a caller waits, because no other handle may do so and each caller must get a result.
   */
  #expiry: Timer | undefined;

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
    { now, timeout, signal, origin }: Wait,
    resolve: (connection: PooledConnection<C>) => void,
    reject: (error: unknown) => void,
  ): void {
    const { clock, name, usualTimeout } = this.#options;
    const place = this.#queue.push({
      now,
      timeout,
      signal,
      origin,
      // The code that returns the connection calls these. The caller's code must continue in its own trace, not in that
      // one.
      resolve: bindContext(resolve),
      reject: bindContext(reject),
      span: startSpan('pool.acquire', { 'db.client.connection.pool.name': name, waiting: this.#queue.length }),
      timer: undefined,
      onAbort: undefined,
    });
    if (timeout === usualTimeout) this.#expiry ??= startTimer(clock, () => this.#expireUsual(), timeout, true);
    else place.value.timer = startTimer(clock, () => this.#expire(place), timeout, true);
    if (this.#queue.length === 1) this.#expiry?.keepAlive?.(true);
    if (signal === undefined) return;
    const onAbort = (): void => this.#leave(place, signal.reason);
    place.value.onAbort = onAbort;
    signal.addEventListener('abort', onAbort, { once: true });
  }

  #expireUsual(): void {
    const { clock, usualTimeout } = this.#options;
    this.#expiry = undefined;
    const late: Waiter<Caller<C>>[] = [];
    for (let place = this.#queue.first; place !== undefined; place = place.next) {
      if (place.value.timeout !== usualTimeout) continue;
      const left = place.value.now + usualTimeout - clock.now();
      if (left > 0) {
        this.#expiry = startTimer(clock, () => this.#expireUsual(), left, true);
        break;
      }
      late.push(place);
    }
    for (const place of late) this.#expire(place);
  }

  #expire(place: Waiter<Caller<C>>): void {
    if (!place.isQueued) return;
    this.#options.counters.timeouts++;
    this.#leave(place, this.#timeoutError(place.value.timeout));
  }

  #leave(place: Waiter<Caller<C>>, error: unknown): void {
    if (!this.#queue.remove(place)) return;
    this.#refuse(place.value, error);
    this.#options.onLeave();
  }

  #refuse(caller: Caller<C>, error: unknown): void {
    this.#endWait(caller, this.#options.clock.now(), error);
    caller.reject(error);
  }

  #endWait({ timer, signal, onAbort, now: since, span }: Caller<C>, now: number, error?: unknown): void {
    timer?.cancel();
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    if (this.#queue.length === 0) this.#expiry?.keepAlive?.(false);
    this.#options.counters.recordWait(now - since);
    span?.end(error);
  }

  #timeoutError(timeout: number): ResilienceError {
    const { name, describe, lastFailure } = this.#options;
    const cause = lastFailure();
    const failure = cause === undefined ? '' : `; connecting failed: ${messageOf(cause)}`;
    const message = `pool '${name}': timeout, no connection became available within ${timeout} ms (${describe()})${failure}`;
    return new ResilienceError('POOL_TIMEOUT', message, { cause });
  }

  /** The origin of the caller that has waited longest. */
  get nextOrigin(): BorrowOrigin | undefined {
    return this.#queue.first?.value.origin;
  }

  /** Gives a connection to the caller that has waited longest. */
  serveNext(connection: PooledConnection<C>, now: number): void {
    const caller = this.#queue.shift();
    if (caller === undefined) return;
    this.#endWait(caller, now);
    caller.resolve(connection);
  }

  /** Rejects all callers. */
  refuseAll(error: () => unknown): void {
    for (let caller = this.#queue.shift(); caller !== undefined; caller = this.#queue.shift()) {
      this.#refuse(caller, error());
    }
  }

  /** Stops the timer. Called when no caller waits and none will. */
  close(): void {
    this.#expiry?.cancel();
    this.#expiry = undefined;
  }
}
