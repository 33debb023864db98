/** A pool of database connections: lends them first come, first served, and keeps them fit to be lent. */
import { AsyncResource } from 'node:async_hooks';
import { ResilienceError, messageOf } from '../shared/errors.js';
import { callGuarded } from '../shared/listeners.js';
import { CallerQueue } from './caller-queue.js';
import { ConnectionOpener, isBeyondRetrying } from './connection-opener.js';
import { ConnectionStock } from './connection-stock.js';
import type { DatabaseConnection, Dialect } from './connection.js';
import { Housekeeping } from './housekeeping.js';
import { originRecorder } from './leak-watch.js';
import type { AcquireOptions, DrainOptions, PoolHealth } from './pool-calls.js';
import { PoolEnding } from './pool-ending.js';
import { resolvePoolOptions, type ConnectionPoolOptions, type PoolSettings } from './pool-options.js';
import { PoolCounters, type ConnectionPoolStats } from './pool-statistics.js';
import type { BorrowOrigin, PooledConnection } from './pooled-connection.js';
import { Prefills } from './prefills.js';
import type { TransactionOptions } from './transaction.js';

/**
 * A connection pool. Callers are served in the order of their calls. A caller takes the first available connection,
 * either a returned one or a new one. The pool validates, replaces and closes connections in the background.
 *
 * Errors of `acquire`: POOL_TIMEOUT (with the last failure to connect as its cause), QUEUE_FULL, POOL_CLOSED. It fails
 * at once with DRIVER_UNAVAILABLE, since no connection can ever be opened.
 *
 * @example
 * import { ConnectionPool, sqliteConnections } from '@tooloo/resilience';
 *
 * const pool = new ConnectionPool({ factory: sqliteConnections('./data/orders.db'), maxConnections: 10 });
 * const { rows } = await pool.use((connection) => connection.query('SELECT * FROM orders WHERE id = ?', [7]));
 * await pool.close();
 */
export class ConnectionPool<C extends DatabaseConnection = DatabaseConnection> {
  readonly #settings: PoolSettings<C>;
  readonly #counters = new PoolCounters();
  readonly #stock: ConnectionStock<C>;
  readonly #opener: ConnectionOpener<C>;
  readonly #callers: CallerQueue<C>;
  /** Undefined where leaks are not watched. */
  readonly #recordOrigin: ((now: number) => BorrowOrigin) | undefined;
  readonly #prefills = new Prefills();
  readonly #housekeeping: Housekeeping<C>;
  readonly #ending = new PoolEnding();
  #state: 'open' | 'draining' | 'closed' = 'open';
  #lastFailure: unknown;

