// Lookups by key, a hundred asked for at once: each a statement of its own, and batched.
import { ConnectionPool, QueryOptimizer, sqliteConnections } from '@tooloo/resilience';
import { postgresConnections } from '@tooloo/resilience/postgres';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { microbenchmark } from '../harness.js';

const AT_ONCE = 100;
const ROWS = 10_000;
const CONNECTIONS = 10;
const SCHEMA = 'bench_batching';
const url = process.env.DATABASE_URL ?? 'postgres://root@127.0.0.1:5432/test';

/** Keys in no order, the same one again only after all the others. */
function keys() {
  let last = 0;
  return () => (last = (last + 7919) % ROWS) + 1;
}

function inCrowds(lookup) {
  const nextKey = keys();
  return async (n) => {
    for (let i = 0; i < n; i += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, () => lookup(nextKey())));
  };
}

async function fill(pool, mark) {
  await pool.transaction(async (connection) => {
    await connection.query('CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, age INTEGER)');
    for (let id = 1; id <= ROWS; id++) {
      await connection.query(`INSERT INTO users VALUES (${mark(1)}, ${mark(2)}, ${mark(3)}, ${mark(4)})`, [
        id,
        `User ${id}`,
        `user${id}@example.org`,
        id % 90,
      ]);
    }
  });
}

async function compare(title, pool, mark, others, targets) {
  const optimizer = new QueryOptimizer({ pool, batchSize: AT_ONCE });
  const sql = `SELECT id, name, email, age FROM users WHERE id = ${mark(1)}`;
  await microbenchmark({
    title: `${AT_ONCE} lookups at once, ${title}`,
    functions: {
      batched: inCrowds((id) => optimizer.queueQuery(sql, [id])),
      'one by one': inCrowds((id) => optimizer.query(sql, [id])),
      ...Object.fromEntries(Object.entries(others).map(([name, lookup]) => [name, inCrowds(lookup)])),
    },
    ours: 'batched',
    quietest: true,
    rounds: Number(process.env.ROUNDS ?? 7),
    milliseconds: 300,
    batch: AT_ONCE,
    targets,
  });
}

async function onSqlite() {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const pool = new ConnectionPool({
    factory: sqliteConnections(join(folder, 'users.db')),
    maxConnections: CONNECTIONS,
  });
  try {
    await fill(pool, () => '?');
    await pool.use(async ({ connection }) => {
      const statement = connection.database.prepare('SELECT id, name, email, age FROM users WHERE id = ?');
      await compare('SQLite', pool, () => '?', { 'better-sqlite3 alone': (id) => statement.all(id) }, []);
    });
  } finally {
    await pool.close();
    rmSync(folder, { recursive: true });
  }
}

async function onPostgres() {
  const factory = postgresConnections(url, { schema: SCHEMA });
  const pool = new ConnectionPool({ factory, maxConnections: CONNECTIONS });
  const peer = new pg.Pool({ connectionString: url, max: CONNECTIONS });
  const sql = `SELECT id, name, email, age FROM ${SCHEMA}.users WHERE id = $1`;
  try {
    await fill(pool, (number) => `$${number}`);
    await compare('PostgreSQL', pool, (number) => `$${number}`, { 'pg-pool': (id) => peer.query(sql, [id]) }, [
      { name: 'batched', of: 'one by one', least: 2 },
      { name: 'batched', of: 'pg-pool', least: 2 },
    ]);
  } finally {
    await pool.use((connection) => connection.query(`DROP SCHEMA ${SCHEMA} CASCADE`));
    await peer.end();
    await pool.close();
  }
}

await onSqlite();
await onPostgres();
