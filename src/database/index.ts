/**
 * Connection pools for SQLite, PostgreSQL and what else has a factory, and what watches the queries on them.
 *
 * @module
 */
export { ConnectionPool } from './connection-pool.js';
export type { AcquireOptions, DrainOptions, PoolHealth } from './pool-calls.js';
export { type ConnectionPoolOptions, type LeakReport } from './pool-options.js';
export { type ConnectionPoolStats } from './pool-statistics.js';
export { type PooledConnection } from './pooled-connection.js';
export { type IsolationLevel, type TransactionOptions } from './transaction.js';
export { type Bigints } from './bigints.js';
export {
  type ConnectionFactory,
  type DatabaseConnection,
  type Dialect,
  type FailedStatement,
  type Queryable,
  type QueryResult,
  type Row,
} from './connection.js';
export {
  sqliteConnections,
  sqliteThreadConnections,
  type SqliteConnectionsOptions,
  type SqliteThreadConnectionsOptions,
} from './sqlite-connections.js';
export { type SqliteThreadConnection } from './sqlite-thread-connection.js';
export { type SqliteConnection } from './sqlite-connection.js';
export {
  type SqliteDatabase,
  type SqliteRunResult,
  type SqliteStatement,
  type SqliteTransaction,
} from '../shared/sqlite-database.js';
export { QueryOptimizer, type QueryAnalysis, type QueryOptimizerStats } from './query-optimizer.js';
export { type QueryOptimizerOptions } from './query-optimizer-options.js';
export { type BatchCounts } from './query-batcher.js';
export { type Severity, type Suggestion } from './anti-patterns.js';
export { type IndexSuggestion } from './index-advisor.js';
export { type RepeatedQuery } from './repetition-watch.js';
export { type QueryStatistics } from './query-statistics.js';
export { type SlowQuery } from './slow-query-log.js';
