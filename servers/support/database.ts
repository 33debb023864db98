/** A service's own database: Kysely for the queries, the kit's pool and optimizer under it, migrations at the start. */
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

/** Where messages about the database go; a pino logger fits. */
export interface DatabaseLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

export interface OpenDatabaseOptions {
  /** SQLite file, folders created as needed, or ':memory:'. Not used when `url` is set. Default ':memory:'. */
  readonly path?: string;
  /** PostgreSQL, e.g. 'postgres://user@127.0.0.1:5432/test': what `DATABASE_URL` holds. */
  readonly url?: string;
  /** PostgreSQL schema the service's tables live in, created as needed. Default 'public'. */
  readonly schema?: string;
  readonly migrations: readonly Migration[];
  readonly clock?: Clock;
  readonly log?: DatabaseLog;
}

export interface OpenedDatabase<Schema> {
  readonly db: Kysely<Schema>;
  readonly pool: ConnectionPool;
  readonly optimizer: QueryOptimizer;
  /** Waits for the queries under way, at most 5 s, and closes every connection. Closing again does nothing. */
  readonly close: () => Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const CLOSE_TIMEOUT = 5000;
const LEAK_THRESHOLD = 30_000;
/** An instance. PostgreSQL allows 100 in all unless told, and the fleet has eight services that may each have several. */
const MAX_CONNECTIONS = 5;

async function connectionFactory({
  path = ':memory:',
  url,
  schema,
  clock,
}: OpenDatabaseOptions): Promise<ConnectionFactory> {
  if (url === undefined || url === '') return sqliteConnections(path, { clock });
  // Loaded only here: a fleet on SQLite runs without `pg` installed.
  const { postgresConnections } = await import('../../src/postgres.js');
  return postgresConnections(url, { schema });
}

function warnOfSlowQuery(log: DatabaseLog, { fingerprint, duration, route, traceId }: SlowQuery): void {
  log.warn({ query: fingerprint, duration, route, traceId }, 'slow query');
}

/**
 * Opens a service's database and brings it up to date.
 *
 * @throws when the database cannot be opened or a migration fails; nothing stays open then
 */
export async function openDatabase<Schema>(options: OpenDatabaseOptions): Promise<OpenedDatabase<Schema>> {
  const { migrations, clock, log } = options;
  const pool = new ConnectionPool({
    factory: await connectionFactory(options),
    minConnections: 1,
    maxConnections: MAX_CONNECTIONS,
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
