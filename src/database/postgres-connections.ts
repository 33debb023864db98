/** The factory of PostgreSQL connections. Only `@tooloo/resilience/postgres` loads it: `pg` is optional. */
import pg from 'pg';
import { checkOptions, checkValue, milliseconds, object, string } from '../shared/options.js';
import type { ConnectionFactory } from './connection.js';
import { PostgresConnection } from './postgres-connection.js';

/** How sessions are opened. */
export interface PostgresConnectionsOptions {
  /** Schema that unqualified names mean, created as needed. Default: the database's own search path. */
  readonly schema?: string;
  /** Shown in `pg_stat_activity`. Default 'tooloo'. */
  readonly applicationName?: string;
  /** Milliseconds after which the server ends a statement; 0 (default): never. */
  readonly statementTimeout?: number;
  /** TLS settings, as `tls.connect` takes them. Default: what the URL says (`sslmode`). */
  readonly ssl?: object;
}

/** Milliseconds: a host that vanished without a word is noticed by TCP's own probes, whose default is to begin after two hours. */
const KEEP_ALIVE_DELAY = 10_000;

/**
 * Types as `pg` reads them, but a bigint, which is what `count(*)` gives, is a number where a number holds it exactly
 * and a BigInt where not: `pg` alone makes it text, and the same code would then differ between SQLite and PostgreSQL.
 */
const TYPES: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => {
    if (oid === pg.types.builtins.INT8 && format !== 'binary') return parseBigint;
    return pg.types.getTypeParser(oid, format) as (text: string) => unknown;
  },
};

function parseBigint(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

async function connect(client: pg.Client, schema: string | undefined): Promise<void> {
  await client.connect();
  if (schema === undefined) return;
  const name = pg.escapeIdentifier(schema);
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${name}`).catch(ignoreRace);
  await client.query(`SET search_path TO ${name}, public`);
}

/** Two sessions that create one schema at once: `IF NOT EXISTS` does not prevent that one of them fails. */
function ignoreRace(error: { code?: string }): void {
  const DUPLICATE_SCHEMA = '42P06';
  const UNIQUE_VIOLATION = '23505';
  if (error.code !== DUPLICATE_SCHEMA && error.code !== UNIQUE_VIOLATION) throw error as Error;
}

/**
 * PostgreSQL connections for a `ConnectionPool`.
 *
 * @param url e.g. 'postgres://user:password@host:5432/database?sslmode=require'
 */
export function postgresConnections(
  url: string,
  options: PostgresConnectionsOptions = {},
): ConnectionFactory<PostgresConnection> {
  checkValue("postgresConnections: 'url'", url, string);
  const { schema, applicationName, statementTimeout, ssl } = checkOptions<PostgresConnectionsOptions>(
    'postgresConnections',
    options,
    { schema: string, applicationName: string, statementTimeout: milliseconds, ssl: object('TLS settings') },
  );
  const config: pg.ClientConfig = {
    connectionString: url,
    application_name: applicationName ?? 'tooloo',
    statement_timeout: statementTimeout,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY,
    types: TYPES,
    ...(ssl !== undefined && { ssl }),
  };
  return {
    dialect: 'postgres',
    async create(signal) {
      const client = new pg.Client(config);
      const connection = new PostgresConnection(client);
      const abort = (): void => void connection.close().catch(() => undefined);
      signal.addEventListener('abort', abort, { once: true });
      try {
        await connect(client, schema);
        return connection;
      } catch (error) {
        abort();
        throw error;
      } finally {
        signal.removeEventListener('abort', abort);
      }
    },
  };
}
