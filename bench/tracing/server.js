// One Express application under the tracer named by the argument: a trivial route, and one that reads SQLite.
import { ConnectionPool, sqliteConnections } from '@tooloo/resilience';
import { createRequire } from 'node:module';
import { listen } from '../harness.js';
import { tracers } from './tracers.js';

const ROWS = 10_000;
const PAGE = 20;

const middleware = await tracers[process.argv[2]]();
// By `require`, and only now: instrumentation of OpenTelemetry sees what is loaded after it, that way.
const express = createRequire(import.meta.url)('express');

const pool = new ConnectionPool({ factory: sqliteConnections(':memory:'), minConnections: 1, maxConnections: 4 });
await pool.use(async (connection) => {
  await connection.query('CREATE TABLE items (id INTEGER PRIMARY KEY, shelf INTEGER, name TEXT)');
  await connection.query('CREATE INDEX items_of_shelf ON items (shelf)');
  await connection.query(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
     INSERT INTO items SELECT i, i % ${ROWS / PAGE}, 'item ' || i FROM n`,
  );
});

const app = express();
if (middleware !== undefined) app.use(middleware);
app.get('/', (_req, res) => {
  res.json({ ok: true });
});
app.get('/shelves/:shelf', async (req, res) => {
  const shelf = Number(req.params.shelf);
  const { rows } = await pool.use((connection) => connection.query('SELECT * FROM items WHERE shelf = ?', [shelf]));
  res.json({ shelf, items: rows });
});
listen(app);
