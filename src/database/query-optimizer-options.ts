/** The options of the query optimizer, checked and resolved once. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import { checkOptions, clock, count, func, having, milliseconds, number } from '../shared/options.js';
import { withPresentNames, type FormerNames } from '../shared/former-options.js';
import type { ConnectionPool } from './connection-pool.js';
import type { SlowQuery } from './slow-query-log.js';

/** The pool, how statements are batched, and what counts as slow. */
export interface QueryOptimizerOptions {
  /** Where statements run and plans come from. Without one the optimizer still analyses and observes. */
  readonly pool?: ConnectionPool;
  /** Queued statements of one shape that make a batch. Default 10. */
  readonly batchSize?: number;
  /** Milliseconds a batch waits to fill. Default 0: what is queued in one turn of the event loop is one batch. */
  readonly batchTimeout?: number;
  /** Statements that may be queued at once; one more is refused with QUEUE_FULL. Default 10,000. */
  readonly maxQueued?: number;
  /** Milliseconds from which a statement is slow. Default 1000. */
  readonly slowQueryThreshold?: number;
  /** Slow statements kept. Default 100. */
  readonly slowQueryLogSize?: number;
  /** How often one request (or other traced work) may send one statement shape before it counts as N+1. Default 10. */
  readonly repetitionThreshold?: number;
  /** Statement shapes whose statistics are kept. Default 500. */
  readonly maxShapes?: number;
  /**
   * Most of the time of all statements that reading their texts may take, from 0 to 1. Default 0.02. With 1 every text is
   * read, and every count is exact.
   */
  readonly shapeBudget?: number;
  /** Called for each slow statement, e.g. to log it. */
  readonly onSlowQuery?: (query: SlowQuery) => unknown;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** The options with every default filled in. */
export type OptimizerSettings = Required<Omit<QueryOptimizerOptions, 'pool' | 'onSlowQuery'>> &
  Pick<QueryOptimizerOptions, 'pool' | 'onSlowQuery'>;

/** SQLite takes 32,766 parameters, PostgreSQL 65,535, and a batch is padded to a power of two. */
const LARGEST_BATCH = 16_000;

const FORMER_NAMES: FormerNames<QueryOptimizerOptions> = {
  enablePreparedStatements: { dropped: 'statements with parameters are always prepared' },
};

/**
 * Checks the options and fills in the defaults.
 *
 * @throws TypeError or RangeError naming the option
 */
export function resolveOptimizerOptions(options?: QueryOptimizerOptions): OptimizerSettings {
  return {
    batchSize: 10,
    batchTimeout: 0,
    maxQueued: 10_000,
    slowQueryThreshold: 1000,
    slowQueryLogSize: 100,
    repetitionThreshold: 10,
    maxShapes: 500,
    shapeBudget: 0.02,
    clock: monotonicClock,
    ...checkOptions('QueryOptimizer', withPresentNames('QueryOptimizer', options, FORMER_NAMES), {
      pool: having('a ConnectionPool', 'acquire', 'use'),
      batchSize: number({ min: 1, max: LARGEST_BATCH, integer: true }),
      batchTimeout: milliseconds,
      maxQueued: count(),
      slowQueryThreshold: milliseconds,
      slowQueryLogSize: count(),
      repetitionThreshold: count(2),
      maxShapes: count(),
      shapeBudget: number({ min: 0, max: 1 }),
      onSlowQuery: func,
      clock,
    }),
  };
}
