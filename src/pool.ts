/**
 * `@tooloo/resilience/pool`: Connection pools for SQLite, PostgreSQL and others, and what watches the queries on them.
 *
 * @module
 */
export * from './database/index.js';
