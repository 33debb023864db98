/** The database of a service: Kysely for queries, on the kit's pool and optimizer, with migrations at startup. */
import { Kysely } from 'kysely';
import {
  ConnectionPool,
  QueryOptimizer,
  sqliteConnections,
  type Clock,
  type ConnectionFactory,
  type SlowQuery,
} from '../../src/index.js';
import { poolDialect } from './kysely-pool-dialect.js';
import { migrate, type Migration } from './migrations.js';

export type { Migration } from './migrations.js';

/** Receives messages about the database, for example a pino logger. */
export interface DatabaseLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

export interface OpenDatabaseOptions {
  /** SQLite file, or ':memory:'. Folders are created as needed. Ignored if `url` is set. Default ':memory:'. */
  readonly path?: string;
  /** PostgreSQL URL, e.g. 'postgres://user@127.0.0.1:5432/test', as in `DATABASE_URL`. */
  readonly url?: string;
  /** PostgreSQL schema for the service's tables, created as needed. Default 'public'. */
  readonly schema?: string;
  /** Default 5. */
  readonly maxConnections?: number;
  readonly migrations: readonly Migration[];
  readonly clock?: Clock;
  readonly log?: DatabaseLog;
}

export interface OpenedDatabase<Schema> {
  readonly db: Kysely<Schema>;
  readonly pool: ConnectionPool;
  readonly optimizer: QueryOptimizer;
  /** Waits at most 5 s for running queries, then closes all connections. Idempotent. */
  readonly close: () => Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const CLOSE_TIMEOUT = 5000;
const LEAK_THRESHOLD = 30_000;
/**
 * Per instance. PostgreSQL allows 100 connections by default, and the fleet has eight services with several instances
 * each.
 */
const MAX_CONNECTIONS = 5;

async function connectionFactory({
  path = ':memory:',
  url,
  schema,
  clock,
}: OpenDatabaseOptions): Promise<ConnectionFactory> {
  if (url === undefined || url === '') return sqliteConnections(path, { clock });
  // Imported only here, so that a fleet on SQLite runs without `pg` installed.
  const { postgresConnections } = await import('../../src/postgres.js');
  return postgresConnections(url, { schema });
}

function warnOfSlowQuery(log: DatabaseLog, { fingerprint, duration, route, traceId }: SlowQuery): void {
  log.warn({ query: fingerprint, duration, route, traceId }, 'slow query');
}

/**
 * Opens the database of a service and migrates it to the current schema.
 *
 * @throws if the database cannot be opened or a migration fails; it leaves nothing open
 */
export async function openDatabase<Schema>(options: OpenDatabaseOptions): Promise<OpenedDatabase<Schema>> {
  const { migrations, maxConnections = MAX_CONNECTIONS, clock, log } = options;
  const pool = new ConnectionPool({
    factory: await connectionFactory(options),
    minConnections: 1,
    maxConnections,
    leakDetectionThreshold: LEAK_THRESHOLD,
    clock,
    onError: log && ((error) => log.warn({ error }, 'the database refused a connection')),
  });
  const optimizer = new QueryOptimizer({
    pool,
    clock,
    onSlowQuery: log && ((query) => warnOfSlowQuery(log, query)),
  });
  const close = async (): Promise<void> => {
    await optimizer.close();
    await pool.drain({ timeout: CLOSE_TIMEOUT });
  };
  const db = new Kysely<Schema>({ dialect: poolDialect({ pool, optimizer }) });
  try {
    await pool.initialize();
    const applied = await migrate(db as unknown as Kysely<unknown>, migrations, pool.dialect);
    if (applied.length > 0) log?.info({ migrations: applied }, 'database migrated');
  } catch (error) {
    await pool.close();
    throw error;
  }
  return { db, pool, optimizer, close, [Symbol.asyncDispose]: close };
}
