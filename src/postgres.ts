/**
 * `@tooloo/resilience/postgres`: PostgreSQL connections for ConnectionPool, and rate limits shared
 * through PostgreSQL. Needs `pg`.
 *
 * @module
 */
export {
  postgresConnections,
  type PostgresConnectionsOptions,
  type PostgresPassword,
} from './database/postgres-connections.js';
export { type PostgresConnection } from './database/postgres-connection.js';
export { PostgresStore, type PostgresQueryable, type PostgresStoreOptions } from './rate-limiting/postgres-store.js';
