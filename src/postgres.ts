/**
 * `@tooloo/resilience/postgres`: PostgreSQL connections for ConnectionPool. Needs `pg`.
 *
 * @module
 */
export { postgresConnections, type PostgresConnectionsOptions } from './database/postgres-connections.js';
export { type PostgresConnection } from './database/postgres-connection.js';
