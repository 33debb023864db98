/** A pool of database connections: lends them first come, first served, and keeps them fit to be lent. */
import { AsyncResource } from 'node:async_hooks';
import { startInterval, startTimer, type Timer } from '../shared/clock.js';
import { ResilienceError, messageOf } from '../shared/errors.js';
import { callGuarded } from '../shared/listeners.js';
import { CallerQueue } from './caller-queue.js';
import { ConnectionOpener } from './connection-opener.js';
import { ConnectionStock } from './connection-stock.js';
import type { DatabaseConnection, Dialect } from './connection.js';
import { originRecorder } from './leak-watch.js';
import { resolvePoolOptions, type ConnectionPoolOptions, type PoolSettings } from './pool-options.js';
import { PoolCounters, type ConnectionPoolStats } from './pool-statistics.js';
import type { BorrowOrigin, PooledConnection } from './pooled-connection.js';

/** How a caller waits for a connection. */
export interface AcquireOptions {
  /** Leaves the queue when it aborts, e.g. because the client has gone. */
  readonly signal?: AbortSignal;
  /** Milliseconds to wait at most. Default: the pool's `connectionTimeout`. */
  readonly timeout?: number;
}

/** How long a pool waits for what is borrowed. */
export interface DrainOptions {
  /** Milliseconds that borrowers have to give back what they hold. Default: the pool's `connectionTimeout`. */
  readonly timeout?: number;
}

/** On how many connections the database answers. */
export interface PoolHealth {
  readonly healthy: number;
  readonly unhealthy: number;
  readonly total: number;
}

interface Prefill {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const LONGEST_ROUND = 30_000;

/** Whether to wait is in vain: a driver that this process cannot load will not be loaded a second later. */
function isBeyondRetrying(error: unknown): boolean {
  return ResilienceError.is(error) && error.code === 'DRIVER_UNAVAILABLE';
}

/** How often the pool looks after its connections: often enough that no limit is overshot by more than half. */
function housekeepingPeriod<C extends DatabaseConnection>(settings: PoolSettings<C>): number {
  const { idleTimeout, maxLifetime, keepaliveTime, leakDetectionThreshold } = settings;
  const limits = [idleTimeout, maxLifetime, keepaliveTime, leakDetectionThreshold].filter((limit) => limit > 0);
  return Math.max(1, Math.min(LONGEST_ROUND, ...limits.map((limit) => limit / 2)));
}

/**
 * A connection pool. Callers are served in the order they came; a caller takes whichever is there first, a connection
 * given back or a new one; connections are validated, replaced and trimmed without anyone noticing.
 *
 * Errors of `acquire`: POOL_TIMEOUT (with the last failure to connect as its cause), QUEUE_FULL, POOL_CLOSED, and at once
 * DRIVER_UNAVAILABLE, since no connection will ever come.
 */
export class ConnectionPool<C extends DatabaseConnection = DatabaseConnection> {
  readonly #settings: PoolSettings<C>;
  readonly #counters = new PoolCounters();
  readonly #stock: ConnectionStock<C>;
  readonly #opener: ConnectionOpener<C>;
  readonly #callers: CallerQueue<C>;
  /** Undefined where leaks are not watched. */
  readonly #recordOrigin: ((now: number) => BorrowOrigin) | undefined;
  readonly #prefills: Prefill[] = [];
  #state: 'open' | 'draining' | 'closed' = 'open';
  #lastFailure: unknown;
  #housekeeping: Timer | undefined;
  #drainDeadline: Timer | undefined;
  #ended: Promise<void> | undefined;
  #resolveEnded: (() => void) | undefined;

  constructor(options?: ConnectionPoolOptions<C>) {
    this.#settings = resolvePoolOptions(options);
    const { factory, clock, connectionTimeout, name, maxConnections, maxWaiting } = this.#settings;
    this.#recordOrigin = this.#settings.leakDetectionThreshold > 0 ? originRecorder() : undefined;
    this.#stock = new ConnectionStock(this.#settings, this.#counters, (now) => this.#serve(now));
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
      wanted: () => this.#wanted(),
      isAwaited: () => this.#callers.length > 0,
      onOpen: (connection) => this.#takeIn(connection),
      onFailure: (error) => this.#noteFailure(error),
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

  /** What is borrowed now. */
  get activeConnections(): ReadonlySet<PooledConnection<C>> {
    return this.#stock.loans;
  }

  /**
   * Opens `minConnections`. Optional: a pool that was not initialized opens them when first asked for one.
   *
   * @throws ResilienceError CONNECTION_FAILED when the database cannot be reached; the pool goes on trying
   */
  initialize(): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(this.#closedError());
    this.#startHousekeeping();
    if (this.#stock.size >= this.#settings.minConnections) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#prefills.push({ resolve, reject });
      this.#opener.wake();
    });
  }

