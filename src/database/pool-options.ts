/** The options of a connection pool, checked and resolved once. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import { withPresentNames, type FormerNames } from '../shared/former-options.js';
import { checkOptions, clock, count, func, having, milliseconds, number, positive, string } from '../shared/options.js';
import { warnOnce } from '../shared/warnings.js';
import type { ConnectionFactory, DatabaseConnection } from './connection.js';
import { sqliteConnections } from './sqlite-connections.js';

/** A connection that was borrowed for suspiciously long. */
export interface LeakReport {
  /** Number of the connection. */
  readonly id: number;
  /** Milliseconds since it was borrowed. */
  readonly heldFor: number;
  /** Stack of the `acquire` call; '' if the pool lent more than a hundred times in that second. */
  readonly stack: string;
  /** Route template of the request that borrowed it, and the trace it belongs to, where known. */
  readonly route: string | undefined;
  readonly traceId: string | undefined;
}

/**
 * The database, the number of connections, and their lifetime.
 *
 * @example
 * import { ConnectionPool, sqliteConnections, type ConnectionPoolOptions } from '@tooloo/resilience';
 *
 * const options: ConnectionPoolOptions = { factory: sqliteConnections('./data/orders.db'), maxConnections: 10 };
 * const pool = new ConnectionPool(options);
 */
export interface ConnectionPoolOptions<C extends DatabaseConnection = DatabaseConnection> {
  /** Shown in warnings, spans and errors. Default 'database'. */
  readonly name?: string;
  /** Opens the connections: `sqliteConnections(path)`, `postgresConnections(url)` or your own. */
  readonly factory?: ConnectionFactory<C>;
  /** SQLite file, or ':memory:' (default), if no `factory` is given. */
  readonly database?: string;
  /** Connections kept open, even when idle. Default 2, or `maxConnections` if that is less. */
  readonly minConnections?: number;
  /** Connections never exceeded. Default 10. */
  readonly maxConnections?: number;
  /** Callers that may wait at once; one more is refused with QUEUE_FULL. Default 10,000. */
  readonly maxWaiting?: number;
  /** Milliseconds a caller waits, and an attempt to connect may take. Default 30 s; below 250 ms warns. */
  readonly connectionTimeout?: number;
  /** Milliseconds after which an idle connection above `minConnections` is closed. Default 10 min. */
  readonly idleTimeout?: number;
  /** Milliseconds a connection lives, ± 25 % so that they do not all end together. Default 30 min. */
  readonly maxLifetime?: number;
  /** Milliseconds between pings of an idle connection, so that no firewall forgets it. Default 2 min; 0: never. */
  readonly keepaliveTime?: number;
  /** Milliseconds idle after which a connection is validated before it is lent. Default 500. */
  readonly validateAfterIdle?: number;
  /** Milliseconds a validation, a rollback or a close may take. Default 5 s. */
  readonly validationTimeout?: number;
  /** Milliseconds a borrowing may last before it is reported as a leak. Default 0: not watched. */
  readonly leakDetectionThreshold?: number;
  /** Whether a connection is fit to be lent. Default: its own `ping()`. */
  validate?(connection: C): boolean | Promise<boolean>;
  /** Called once for each leak. Default: a process warning, code TOOLOO_POOL_LEAK. */
  readonly onLeak?: (report: LeakReport) => unknown;
  /** Called for each failed attempt to connect. */
  readonly onError?: (error: unknown) => unknown;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** The options with every default filled in. */
export type PoolSettings<C extends DatabaseConnection> = Required<
  Omit<ConnectionPoolOptions<C>, 'database' | 'onLeak' | 'onError'>
> &
  Pick<ConnectionPoolOptions<C>, 'onLeak' | 'onError'>;

const SHORTEST_SENSIBLE_TIMEOUT = 250;

const FORMER_NAMES: FormerNames<ConnectionPoolOptions> = {
  maxRetries: { dropped: "connecting is tried again until 'connectionTimeout'" },
};

/**
 * Checks the options and fills in the defaults.
 *
 * @throws TypeError or RangeError naming the option
 */
export function resolvePoolOptions<C extends DatabaseConnection>(options?: ConnectionPoolOptions<C>): PoolSettings<C> {
  const named = withPresentNames<ConnectionPoolOptions<C>>('ConnectionPool', options, FORMER_NAMES);
  const given = checkOptions<ConnectionPoolOptions<C>>('ConnectionPool', named, {
    name: string,
    factory: having('a connection factory', 'create'),
    database: string,
    minConnections: count(0),
    maxConnections: number({ min: 1, max: 10_000, integer: true }),
    maxWaiting: count(0),
    connectionTimeout: positive,
    idleTimeout: positive,
    maxLifetime: positive,
    keepaliveTime: milliseconds,
    validateAfterIdle: milliseconds,
    validationTimeout: positive,
    leakDetectionThreshold: milliseconds,
    validate: func,
    onLeak: func,
    onError: func,
    clock,
  });
  const { database = ':memory:', ...rest } = given;
  const settings = {
    name: 'database',
    // Without a factory the connections are SQLite's, and C is what the caller did not narrow.
    factory: sqliteConnections(database, { clock: given.clock }) as unknown as ConnectionFactory<C>,
    maxConnections: 10,
    minConnections: Math.min(2, given.maxConnections ?? 10),
    maxWaiting: 10_000,
    connectionTimeout: 30_000,
    idleTimeout: 600_000,
    maxLifetime: 1_800_000,
    keepaliveTime: 120_000,
    validateAfterIdle: 500,
    validationTimeout: 5000,
    leakDetectionThreshold: 0,
    validate: (connection: C) => connection.ping(),
    clock: monotonicClock,
    ...rest,
  };
  if (settings.minConnections > settings.maxConnections) {
    const { minConnections, maxConnections } = settings;
    throw new RangeError(
      `ConnectionPool: option 'minConnections': expected at most maxConnections (${maxConnections}), got ${minConnections}`,
    );
  }
  if (settings.connectionTimeout < SHORTEST_SENSIBLE_TIMEOUT) warnShortTimeout(settings.connectionTimeout);
  return settings;
}

function warnShortTimeout(timeout: number): void {
  const message = `a connectionTimeout of ${timeout} ms fails callers that a database under load would still serve; use 250 ms or more`;
  warnOnce('TOOLOO_POOL_SHORT_TIMEOUT', 'ConnectionPool', message);
}