  constructor(options?: ConnectionPoolOptions<C>) {
    this.#settings = resolvePoolOptions(options);
    const { factory, clock, connectionTimeout, name, maxConnections, maxWaiting } = this.#settings;
    this.#recordOrigin = this.#settings.leakDetectionThreshold > 0 ? originRecorder() : undefined;
    this.#stock = new ConnectionStock(this.#settings, this.#counters, (now) => this.#serve(now));
    this.#housekeeping = new Housekeeping(this.#settings, (now) => {
      this.#stock.keepHouse(now);
      this.#serve();
    });
    this.#callers = new CallerQueue<C>({
      name,
      clock,
      maxWaiting,
      usualTimeout: connectionTimeout,
      counters: this.#counters,
      describe: () => `${this.#stock.lent} of ${maxConnections} in use, ${this.#callers.length} more waiting`,
      lastFailure: () => this.#lastFailure,
      onLeave: () => this.#endWhenEmpty(),
    });
    this.#opener = new ConnectionOpener<C>({
      // Sockets keep the context they are made in, and it must not be that of the request that happened to need one.
      create: AsyncResource.bind((signal: AbortSignal) => factory.create(signal)),
      clock,
      timeout: connectionTimeout,
      validationTimeout: this.#settings.validationTimeout,
      wanted: () => this.#wanted(),
      isAwaited: () => this.#callers.length > 0,
      onOpen: (connection) => this.#takeIn(connection),
      onFailure: (error) => this.#noteFailure(error),
      onDiscarded: () => this.#endWhenEmpty(),
    });
  }

  get name(): string {
    return this.#settings.name;
  }

  get dialect(): Dialect {
    return this.#settings.factory.dialect;
  }

  /** Every open connection. */
  get connections(): readonly C[] {
    return this.#stock.connections;
  }

  /** The connections that are currently borrowed. */
  get activeConnections(): ReadonlySet<PooledConnection<C>> {
    return this.#stock.loans;
  }

  /**
   * Opens `minConnections`. Optional: a pool that was not initialized opens them on the first call.
   *
   * @throws ResilienceError CONNECTION_FAILED if the database cannot be reached; the pool continues to try
   */
  initialize(): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(this.#closedError());
    this.#housekeeping.start();
    if (this.#stock.size >= this.#settings.minConnections) return Promise.resolve();
    const filled = this.#prefills.wait();
    this.#opener.wake();
    return filled;
  }

  /** Borrows a connection. It must be given back: `release`, or let `use` do both. */
  acquire(options?: AcquireOptions): Promise<PooledConnection<C>> {
    if (this.#state !== 'open') return Promise.reject(this.#closedError());
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason as Error);
    const now = this.#settings.clock.now();
    const origin = this.#recordOrigin?.(now);
    // No caller waits and a connection is idle: no timer, no span, no queue. This is nearly every call.
    if (this.#callers.length === 0) {
      const lent = this.#stock.lend(now, origin);
      if (lent !== undefined) return Promise.resolve(lent);
    }
    return this.#wait(now, origin, options);
  }

  /** Returns a connection. A second return has no effect, even if another caller has borrowed it by then. */
  release(connection: PooledConnection<C>): void {
    connection.release();
  }

  /** Borrows a connection for the time `work` takes. */
  async use<T>(work: (connection: PooledConnection<C>) => Promise<T> | T, options?: AcquireOptions): Promise<T> {
    const connection = await this.acquire(options);
    try {
      return await work(connection);
    } finally {
      connection.release();
    }
  }

  /**
   * Borrows a connection and runs `work` in a transaction on it: committed when it returns, else rolled back. With
   * `retries`, `work` runs again if the database aborted the transaction in favour of another one.
   *
   * @throws ResilienceError TRANSACTION_ROLLED_BACK if the database kept nothing, although `work` returned
   * @throws ResilienceError CONNECTION_LOST if the connection was lost during COMMIT
   * @throws the errors of `acquire`
   */
  transaction<T>(
    work: (connection: PooledConnection<C>) => Promise<T> | T,
    { signal, timeout, ...options }: AcquireOptions & TransactionOptions = {},
  ): Promise<T> {
    return this.use((connection) => connection.transaction(work, options), { signal, timeout });
  }

  /**
   * Pings the database on every idle connection; connections that fail are closed. Borrowed ones count as healthy while
   * they are open. A pool without connections opens one for the check.
   */
  healthCheck(): Promise<PoolHealth> {
    return this.#stock.size === 0 ? this.#checkByOpening() : this.#stock.checkHealth();
  }

  async #checkByOpening(): Promise<PoolHealth> {
    try {
      await this.use(() => undefined, { timeout: this.#settings.validationTimeout });
      return { healthy: 1, unhealthy: 0, total: 1 };
    } catch {
      return { healthy: 0, unhealthy: 1, total: 1 };
    }
  }

  getStats(): ConnectionPoolStats {
    const { totalWait, ...counters } = this.#counters;
    return {
      poolSize: this.#stock.size,
      activeCount: this.#stock.lent,
      availableConnections: this.#stock.idle,
      waitingRequests: this.#callers.length,
      connecting: this.#opener.opening,
      utilization: this.#stock.lent / this.#settings.maxConnections,
      averageWait: counters.waited === 0 ? 0 : totalWait / counters.waited,
      ...counters,
    };
  }

  /**
   * Ends the pool. New callers are rejected, and waiting callers are still served. Borrowed connections may be returned
   * until the timeout; then everything is closed. Resolves when no connection is left.
   */
  drain({ timeout = this.#settings.connectionTimeout }: DrainOptions = {}): Promise<void> {
    const ended = this.#ending.begin();
    if (this.#state === 'open') {
      this.#state = 'draining';
      if (timeout > 0) this.#ending.limit(this.#settings.clock, timeout, () => this.#closeNow());
      this.#serve();
    }
    if (timeout <= 0) this.#closeNow();
    return ended;
  }

  /** Ends the pool at once: waiting callers are rejected, and borrowed connections are closed. */
  close(): Promise<void> {
    return this.drain({ timeout: 0 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #wait(
    now: number,
    origin: BorrowOrigin | undefined,
    { timeout = this.#settings.connectionTimeout, signal }: AcquireOptions = {},
  ): Promise<PooledConnection<C>> {
    const waiting = this.#callers.enqueue({ now, timeout, signal, origin });
    this.#housekeeping.start();
    this.#serve(now);
    return waiting;
  }

  /** Gives the callers what there is, in their order, and sees to it that more comes. */
  #serve(now = this.#settings.clock.now()): void {
    const stock = this.#stock;
    // Called at every return; nearly always there is nothing to do.
    const isSettled = this.#callers.length === 0 && stock.occupied >= this.#settings.minConnections;
    if (isSettled && this.#state === 'open') return;
    while (this.#callers.length > 0) {
      const lent = stock.lend(now, this.#callers.nextOrigin);
      if (lent === undefined) break;
      this.#callers.serveNext(lent, now);
    }
    // A validated connection goes to the first waiting caller, not to the caller that caused the validation.
    while (this.#callers.length > stock.checking && stock.validateOne());
    this.#opener.wake();
    this.#endWhenEmpty();
  }

  /** How many connections should be on their way. */
  #wanted(): number {
    const { minConnections, maxConnections } = this.#settings;
    const occupied = this.#stock.occupied;
    const room = maxConnections - occupied - this.#opener.late;
    const forCallers = this.#callers.length - this.#stock.checking;
    const forMinimum = this.#state === 'open' ? minConnections - occupied : 0;
    return Math.min(Math.max(forCallers, forMinimum), room);
  }

  #takeIn(connection: C): void {
    this.#lastFailure = undefined;
    this.#housekeeping.start();
    this.#stock.add(connection);
    if (this.#stock.size >= this.#settings.minConnections) this.#prefills.resolve();
  }

  #noteFailure(error: unknown): void {
    const { name, onError } = this.#settings;
    this.#counters.connectFailures++;
    this.#lastFailure = error;
    this.#prefills.reject(
      () => new ResilienceError('CONNECTION_FAILED', `pool '${name}': ${messageOf(error)}`, { cause: error }),
    );
    if (isBeyondRetrying(error)) {
      this.#callers.refuseAll(() => error);
      this.#endWhenEmpty();
    }
    if (onError !== undefined) callGuarded('ConnectionPool.onError', onError, error);
  }

  #closeNow(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#callers.refuseAll(() => this.#closedError());
    this.#stock.closeAll();
    this.#endWhenEmpty();
  }

  /** The last step of a drain, taken when the last caller or connection is gone. */
  #endWhenEmpty(): void {
    if (this.#state === 'open' || !this.#ending.isPending || this.#callers.length > 0) return;
    this.#state = this.#stock.lent === 0 ? 'closed' : this.#state;
    this.#stock.closeIdle();
    this.#opener.close();
    if (this.#stock.occupied > 0 || this.#opener.late > 0) return;
    this.#housekeeping.stop();
    this.#callers.close();
    this.#prefills.reject(() => this.#closedError());
    this.#ending.finish(() => this.#settings.factory.close?.());
  }

  #closedError(): ResilienceError {
    return new ResilienceError('POOL_CLOSED', `pool '${this.#settings.name}' is closed`);
  }
}
