/** The factory of PostgreSQL connections. Only `@tooloo/resilience/postgres` loads it: `pg` is optional. */
import pg from 'pg';
import {
  anyOf,
  checkOptions,
  checkValue,
  count,
  func,
  milliseconds,
  object,
  oneOf,
  string,
  type OptionChecks,
} from '../shared/options.js';
import type { Bigints } from './bigints.js';
import type { ConnectionFactory } from './connection.js';
import { PostgresConnection } from './postgres-connection.js';
import { postgresTypes } from './postgres-types.js';

/** A password, or a function that returns it: for tokens that expire, it is called for each new session. */
export type PostgresPassword = string | (() => string | Promise<string>);

/** The address of the database and the options of its sessions. */
export interface PostgresConnectionsOptions {
  /** e.g. 'postgres://user@host:5432/database?sslmode=require': instead of `host`, `port`, `user` and `database`. */
  readonly url?: string;
  /** Name, address, or folder of a Unix socket. Default: `PGHOST`, else 'localhost'. */
  readonly host?: string;
  /** Default: `PGPORT`, else 5432. */
  readonly port?: number;
  /** Default: `PGUSER`, else the name of the process's user. */
  readonly user?: string;
  /** Default: `PGDATABASE`, else the user's name. */
  readonly database?: string;
  /** Text, or a function that is called for each new session, e.g. for a token that expires. Default: the URL's, else `PGPASSWORD`. */
  readonly password?: PostgresPassword;
  /** Schema that unqualified names mean, created as needed. Default: the database's own search path. */
  readonly schema?: string;
  /** Shown in `pg_stat_activity`. Default 'tooloo'. */
  readonly applicationName?: string;
  /** Milliseconds after which the server ends a statement; 0 (default): never. */
  readonly statementTimeout?: number;
  /** Milliseconds a statement waits for a lock; 0 (default): without limit. */
  readonly lockTimeout?: number;
  /** Milliseconds after which the server ends a session that is idle in a transaction; 0 (default): never. */
  readonly idleInTransactionTimeout?: number;
  /** TLS settings, as `tls.connect` takes them; true: TLS with a verified certificate, false: none. Default: what the URL says (`sslmode`). */
  readonly ssl?: boolean | object;
  /**
   * The JavaScript type of a `bigint`. 'auto' (default): a number if it holds the value exactly, else a BigInt;
   * 'always': a BigInt; 'number': a number, rounded beyond 2^53.
   */
  readonly bigints?: Bigints;
}

/** Milliseconds. A host that vanished is detected by TCP's own probes, which begin after two hours by default. */
const KEEP_ALIVE_DELAY = 10_000;

const CHECKS: OptionChecks<PostgresConnectionsOptions> = {
  url: string,
  host: string,
  port: count(),
  user: string,
  database: string,
  password: anyOf(string, func),
  schema: string,
  applicationName: string,
  statementTimeout: milliseconds,
  lockTimeout: milliseconds,
  idleInTransactionTimeout: milliseconds,
  ssl: anyOf(oneOf(true, false), object('TLS settings')),
  bigints: oneOf('auto', 'always', 'number'),
};

/** Settings of the session. Not startup parameters: versions of `pg` before 8.8 and poolers do not pass all of them on. */
function settingsOf({ lockTimeout, idleInTransactionTimeout }: PostgresConnectionsOptions): string[] {
  const settings: string[] = [];
  if (lockTimeout !== undefined) settings.push(`SET lock_timeout = ${Math.ceil(lockTimeout)}`);
  if (idleInTransactionTimeout !== undefined) {
    settings.push(`SET idle_in_transaction_session_timeout = ${Math.ceil(idleInTransactionTimeout)}`);
  }
  return settings;
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

async function connect(client: pg.Client, options: PostgresConnectionsOptions): Promise<void> {
  await client.connect();
  const settings = settingsOf(options);
  if (options.schema !== undefined) {
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${quoted(options.schema)}`).catch(ignoreRace);
    settings.push(`SET search_path TO ${quoted(options.schema)}, public`);
  }
  if (settings.length > 0) await client.query(settings.join('; '));
}

/** Two sessions that create one schema at once: `IF NOT EXISTS` does not prevent that one of them fails. */
function ignoreRace(error: { code?: string }): void {
  const DUPLICATE_SCHEMA = '42P06';
  const UNIQUE_VIOLATION = '23505';
  if (error.code !== DUPLICATE_SCHEMA && error.code !== UNIQUE_VIOLATION) throw error as Error;
}

function configOf(options: PostgresConnectionsOptions): pg.ClientConfig {
  const { url, host, port, user, database, applicationName, statementTimeout, ssl, bigints } = options;
  const place = Object.entries({ connectionString: url, host, port, user, database, ssl });
  return {
    ...Object.fromEntries(place.filter(([, value]) => value !== undefined)),
    application_name: applicationName ?? 'tooloo',
    statement_timeout: statementTimeout,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY,
    types: postgresTypes(bigints ?? 'auto'),
  };
}

function resolve(
  urlOrOptions: string | PostgresConnectionsOptions,
  more: PostgresConnectionsOptions | undefined,
): PostgresConnectionsOptions {
  const isUrl = typeof urlOrOptions === 'string';
  if (isUrl) checkValue("postgresConnections: 'url'", urlOrOptions, string);
  const given = isUrl ? { ...more, url: urlOrOptions } : urlOrOptions;
  const options = checkOptions<PostgresConnectionsOptions>('postgresConnections', given, CHECKS);
  if (options.url === undefined) return options;
  for (const name of ['host', 'port', 'user', 'database'] as const) {
    if (options[name] === undefined) continue;
    throw new TypeError(`postgresConnections: option '${name}': expected it in the URL, or no URL`);
  }
  return options;
}

/**
 * PostgreSQL connections for a `ConnectionPool`.
 *
 * @param options the URL, or where the database is as options
 * @param more options beside a URL
 * @throws TypeError or RangeError naming the option
 *
 * @example
 * import { ConnectionPool } from '@tooloo/resilience';
 * import { postgresConnections } from '@tooloo/resilience/postgres';
 *
 * const pool = new ConnectionPool({ factory: postgresConnections('postgres://app@db.internal/orders', { lockTimeout: 2000 }) });
 */
export function postgresConnections(
  options: string | PostgresConnectionsOptions,
  more?: PostgresConnectionsOptions,
): ConnectionFactory<PostgresConnection> {
  const resolved = resolve(options, more);
  const { password } = resolved;
  const config = configOf(resolved);
  return {
    dialect: 'postgres',
    async create(signal) {
      const client = new pg.Client(config);
      const connection = new PostgresConnection(client);
      const abort = (): void => void connection.abandon();
      signal.addEventListener('abort', abort, { once: true });
      try {
        if (password !== undefined) client.password = typeof password === 'string' ? password : await password();
        signal.throwIfAborted();
        await connect(client, resolved);
        return connection;
      } catch (error) {
        await connection.abandon();
        throw error;
      } finally {
        signal.removeEventListener('abort', abort);
      }
    },
  };
}
