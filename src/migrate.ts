/**
 * `@tooloo/resilience/migrate`: rewrites code that uses express-rate-limit, rate-limiter-flexible, http-proxy-middleware,
 * apicache, opossum or terminus. `npx tooloo-migrate` is the same as a command.
 *
 * @module
 */
export { migrateText, type Locals, type Migrated, type Migration, type Use } from './migrate/migration.js';
export type { Convert, Row, Rows } from './migrate/options.js';
export { MIGRATIONS } from './migrate/peers/index.js';
export { MIGRATE_USAGE, runMigrate, type MigrateHost } from './migrate/program.js';
export type { Compiler, MethodCall, Note, Source } from './migrate/source.js';
