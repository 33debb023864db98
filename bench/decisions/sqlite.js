// SQLite in the process, or in a thread beside it: what a short query costs, and for how long a long one holds up the event loop.
import { sqliteConnections, sqliteThreadConnections } from '@tooloo/resilience';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pass } from 'node:timers/promises';
import { shuffled } from '../harness.js';
import { publishRates, undisturbedRate } from '../rates.js';
import { machine, spread } from '../report.js';

const ROWS = 10_000;
const LONG = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT sum(i) AS total FROM n`;
const rounds = Number(process.env.ROUNDS ?? 5);
const folder = mkdtempSync(join(tmpdir(), 'bench-sqlite-'));
const path = join(folder, 'items.sqlite');

const open = (factory) => factory.create(AbortSignal.timeout(10_000));
const connections = {
  'in the process': await open(sqliteConnections(path)),
  'in a thread': await open(sqliteThreadConnections(path)),
};
const [first] = Object.values(connections);
await first.query('CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)');
await first.query(
  `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) INSERT INTO items SELECT i, 'item ' || i FROM n`,
);

/** Milliseconds for which the event loop stood still, at most, while the long query ran. */
async function longestBlock(connection) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await pass(10);
  await connection.query(LONG);
  await pass(10);
  delay.disable();
  return delay.max / 1e6;
}

function shortQueries(connection) {
  let next = 0;
  return async (n) => {
    for (let i = 0; i < n; i++) {
      next = (next + 797) % ROWS;
      const { rows } = await connection.query('SELECT name FROM items WHERE id = ?', [next + 1]);
      if (rows.length !== 1) throw new Error(`item ${next + 1} was not found`);
    }
  };
}

const names = Object.keys(connections);
const rates = Object.fromEntries(names.map((name) => [name, []]));
const blocks = Object.fromEntries(names.map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const name of shuffled(names)) {
    rates[name].push(await undisturbedRate(shortQueries(connections[name]), { batch: 100 }));
    blocks[name].push(await longestBlock(connections[name]));
  }
}
publishRates({
  title: 'SQLite in the process or in a thread',
  settings: `short: one row by its key, one after the other; long: some two million steps; ${rounds} interleaved rounds; ${machine()}`,
  rates,
  ours: 'in the process',
  columns: ['event loop blocked by a long query, ms'],
  more: Object.fromEntries(names.map((name) => [name, [spread(blocks[name]).median.toFixed(0)]])),
});
for (const connection of Object.values(connections)) await connection.close();
rmSync(folder, { recursive: true });
process.exit();