  /** Borrows a connection. It must be given back: `release`, or let `use` do both. */
  acquire(options?: AcquireOptions): Promise<PooledConnection<C>> {
    if (this.#state !== 'open') return Promise.reject(this.#closedError());
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason as Error);
    const now = this.#settings.clock.now();
    const origin = this.#recordOrigin?.(now);
    // Nobody waits and a connection is at hand: no timer, no span, no queue. This is nearly every call.
    if (this.#callers.length === 0) {
      const lent = this.#stock.lend(now, origin);
      if (lent !== undefined) return Promise.resolve(lent);
    }
    return this.#wait(now, origin, options);
  }

  /** Gives a connection back. Giving it back again does nothing, whoever has it by then. */
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

  /** Borrows a connection and runs `work` in a transaction on it: committed when it returns, else rolled back. */
  transaction<T>(work: (connection: PooledConnection<C>) => Promise<T> | T, options?: AcquireOptions): Promise<T> {
    return this.use((connection) => connection.transaction(work), options);
  }

  /**
   * Asks the database on every idle connection whether it answers; those that fail are closed. Borrowed ones count as
   * healthy while they are open. A pool without connections opens one to find out.
   */
  async healthCheck(): Promise<PoolHealth> {
    if (this.#stock.size === 0) return this.#checkByOpening();
    const { connections } = this.#stock;
    const dead = connections.filter((connection) => !connection.isOpen).length;
    const failed = await this.#stock.validateIdle();
    const total = connections.length;
    const unhealthy = Math.max(dead, failed);
    return { healthy: total - unhealthy, unhealthy, total };
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
   * Ends the pool: no new callers, those that wait are still served, what is borrowed may come back until the timeout,
   * then everything is closed. Resolves when nothing is left.
   */
  drain({ timeout = this.#settings.connectionTimeout }: DrainOptions = {}): Promise<void> {
    this.#ended ??= new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    if (this.#state === 'open') {
      this.#state = 'draining';
      if (timeout > 0) this.#drainDeadline = startTimer(this.#settings.clock, () => this.#closeNow(), timeout, true);
      this.#serve();
    }
    if (timeout <= 0) this.#closeNow();
    return this.#ended;
  }

  /** Ends the pool at once: who waits is refused, what is borrowed is closed under its borrower. */
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
    this.#startHousekeeping();
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
    // A connection in validation is for whoever is first when it has passed, not for the caller that caused it.
    while (this.#callers.length > stock.checking && stock.validateOne());
    this.#opener.wake();
    this.#endWhenEmpty();
  }

  /** How many connections should be on their way. */
  #wanted(): number {
    const { minConnections, maxConnections } = this.#settings;
    const occupied = this.#stock.occupied;
    const forCallers = this.#callers.length - this.#stock.checking;
    const forMinimum = this.#state === 'open' ? minConnections - occupied : 0;
    return Math.min(Math.max(forCallers, forMinimum), maxConnections - occupied);
  }

  #takeIn(connection: C): void {
    this.#lastFailure = undefined;
    this.#startHousekeeping();
    this.#stock.add(connection);
    if (this.#stock.size < this.#settings.minConnections) return;
    for (const { resolve } of this.#prefills.splice(0)) resolve();
  }

  #noteFailure(error: unknown): void {
    const { name, onError } = this.#settings;
    this.#counters.connectFailures++;
    this.#lastFailure = error;
    for (const { reject } of this.#prefills.splice(0)) {
      reject(new ResilienceError('CONNECTION_FAILED', `pool '${name}': ${messageOf(error)}`, { cause: error }));
    }
    if (isBeyondRetrying(error)) {
      this.#callers.refuseAll(() => error);
      this.#endWhenEmpty();
    }
    if (onError !== undefined) callGuarded('ConnectionPool.onError', onError, error);
  }

  #startHousekeeping(): void {
    if (this.#housekeeping !== undefined || this.#state === 'closed') return;
    const { clock } = this.#settings;
    const round = (): void => {
      this.#stock.keepHouse(clock.now());
      this.#serve();
    };
    this.#housekeeping = startInterval(clock, round, housekeepingPeriod(this.#settings));
  }

  #closeNow(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#callers.refuseAll(() => this.#closedError());
    this.#stock.closeAll();
    this.#endWhenEmpty();
  }

  /** The last step of a drain, taken by whoever leaves last. */
  #endWhenEmpty(): void {
    if (this.#state === 'open' || this.#resolveEnded === undefined || this.#callers.length > 0) return;
    this.#state = this.#stock.lent === 0 ? 'closed' : this.#state;
    this.#stock.closeIdle();
    this.#opener.close();
    if (this.#stock.occupied > 0) return;
    const resolve = this.#resolveEnded;
    this.#resolveEnded = undefined;
    this.#drainDeadline?.cancel();
    this.#housekeeping?.cancel();
    this.#callers.close();
    for (const { reject } of this.#prefills.splice(0)) reject(this.#closedError());
    void Promise.resolve(this.#settings.factory.close?.()).then(resolve, resolve);
  }

  #closedError(): ResilienceError {
    return new ResilienceError('POOL_CLOSED', `pool '${this.#settings.name}' is closed`);
  }
}
