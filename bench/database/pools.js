// The pools compared. Each opens ten connections to one PostgreSQL server, and a caller waits at most 30 seconds, which
// is the default of `ConnectionPool` and of tarn.
import { ConnectionPool } from '@tooloo/resilience';
import { postgresConnections } from '@tooloo/resilience/postgres';
import genericPool from 'generic-pool';
import pg from 'pg';
import PgPool from 'pg-pool';
import { Pool as TarnPool } from 'tarn';

const CONNECTIONS = 10;
const TIMEOUT = 30_000;

async function connect(url) {
  const client = new pg.Client(url);
  await client.connect();
  return client;
}

/** By name: opens a pool; it lends, takes back and ends. */
export const pools = {
  ours: async (url) => {
    const pool = new ConnectionPool({
      factory: postgresConnections(url),
      minConnections: CONNECTIONS,
      maxConnections: CONNECTIONS,
    });
    await pool.initialize();
    return {
      acquire: () => pool.acquire(),
      release: (connection) => connection.release(),
      end: () => pool.drain(),
    };
  },
  'pg-pool': (url) => {
    const pool = new PgPool({ connectionString: url, max: CONNECTIONS, connectionTimeoutMillis: TIMEOUT });
    return { acquire: () => pool.connect(), release: (client) => client.release(), end: () => pool.end() };
  },
  tarn: (url) => {
    const pool = new TarnPool({
      create: () => connect(url),
      destroy: (client) => client.end(),
      min: CONNECTIONS,
      max: CONNECTIONS,
    });
    return {
      acquire: () => pool.acquire().promise,
      release: (client) => pool.release(client),
      end: () => pool.destroy(),
    };
  },
  'generic-pool': async (url) => {
    const factory = { create: () => connect(url), destroy: (client) => client.end() };
    const pool = genericPool.createPool(factory, {
      min: CONNECTIONS,
      max: CONNECTIONS,
      acquireTimeoutMillis: TIMEOUT,
    });
    await pool.ready();
    return {
      acquire: () => pool.acquire(),
      release: (client) => pool.release(client),
      end: () => pool.drain().then(() => pool.clear()),
    };
  },
};
